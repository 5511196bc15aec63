"""The parts of an error are the error, and each is what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import snnc
from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.onnx_runtime import AnnSession, to_onnx
from snnc.compiler.demo import bundled
from snnc.compiler.explain import explain
from snnc.compiler.explain.afferents import Afferents
from snnc.compiler.explain.explain import source_model
from snnc.compiler.explain.hybrid import Hybrid
from snnc.compiler.explain.layers import Observed, PopulationLayer, observe
from snnc.compiler.explain.pairing import layers
from snnc.compiler.explain.settings import Settings
from snnc.compiler.explain.split import PARTS, Activation, Population, Versions
from snnc.ir import IF, Array, Graph, Linear, Staircase
from tests.ann_graphs import AnnBuilder, random_ann

CODES = ("rate", "ternary", "augmented", "multithreshold")


def observed(network: snnc.Network, x: Array) -> tuple[Graph, list[Any], Observed]:
    """Return the source model, the layers and what they did."""
    ann = source_model(network)
    found = layers(ann, network.graph, Settings.of(network, ann))
    values = AnnSession(ann, extra={n.value for n in found if n.kind != "input"}).run({"x": x})
    result = NumpyBackend().lower(network.graph, network.timesteps).run({"x": x}, record=True)
    seen = observe(network.graph, {"x": x}, values, result, network.timesteps)
    return ann, list(found), seen


def compiled(
    folder: Path, seed: int, model: Graph | None = None, **options: Any
) -> tuple[snnc.Network, Array]:
    """Return a network of a random ANN, and samples unlike the ones it was calibrated on."""
    path = folder / f"{seed}.onnx"
    ann = model or random_ann(seed)
    onnx.save(to_onnx(ann), path)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((48, *ann.types["x"].shape)).astype(np.float32)
    return snnc.compile(path, calibration=x[:40], **options), 1.5 * x[40:]


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["rate", "ternary", "augmented"]),
    st.sampled_from([None, 4]),
)
@example(789592, "rate", None)  # parts that cancel but for rounding
def test_the_parts_sum_up_to_the_error(
    tmp_path_factory: pytest.TempPathFactory, seed: int, code: str, bits: int | None
) -> None:
    network, x = compiled(
        tmp_path_factory.mktemp("m"), seed, code=code, timesteps=3, weight_bits=bits
    )
    _, found, seen = observed(network, x)
    assert {name for layer in found for name in layer.nodes} == {
        n.name
        for n in network.graph
        if type(n).__name__ in ("IF", "Integrator", "MaxPool")
        or (type(n).__name__ == "Encoder" and bits)
    }
    for layer in found:
        error = layer.sent(seen, 3) - layer.target(seen)
        scale = max(np.abs(layer.target(seen)).max(), np.abs(error).max())
        np.testing.assert_allclose(
            sum(layer.split(seen).values()), error, atol=1e-5 * scale, err_msg=layer.value
        )
    explained = explain(network, {"x": x})
    for shown in explained.layers:
        assert sum(shown.shares.values()) == pytest.approx(1 if shown.error else 0)
        assert shown.over_time[-1] == pytest.approx(shown.error, rel=1e-4, abs=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(CODES))
def test_spiking_up_to_the_last_layer_is_the_spiking_network(
    tmp_path_factory: pytest.TempPathFactory, seed: int, code: str
) -> None:
    """What each layer adds of its own, put into the ANN, makes the network's own answers."""
    network, x = compiled(
        tmp_path_factory.mktemp("m"),
        seed,
        code=code,
        timesteps=3,
        weight_bits=None,
        correction="none",
    )
    ann, found, seen = observed(network, x)
    changes = {}
    for layer in found:
        own = [part for name, part in layer.split(seen).items() if name != "inherited"]
        if isinstance(layer, PopulationLayer):
            changes[layer.value] = np.asarray(sum(own))
    hybrid = Hybrid(ann, list(changes))
    *_, answers = hybrid.answers({"x": x}, changes)
    decoded = seen.result.decoded["y"][:, -1]
    np.testing.assert_allclose(answers["y"], decoded, atol=1e-4 * np.abs(decoded).max())


def one_neuron(**fields: int) -> tuple[IF, Population]:
    """Return a neuron with weight 30, threshold 10, half a unit a payload, behind a ReLU."""
    synapse = Linear(name="w", inputs=("x",), weight=np.array([[30]], np.int8))
    numbers = {"threshold": 10, "bias": 4, "initial": 5, **fields}
    values: dict[str, Any] = {key: np.array([number]) for key, number in numbers.items()}
    neuron = IF(
        name="n",
        inputs=("w",),
        unit=np.array([0.5]),
        max_positive=1,
        max_negative=1,
        acc_min=0,
        **values,
    )
    actual = Afferents((synapse,), neuron.bias, np.array([0.05]), np.float64)
    exact = Afferents((replace(synapse, weight=np.array([[1.6]])),), np.array([0.26]), np.ones(1))
    near = replace(synapse, weight=np.array([[32.0]]))  # 1.6 / 0.05
    rounded = Afferents((near,), np.array([5.0]), actual.unit)  # 0.26 / 0.05 = 5.2
    return neuron, Population(neuron, Versions(exact, rounded, actual), Activation(low=0.0))


def test_every_part_by_hand() -> None:
    """T = 4, the input is 1 in one step of four, the ANN's activation 0.6."""
    _, population = one_neuron()
    sums = {"x": np.array([[1.0]]), "n": np.array([[3.0]])}
    parts = population.split(np.array([[0.6]]), sums, 4)
    expected = {
        "inherited": 1.6 / 4 + 0.26 - 0.6,  # 0.66
        "weights": (32 / 4 + 5) * 0.05 - 0.66,  # 0.65
        "fit": (30 / 4 + 5) * 0.05 - 0.65,  # 0.625
        "bias": (30 / 4 + 4) * 0.05 - 0.625,  # 0.575
        "clipping": 0.5 - 0.575,  # 4 events of 0.5 in 4 steps at most
        "guard": 0.0,
        "quantisation": 0.0,  # 46 / 10 + 1/2 is 5 units, but 4 is all it can send
        "initial": 0.0,
        "transient": 3 * 0.5 / 4 - 0.5,
    }
    assert {name: part.item() for name, part in parts.items()} == pytest.approx(expected)


def test_the_membrane_at_the_start_shifts_the_rounding() -> None:
    _, population = one_neuron(bias=-4, initial=0)
    sums = {"x": np.array([[1.0]]), "n": np.array([[0.0]])}
    parts = population.split(np.array([[0.0]]), sums, 4)
    # 30 - 16 = 14: 1.4 thresholds; rounded 1, rounded down 1
    assert parts["quantisation"].item() == pytest.approx((1 - 1.4) * 0.5 / 4)
    assert parts["initial"].item() == 0
    _, population = one_neuron(bias=-3, initial=0)
    parts = population.split(np.array([[0.0]]), sums, 4)  # 1.8 thresholds: 2, and 1
    assert parts["quantisation"].item() == pytest.approx((2 - 1.8) * 0.5 / 4)
    assert parts["initial"].item() == pytest.approx(-0.5 / 4)
    assert parts["transient"].item() == pytest.approx(-0.5 / 4)


def test_a_bias_spread_over_the_steps_is_an_initial_membrane() -> None:
    """``--shift step`` and a start of half a threshold come to rest at the same values."""
    path = bundled().model
    options: dict[str, Any] = {"timesteps": 4, "code": "ternary", "correction": "none"}
    x = bundled().calibration
    start, spread = (
        explain(snnc.compile(path, calibration=x, shift=shift, **options), {"x": x[:16]})
        for shift in ("initial", "step")
    )
    for layer in spread.layers:
        assert max(abs(layer.shares[part]) for part in ("fit", "bias", "initial")) < 0.02
    assert spread.layers[1].shares == pytest.approx(start.layers[1].shares, abs=0.02)
    assert spread.layers[2].shares["transient"] > 0.2 > start.layers[2].shares["transient"], "late"


@settings(max_examples=8, deadline=None)
@example(seed=2694, code="rate", bits=3, shift="step")  # a bias halfway between two integers
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(CODES),
    st.sampled_from([None, 3]),
    st.sampled_from(["initial", "step"]),
)
def test_what_was_not_fitted_is_the_ann_s_own(
    tmp_path_factory: pytest.TempPathFactory, seed: int, code: str, bits: int | None, shift: str
) -> None:
    """However a bias is rounded, and whatever it carries of the initial membrane."""
    network, x = compiled(
        tmp_path_factory.mktemp("m"),
        seed,
        with_levels(seed) if seed % 2 else random_ann(seed),
        code=code,
        timesteps=3,
        weight_bits=bits,
        shift=shift,
        v_init=0.3,
        correction="none",
    )
    for layer in explain(network, {"x": x}).layers:
        for part in ("fit", "bias"):
            power = layer.moments.diagonal()[PARTS.index(part)]
            assert power < 1e-10, (layer.value, part)


def with_levels(seed: int) -> Graph:
    """Return an ANN whose activations have few levels, with two ways of rounding."""
    net = AnnBuilder(np.random.default_rng(seed))
    pads = (1, 1, 1, 1)
    step = net.rng.uniform(0.1, 0.3, (4, 1, 1))
    here = net.conv(net.input(2, 8, 8), 4, padding=pads)
    here = net.add(Staircase, here, step=step, low=0, high=8, offset=0.5)
    deep = net.add(
        Staircase,
        net.conv(here, 4, padding=pads),
        step=np.full(1, 0.2),
        low=0,
        high=4,
        rounding="half_even",
    )
    here = net.relu(net.join(net.conv(deep, 4, padding=pads), here))
    return net.graph(net.linear(net.flat(net.pool(here)), 5))


def test_pools_are_composed_only_once(tmp_path: Path) -> None:
    """The model in the artifact is larger than before, and would allow one more."""
    net = AnnBuilder(np.random.default_rng(0))
    here = net.relu(net.conv(net.input(2, 8, 8), 16, 5, padding=(2, 2, 2, 2)))
    here = net.relu(net.conv(here, 4, padding=(1, 1, 1, 1)))
    first, second = (net.linear(net.flat(net.pool(here)), outputs) for outputs in (2, 1))
    onnx.save(to_onnx(Graph(net.nodes, {"a": first, "b": second})), tmp_path / "m.onnx")
    x = np.random.default_rng(1).standard_normal((20, 2, 8, 8)).astype(np.float32)
    network = snnc.compile(tmp_path / "m.onnx", calibration=x, timesteps=4)
    assert sum(layer.added for layer in explain(network, {"x": x}).layers) == 1


def test_levels_of_the_ann_are_no_quantisation(tmp_path: Path) -> None:
    """T steps give the four levels that the ANN has itself, and more steps give others."""
    net = AnnBuilder(np.random.default_rng(0))
    staircase: dict[str, Any] = {"step": np.full(1, 0.4), "low": 0, "high": 4, "offset": 0.5}
    here = net.add(Staircase, net.linear(net.input(8), 32), **staircase)
    onnx.save(to_onnx(net.graph(net.linear(here, 6))), tmp_path / "m.onnx")
    x = np.random.default_rng(1).standard_normal((40, 8)).astype(np.float32)
    options: dict[str, Any] = {"code": "rate", "weight_bits": None, "correction": "none"}
    four, six = (
        explain(
            snnc.compile(tmp_path / "m.onnx", calibration=x, timesteps=steps, **options), {"x": x}
        )
        for steps in (4, 6)
    )
    assert four.layers[0].error < 1e-6
    assert six.layers[0].shares["quantisation"] == pytest.approx(1)
    if not six.verdict.fine:
        assert six.verdict.hint == (
            "compile with --timesteps 4: the ANN's activations have as many levels"
        )


def test_a_late_readout_sees_late_events(tmp_path: Path) -> None:
    network, x = compiled(
        tmp_path, 2, code="ternary", timesteps=6, readout_delay=2, correction="none"
    )
    found = explain(network, {"x": x})
    assert [moment.timesteps for moment in found.over_time] == [4, 6]
    output = found.layers[-1]
    assert output.kind == "output"
    assert abs(output.shares["transient"]) < 1e-6, "nothing is lost in the readout itself"


def test_without_guard_negative_values_are_a_part_of_their_own() -> None:
    neuron, population = one_neuron(bias=-40)
    population = replace(population, node=replace(neuron, acc_min=None))
    sums = {"x": np.array([[0.0]]), "n": np.array([[-4.0]])}
    parts = population.split(np.array([[0.0]]), sums, 4)
    assert parts["guard"].item() == pytest.approx(-0.5)
    assert parts["clipping"].item() == parts["transient"].item() == 0
