"""Runs of target ``onnx``: in blocks, of trained networks, and as artifacts."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import snnc
from snnc.backends import get_backend
from snnc.backends.onnx_network import OnnxProgram, program
from snnc.backends.resources import Resources
from snnc.compiler import demo
from snnc.compiler.passes.hoist_clip import hoist_clip
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.verify import verify
from snnc.ir import Array, Encoder, Graph, Input, Integrator, Linear, TensorType
from tests.exact_graphs import EXACT, exact_inputs
from tests.spiking_graphs import TIMESTEPS, random_graph, random_inputs, vector_graph

LENET = Path(demo.__file__).parent
CODES: list[dict[str, Any]] = [
    {"code": "rate"},
    {"code": "rate", "two_phase": "offset"},
    {"code": "ternary", "deadband": 1},
    {"code": "augmented", "guard": False},
    {"code": "multithreshold", "select": "greedy"},
    {"code": "radix", "radix": 4},
]


@pytest.fixture(scope="module")
def digits() -> Array:
    with np.load(LENET / "digits.npz") as file:
        return np.asarray(file["calibration"][:64] / np.float32(255), np.float32)


def assert_as_simulated(graph: Graph, timesteps: int, x: dict[str, Array]) -> None:
    """Every payload and every output is that of the simulator."""
    expected = get_backend("numpy").lower(graph, timesteps).run(x, record=True)
    found = get_backend("onnx").lower(graph, timesteps).run(x, record=True)
    for name, sent in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], sent, name)
        assert found.spikes[name].dtype == sent.dtype
    for key, trace in expected.decoded.items():
        np.testing.assert_array_equal(found.decoded[key], trace)


@pytest.mark.parametrize("options", CODES, ids=lambda options: options["code"])
def test_a_trained_network_is_equal_in_every_code(options: dict[str, Any], digits: Array) -> None:
    network = snnc.compile(
        LENET / "lenet5.onnx",
        target="onnx",
        calibration=digits[:32],
        timesteps=4,
        correction="none",
        thresholds="max",
        **options,
    )
    assert_as_simulated(network.graph, network.timesteps, {"x": digits[:5]})


@pytest.mark.parametrize("setting", [{"cap": 1}, {"cap": 6}, {"base": 3}], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_random_exact_networks_are_equal(seed: int, setting: dict[str, int]) -> None:
    pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")
    from examples.benchmarks.quantized_graphs import quantized_graph, quantized_inputs

    graph = ToExact(**setting)(ToInteger()(hoist_clip(quantized_graph(seed))))
    inputs = {name: x.astype(np.float32) for name, x in quantized_inputs(graph, seed).items()}
    assert_as_simulated(graph, 20, inputs)


@pytest.mark.parametrize("seed", range(4))
def test_populations_of_one_position_are_equal(seed: int) -> None:
    graph = vector_graph(seed)
    assert_as_simulated(graph, TIMESTEPS, random_inputs(graph, seed))


@pytest.mark.parametrize("name", ["rate", "real", "exact"])
def test_blocks_and_threads_change_nothing(name: str) -> None:
    graph = EXACT["joined"](3) if name == "exact" else random_graph(2, integer=name == "rate")
    inputs = exact_inputs(graph, 7) if name == "exact" else random_inputs(graph, 2, 7)
    compiled = get_backend("onnx").lower(graph, 12)
    whole = compiled.run(inputs, record=True, resources=Resources(jobs=1))
    calls: list[tuple[int, int]] = []
    with patch.object(program, "BLOCK_BYTES", 1):
        assert len(list(compiled.stream(inputs))) == 7
        parts = compiled.run(inputs, record=True, progress=lambda *done: calls.append(done))
    assert calls == [(done, 7) for done in range(1, 8)]
    for key in whole.decoded:
        np.testing.assert_array_equal(parts.decoded[key], whole.decoded[key])
    for node, sent in whole.spikes.items():
        np.testing.assert_array_equal(parts.spikes[node], sent)
    assert np.array_equal(parts.settled, whole.settled)  # type: ignore[arg-type]


def test_a_network_without_neurons_is_at_rest_at_once() -> None:
    nodes = [
        Input(name="x", type=TensorType((4,))),
        Encoder(name="e", inputs=("x",), scale=0.5, once=True),
        Linear(name="l", inputs=("e",), weight=np.arange(12).reshape(3, 4)),
        Integrator(name="y", inputs=("l",), bias=np.ones(1, int), scale=np.ones(1), decoding="sum"),
    ]
    graph, inputs = Graph(nodes, {"y": "y"}), {"x": np.ones((2, 4), np.float32)}
    assert_as_simulated(graph, 3, inputs)
    found = get_backend("onnx").lower(graph, 3).run(inputs)
    assert found.settled is not None
    assert found.settled.tolist() == [1, 1]


def test_no_samples_give_empty_results() -> None:
    graph = random_graph(2)
    none = {name: x[:0] for name, x in random_inputs(graph, 2).items()}
    found = get_backend("onnx").lower(graph, TIMESTEPS).run(none, record=True)
    assert found.decoded["y"].shape == (0, TIMESTEPS, 5)
    assert all(len(sent) == 0 for sent in found.spikes.values())


def test_an_artifact_is_verified_and_runs_without_snnc(digits: Array, tmp_path: Path) -> None:
    """The example imports numpy and onnxruntime only."""
    example = pytest.importorskip("examples", reason="runs in a checkout only")
    network = snnc.compile(
        LENET / "lenet5.onnx", target="onnx", calibration=digits, timesteps=4, correction="none"
    )
    network.save(tmp_path / "out")
    loaded = snnc.load(tmp_path / "out")
    assert isinstance(loaded.program, OnnxProgram)
    report = verify(loaded)
    assert report.equal
    assert report.executed_on == "onnx"
    files = json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]
    assert {program.NETWORK, program.STEP, program.INITIAL_STATE} <= files.keys()
    path = Path(next(iter(example.__path__))) / "run_onnx_network.py"
    assert "snnc." not in path.read_text()
    specification = importlib.util.spec_from_file_location("run_onnx_network", path)
    assert specification
    assert specification.loader
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    x = digits[:6]
    expected = loaded.run(x).decoded["logits"]
    whole = script.run(tmp_path / "out" / program.NETWORK, {"x": x})
    np.testing.assert_array_equal(whole["logits"], expected[:, -1])
    streamed, steps = script.stream(tmp_path / "out", {"x": x}, sure=2.0)
    assert steps == 4
    np.testing.assert_array_equal(streamed["logits"], expected[:, -1])
    early, steps = script.stream(tmp_path / "out", {"x": x}, sure=0.0)
    assert steps == 1
    np.testing.assert_array_equal(early["logits"], expected[:, 0])
