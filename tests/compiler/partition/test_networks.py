"""Cut networks against ONNX Runtime on the whole file, and region by region."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import snnc
from snnc.backends import Result
from snnc.backends.artifact import MANIFEST
from snnc.compiler.network import Network, load_whole
from snnc.compiler.partition import CutWarning, PartitionedNetwork
from snnc.compiler.partition.evaluate import evaluate_cut
from snnc.compiler.partition.verify import verify_cut
from snnc.ir import Array
from snnc.ir.errors import ArtifactError, ConversionError, UnsupportedOperatorError
from tests.command_line import write_model
from tests.compiler.partition import models

Build = Callable[[Path], Path]


def compiled(path: Path, **options: Any) -> PartitionedNetwork:
    with pytest.warns(CutWarning, match="run on the host"):
        network = snnc.compile(path, **options)
    assert isinstance(network, PartitionedNetwork)
    return network


def samples(path: Path, count: int = 24) -> dict[str, Array]:
    rng = np.random.default_rng(5)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]
        for value in onnx.load(path).graph.input
    }
    return {name: rng.normal(size=(count, *s)).astype(np.float32) for name, s in shapes.items()}


def whole(path: Path, network: PartitionedNetwork, inputs: dict[str, Array]) -> dict[str, Array]:
    """Return what ONNX Runtime gives for the file, before read-outs that were left out."""
    model = onnx.load(path)
    for value in model.graph.output:
        value.name = network.division.outputs[value.name]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return dict(zip(network.division.outputs, session.run(None, inputs), strict=True))


def only(result: Result) -> Array:
    """Return the only output."""
    assert isinstance(result.outputs, np.ndarray)
    return result.outputs


CASES: dict[str, tuple[Build, list[str], list[str]]] = {
    "middle": (
        models.softmax_in_the_middle,
        ["0-spiking", "1-host", "2-spiking"],
        ["s"],
    ),
    "attention": (
        models.attention,
        ["0-spiking", "1-host", "2-spiking"],
        ["z", "k", "u", "m", "a", "v"],
    ),
    "ends": (
        models.host_head_and_tail,
        ["0-host", "1-spiking", "2-host"],
        ["o", "k", "q"],
    ),
    "branches": (
        models.parallel_branches,
        ["0-spiking", "1-host", "2-spiking"],
        ["m"],
    ),
}


@pytest.mark.parametrize(("build", "regions", "host"), CASES.values(), ids=CASES.keys())
def test_cut_networks_approach_the_whole_model(
    tmp_path: Path, build: Build, regions: list[str], host: list[str]
) -> None:
    path = build(tmp_path)
    inputs = samples(path)
    errors = []
    for timesteps in (8, 512):
        network = compiled(path, calibration=inputs, weight_bits="float", timesteps=timesteps)
        wanted = whole(path, network, inputs)
        found = network.run(inputs).outputs
        found = found if isinstance(found, dict) else {next(iter(wanted)): found}
        source = network.ann_outputs(inputs)
        for name in wanted:
            np.testing.assert_allclose(source[name], wanted[name], rtol=1e-4, atol=1e-5)
        errors.append(max(np.abs(found[n] - y).max() / np.abs(y).max() for n, y in wanted.items()))
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 4
    assert [region.name for region in network.division.regions] == regions
    assert [entry.node for entry in network.division.host] == host
    assert all(entry.reason and entry.hint for entry in network.division.host)


def test_integer_networks_are_equal_region_by_region_after_loading(tmp_path: Path) -> None:
    path = models.softmax_in_the_middle(tmp_path)
    inputs = samples(path)
    network = compiled(path, calibration=inputs, timesteps=4)
    loaded = snnc.load(network.save(tmp_path / "out"))
    assert isinstance(loaded, PartitionedNetwork)
    before, after = network.run(inputs, record=True), loaded.run(inputs, record=True)
    assert np.array_equal(only(before), only(after))
    assert before.activity.keys() == after.activity.keys()
    assert "0-spiking/r" in before.spikes
    assert all(np.array_equal(before.spikes[n], after.spikes[n]) for n in before.spikes)
    assert loaded.division.to_json() == network.division.to_json()
    assert loaded.timesteps + loaded.depth_latency == 8  # twice T: one after the other
    assert verify_cut(loaded).equal
    assert verify_cut(loaded, inputs).equal
    region = load_whole(tmp_path / "out/regions/2-spiking")
    assert isinstance(region, Network)


def test_a_changed_host_region_is_found(tmp_path: Path) -> None:
    path = models.softmax_in_the_middle(tmp_path)
    network = compiled(path, calibration=samples(path), timesteps=4)
    golden = dict(network.golden)
    golden["s"] = golden["s"] * np.float32(1.001)
    changed = PartitionedNetwork(network.division, network.parts, golden, network.manifest)
    found = verify_cut(changed)
    assert not found.equal
    assert found.host["1-host"] == pytest.approx(0.001, rel=0.01)


def test_infinities_of_a_host_region_are_equal_in_their_places_only(tmp_path: Path) -> None:
    network = compiled(models.infinities(tmp_path), timesteps=4)
    assert np.isinf(network.golden["l"]).any()
    assert verify_cut(network).host == {"1-host": 0.0}
    golden = dict(network.golden)
    golden["l"] = np.where(np.isinf(golden["l"]), np.float32(np.nan), golden["l"])
    changed = PartitionedNetwork(network.division, network.parts, golden, network.manifest)
    found = verify_cut(changed)
    assert not found.equal
    assert found.to_json()["host"] == {"1-host": None}


def test_every_file_of_the_artifact_is_checked(tmp_path: Path) -> None:
    path = models.softmax_in_the_middle(tmp_path)
    compiled(path, timesteps=4).save(tmp_path / "out")
    with pytest.raises(ArtifactError, match="run on the host") as error:
        load_whole(tmp_path / "out")
    assert "regions/0-spiking" in error.value.hint
    for name in ("regions/1-host/model.onnx", f"regions/0-spiking/{MANIFEST}", "golden.npz"):
        file = tmp_path / "out" / name
        content = file.read_bytes()
        file.write_bytes(content + b" ")
        with pytest.raises(ArtifactError, match="was changed"):
            snnc.load(tmp_path / "out")
        file.write_bytes(content)
    snnc.load(tmp_path / "out")


Change = Callable[[dict[str, Any]], object]

MEDDLED: dict[str, Change] = {
    "has no spiking region": lambda cut: [each.update(kind="host") for each in cut["regions"]],
    "a batch of -1": lambda cut: cut.update(batch=-1),
    "a batch of 1000000000000": lambda cut: cut.update(batch=10**12),
    "with -64 numbers": lambda cut: cut["inputs"][0].update(shape=[-1, 8, 8]),
    "reads the tensor 'elsewhere'": lambda cut: cut["regions"][1].update(inputs=["elsewhere"]),
    "reads the tensor 'nowhere'": lambda cut: cut.update(outputs={"y": "nowhere"}),
    "does not fit the inputs and outputs": lambda cut: cut["regions"][2].update(inputs=["x"]),
}


@pytest.mark.parametrize("said", MEDDLED)
def test_a_cut_that_makes_no_sense_is_refused(tmp_path: Path, said: str) -> None:
    compiled(models.softmax_in_the_middle(tmp_path), timesteps=4).save(tmp_path / "out")
    file = tmp_path / "out" / MANIFEST
    manifest = json.loads(file.read_text())
    MEDDLED[said](manifest["partition"])
    file.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=said):
        snnc.load(tmp_path / "out")


def test_accuracy_after_fewer_steps(tmp_path: Path) -> None:
    path = models.softmax_in_the_middle(tmp_path)
    inputs = samples(path, 70)  # more than a block
    network = compiled(path, calibration=inputs, timesteps=32)
    labels = network.ann_outputs(inputs)["y"].argmax(axis=1)
    found = evaluate_cut(network, inputs, labels, (1, 32))
    assert found.ann_accuracy == 1.0
    assert found.snn[1].accuracy == np.mean(only(network.run(inputs)).argmax(axis=1) == labels)
    assert found.snn[1].accuracy >= 0.9
    assert found.snn[0].spikes_per_sample < found.snn[1].spikes_per_sample


def test_inputs_that_no_spiking_network_reads_go_to_the_host(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = write_model(
        tmp_path / "words.onnx",
        "e = Gather (table, x) f = Flatten (e) h = Gemm (f, w1) r = Relu (h) y = Gemm (r, w2)",
        "(int64[N,3] x) => (float[N,2] y)",
        {
            "table": rng.normal(size=(9, 4)),
            "w1": rng.normal(size=(12, 8)),
            "w2": rng.normal(size=(8, 2)),
        },
    )
    words = rng.integers(0, 9, (20, 3))
    network = compiled(path, calibration=words, weight_bits="float", timesteps=256)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"x": words})
    assert np.abs(only(network.run(words)) - wanted).max() < 0.02 * np.abs(wanted).max()
    assert compiled(path, timesteps=4).report["warnings"]  # synthetic indices are in the table


def test_a_fixed_batch_size(tmp_path: Path) -> None:
    path = models.softmax_in_the_middle(tmp_path)
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 3
    fixed = tmp_path / "fixed.onnx"
    onnx.save(model, fixed)
    inputs = samples(path, 5)
    one, other = (
        only(compiled(each, calibration=inputs, timesteps=4).run(inputs)) for each in (path, fixed)
    )
    assert np.array_equal(one, other)


def test_nothing_that_spikes_is_refused_with_every_reason(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.onnx",
        "a = Gemm (x, w) b = Sin (a) c = Cos (b) y = Gemm (c, w)",
        "(float[N,4] x) => (float[N,4] y)",
        {"w": np.eye(4)},
    )
    with pytest.raises(UnsupportedOperatorError, match="nothing of the model would spike") as error:
        snnc.compile(path)
    assert [p.message.split(":")[0] for p in error.value.problems[1:]] == ["b", "c"]


def test_what_spikes_as_a_whole_is_not_cut(model_file: Path) -> None:
    assert isinstance(snnc.compile(model_file, timesteps=4), Network)


def test_a_cut_can_be_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperatorError, match="operator Softmax"):
        snnc.compile(models.softmax_in_the_middle(tmp_path), require_full=True)
    with pytest.raises(ConversionError, match="multiplies two activations"):
        snnc.compile(models.parallel_branches(tmp_path), require_full=True)
    path = models.parallel_branches(tmp_path)
    with pytest.raises(ConversionError, match="multiplies two activations"):
        snnc.compile(path, calibration=samples(path, 200), max_drop=0.1)
