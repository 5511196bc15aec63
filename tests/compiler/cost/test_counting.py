"""``estimate`` counts what the network does; every figure here is derived by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.compiler.cost import estimate
from snnc.compiler.cost.counts import Counts
from snnc.compiler.cost.dense import dense_counts
from snnc.compiler.cost.hardware import Arithmetic
from snnc.compiler.onnx_import import load as load_model
from snnc.ir import (
    Add,
    AveragePool,
    Clip,
    Conv,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Staircase,
    TensorType,
)
from tests.command_line import write_model
from tests.compiler.cost.models import HOROWITZ, W1, W2, X, compiled

NUMBERS = {"inv": 4.0, "step": 0.25, "half": 0.5, "zero": 0.0, "four": 4.0}


def counts_of(network: snnc.Network, ann: Graph) -> list[Counts]:
    return [layer.counts for layer in estimate(network, ann, {"x": X}, HOROWITZ).snn]


def test_spiking_operations_by_hand(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="ternary", timesteps=3)
    encoder, first, neurons, second, readout = counts_of(network, ann)
    assert (encoder.macs, encoder.output_writes) == (3, 3 * (2 + 3) / 2)
    # Weights that are not 0, by input: 2, 1, 1. Sample 0 has inputs 0 and 1, sample 1 all.
    assert first.macs == 3 * ((2 + 1) + (2 + 1 + 1)) / 2
    assert (first.acs, first.synops) == (0, 0)
    assert first.events_in == 3 * (2 + 3) / 2
    assert first.payload_bits_in == 8 * first.events_in
    assert neurons.neuron_updates == neurons.comparisons == 3 * 2
    biased = 3 * 2 * bool(network.graph["r"].bias.any())  # type: ignore[attr-defined]
    assert neurons.bias_additions == biased
    sent = network.program.run({"x": X}, record=True).spikes["r"]
    assert neurons.events == neurons.resets == np.count_nonzero(sent) / 2
    assert neurons.payload_bits == 2 * neurons.events  # -1, 0 and 1
    # Weights that are not 0, by neuron: 1, 2. A ternary event needs no multiplication.
    assert second.acs == second.synops == (np.count_nonzero(sent, axis=(0, 1)) @ (1, 2)) / 2
    assert second.macs == 0
    assert second.weight_reads == second.state_reads == second.state_writes == second.acs
    assert (readout.neuron_updates, readout.comparisons) == (3 * 2, 0)
    found = estimate(network, ann, {"x": X}, HOROWITZ)
    additions = second.acs + neurons.events + 6 + biased + readout.bias_additions
    assert found.joules("snn") == pytest.approx(1e-12 * (0.23 * (3 + first.macs) + 0.1 * additions))


def test_graded_events_multiply(tmp_path: Path) -> None:
    second = counts_of(*compiled(tmp_path, code="augmented", timesteps=3))[3]
    assert second.acs == 0
    assert second.macs == second.synops > 0
    assert second.unit_synops > second.synops
    assert second.mac_planes == 4 * second.macs  # -4 to 4


def test_the_ann_and_its_twin(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="augmented", max_payload=5, timesteps=3)
    found = estimate(network, ann, {"x": X}, HOROWITZ)
    macs, additions = 3 * 2 + 2 * 2, 2  # 2 comparisons of the ReLU; the model has no bias
    assert (found.total("ann", "macs"), found.total("ann", "acs")) == (macs, additions)
    assert found.joules("ann") == pytest.approx(1e-12 * (4.6 * macs + 0.9 * additions))
    assert found.twin_bits == 4  # 3 * 5 + 1 = 16 levels
    assert found.joules("twin") == pytest.approx(1e-12 * (0.23 * macs + 0.1 * additions))


def test_an_exported_staircase_is_counted_once(tmp_path: Path) -> None:
    """ONNX has five operators for it: Div, Add, Floor, Clip, Mul."""
    path = write_model(
        tmp_path / "q.onnx",
        "h = Gemm <transB = 1> (x, w1) a = Mul (h, inv) b = Add (a, half) c = Floor (b) "
        "d = Clip (c, zero, four) e = Mul (d, step) y = Gemm <transB = 1> (e, w2)",
        "(float[N,3] x) => (float[N,2] y)",
        {"w1": W1, "w2": W2, **{key: np.array(v) for key, v in NUMBERS.items()}},
    )
    network = snnc.compile(path, calibration=X)
    (tmp_path / "ann.onnx").write_bytes(network.artifact.ann or b"")
    found = estimate(network, load_model(tmp_path / "ann.onnx").graph, {"x": X}, HOROWITZ)
    assert found.total("ann", "macs") == 3 * 2 + 2 + 2 * 2
    assert found.total("ann", "acs") == 0


def test_a_twin_of_more_than_8_bits_is_not_costed_as_one_of_8(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="rate", timesteps=256)
    found = estimate(network, ann, {"x": X}, HOROWITZ)
    assert found.twin_bits == 9
    assert found.networks["twin"].arithmetic == Arithmetic("int32_mac", "int32_add")


def test_real_networks_cost_floating_point(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, code="rate", weight_bits=None)
    found = estimate(network, ann, {"x": X}, HOROWITZ).to_json()
    assert {found[name]["mac"] for name in ("snn", "ann", "twin")} == {"fp32_mac"}
    assert found["ann_int8"]["mac"] == "int8_mac"
    assert {constant["value"] for constant in found["constants"]} == {4.6, 0.9, 0.23, 0.1}


def test_latency_counts_the_depth_of_the_target(tmp_path: Path) -> None:
    network, ann = compiled(tmp_path, target="lava", timesteps=3)
    assert estimate(network, ann, {"x": X}, HOROWITZ).latency.latency_steps == 3 + 2


def test_borders_are_not_multiplied() -> None:
    x = Input(name="x", type=TensorType((2, 4, 4)))
    weight = np.ones((3, 2, 3, 3))
    nodes: list[tuple[Node, float, float]] = [
        # Windows of 3 see 2, 3, 3 and 2 of 4 rows: 10 x 10 positions instead of 12 x 12.
        (Conv(name="n", inputs=("x",), weight=weight, padding=(1, 1, 1, 1)), 100 * 6, 0),
        (Conv(name="n", inputs=("x",), weight=weight, bias=np.ones(3)), 36 * 6, 12),
        (Conv(name="n", inputs=("x",), weight=np.ones((2, 1, 1, 1)), groups=2), 32, 0),
        (AveragePool(name="n", inputs=("x",), kernel=(2, 2), stride=(2, 2)), 0, 32),
        (MaxPool(name="n", inputs=("x",), kernel=(3, 3), padding=(1, 1, 1, 1)), 0, 200),
        (Add(name="n", inputs=("x", "x", "x")), 0, 64),
        (Clip(name="n", inputs=("x",)), 0, 32),
        (Staircase(name="n", inputs=("x",), low=0, high=4), 32, 0),  # it is scaled
    ]
    for node, macs, acs in nodes:
        graph = Graph([x, node], {"y": "n"})
        found = dense_counts(graph, node, 8)
        assert found is not None
        assert (found.macs, found.acs) == (macs, acs)
    vector = Input(name="x", type=TensorType((4,)))
    linear = Linear(name="n", inputs=("x",), weight=np.ones((3, 4)), bias=np.ones(3))
    found = dense_counts(Graph([vector, linear], {"y": "n"}), linear, 8)
    assert found is not None
    assert (found.macs, found.acs) == (12, 3)
    assert dense_counts(Graph([vector, linear], {"y": "n"}), vector, 8) is None


def test_max_pools_compare(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    with np.load(data_file) as file:
        x = file["x"]
    pool = next(
        entry.counts
        for entry in estimate(
            network, load_model(artifact / "ann.onnx").graph, {"x": x}, HOROWITZ
        ).snn
        if entry.kind == "MaxPool"
    )
    result = network.run(x, record=True)
    # Windows do not overlap: each event is compared once.
    assert pool.neuron_updates == np.count_nonzero(result.spikes["r"]) / 20
    assert pool.events == np.count_nonzero(result.spikes["p"]) / 20
