"""Runs on Lava are equal to the reference, bit for bit and count for count."""

import logging
import multiprocessing
import resource
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snnc.backends.lava_process import LavaBackend, LavaProgram
from snnc.backends.lava_process.lowering import plan
from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.numpy_sim.native import library
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    Reshape,
    reference,
)
from snnc.ir.errors import DataError
from snnc.ir.settling import settling_bound
from snnc.ir.types import TensorType
from tests.exact_graphs import EXACT, exact_inputs

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]

Samples = Callable[[Graph, int], dict[str, Array]]
Graphs = dict[str, Callable[[], Graph]]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "stock"])
def test_equal_to_the_reference(graph: Graph, samples: Samples, fast: bool) -> None:
    x, timesteps = samples(graph, 4), 5
    result = LavaBackend().lower(graph, timesteps).run(x, record=True, fast=fast)
    expected = reference.run(graph, x, timesteps)
    for key, decoded in expected.outputs.items():
        assert result.decoded[key].dtype == np.float32
        np.testing.assert_array_equal(result.decoded[key], decoded.swapaxes(0, 1).astype("f4"))
    assert result.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(result.spikes[name], payloads.swapaxes(0, 1), name)
        assert payloads.any(), f"{name} never spikes: the test shows nothing"


def test_equal_without_compiled_kernels(
    graphs: Graphs, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "library", lambda: None)
    program = LavaBackend().lower(graphs["lenet"](), 4)
    x = samples(program.graph, 3)
    expected = reference.run(program.graph, x, 4).outputs["y"].swapaxes(0, 1).astype("f4")
    np.testing.assert_array_equal(program.run(x).decoded["y"], expected)


def test_activity_is_that_of_the_simulator(graph: Graph, samples: Samples) -> None:
    x, timesteps = samples(graph, 3), 4
    result = LavaBackend().lower(graph, timesteps).run(x)
    expected = NumpyBackend().lower(graph, timesteps).run(x)
    assert result.spikes == {}
    assert result.activity.keys() == expected.activity.keys()
    for name, activity in expected.activity.items():
        for field in ("spikes", "units", "synops", "unit_synops"):
            counted = getattr(result.activity[name], field)
            assert counted.dtype == np.int64
            np.testing.assert_array_equal(counted, getattr(activity, field), f"{name} {field}")


@pytest.mark.parametrize("name", ["n1", "n2", "y"])
def test_the_saturating_graph_saturates(graphs: Graphs, samples: Samples, name: str) -> None:
    graph = graphs["saturating"]()
    x = samples(graph, 4)
    node = graph[name]
    assert isinstance(node, (IF, Integrator))
    free = graph.replace(name, replace(node, clamp=None))
    clamped, unclamped = (reference.run(g, x, 5).outputs["y"] for g in (graph, free))
    assert not np.array_equal(clamped, unclamped)


def test_progress_and_one_sample(graphs: Graphs, samples: Samples) -> None:
    graph = graphs["lenet"]()
    program = LavaBackend().lower(graph, 3)
    told: list[tuple[int, int]] = []
    many = program.run(samples(graph, 40), progress=lambda *done: told.append(done))
    assert told == sorted(set(told))
    assert told[-1] == (40, 40)
    x = samples(graph, 40)["x"][17:18]
    one = program.run({"x": x})
    assert isinstance(one.outputs, np.ndarray)
    np.testing.assert_array_equal(one.decoded["y"][0], many.decoded["y"][17])


def test_no_samples(graphs: Graphs) -> None:
    result = LavaBackend().lower(graphs["lenet"](), 3).run({"x": np.zeros((0, 1, 12, 10))})
    assert result.decoded["y"].shape == (0, 3, 7)
    assert result.activity["c1"].synops.shape == (0, 3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "x: there is no such array"),
        ({"x": np.zeros((2, 1, 10, 12))}, "x: has samples of shape"),
        ({"x": np.full((2, 1, 12, 10), np.nan)}, "x: contains NaN"),
    ],
)
def test_bad_inputs(graphs: Graphs, inputs: dict[str, Array], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LavaBackend().lower(graphs["lenet"](), 3).run(inputs)


def test_fast_and_stock_models_agree_where_lava_wraps_and_float32_rounds() -> None:
    rng = np.random.default_rng(4)
    nodes = [
        Input(name="x", type=TensorType((3, 5, 4))),
        Encoder(name="e", inputs=("x",), scale=0.0001, bits=16),
        Conv(name="c", inputs=("e",), weight=rng.integers(-127, 128, (4, 3, 3, 3))),
        Integrator(name="y", inputs=("c",), bias=np.zeros((1, 1, 1), int), scale=np.ones(1)),
        Reshape(name="f", inputs=("e",), shape=(60,)),
        Linear(name="l", inputs=("f",), weight=rng.integers(-127, 128, (4, 60))),
        Integrator(name="z", inputs=("l",), bias=np.zeros(1, int), scale=np.ones(1)),
    ]
    graph = Graph(nodes, {"y": "y", "z": "z"})
    program = LavaProgram(graph, 1, plan(graph))  # past the design rules, which forbid it
    x = {"x": rng.normal(0, 2, (6, 3, 5, 4))}
    fast, stock = (program.run(x, fast=fast).decoded for fast in (True, False))
    expected = reference.run(graph, x, 1).outputs
    for key in ("y", "z"):
        np.testing.assert_array_equal(fast[key], stock[key])
    np.testing.assert_array_equal(fast["z"][:, 0], expected["z"][0].astype("f4"))
    wrapped = (expected["y"][0] + 2**23) % 2**24 - 2**23
    np.testing.assert_array_equal(fast["y"][:, 0], wrapped.astype("f4"))
    assert np.abs(expected["y"]).max() > 2**24
    assert np.abs(expected["z"]).max() > 2**23


def test_tracking_neurons_on_the_connections_of_lava() -> None:
    graph = EXACT["pooled"](1)
    x = exact_inputs(graph, 4)
    program = LavaBackend().lower(graph, 6)
    fast, stock = (program.run(x, record=True, fast=fast) for fast in (True, False))
    np.testing.assert_array_equal(fast.decoded["y"], stock.decoded["y"])
    for name, payloads in fast.spikes.items():
        np.testing.assert_array_equal(payloads, stock.spikes[name], name)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_quantised_graphs_end_at_their_integers(seed: int) -> None:
    name = "examples.benchmarks.quantized_graphs"
    graphs = pytest.importorskip(name, reason="runs in a checkout only")
    integers = ToInteger()(run_passes(graphs.quantized_graph(seed), SIMPLIFY))
    spiking, x = ToExact(15)(integers), graphs.quantized_inputs(integers, seed)
    timesteps = settling_bound(spiking)
    result = LavaBackend().lower(spiking, timesteps).run(x)
    expected = reference.evaluate(integers, x)[integers.outputs["y"]]
    np.testing.assert_array_equal(result.decoded["y"][:, -1], expected.astype("f4"))
    assert result.settled is not None
    assert result.settled.all()


def test_runs_in_a_thread(graphs: Graphs, samples: Samples) -> None:
    program = LavaBackend().lower(graphs["lenet"](), 2)
    x = samples(program.graph, 2)
    with ThreadPoolExecutor(1) as pool:
        threaded = pool.submit(program.run, x).result()
    np.testing.assert_array_equal(threaded.decoded["y"], program.run(x).decoded["y"])


@pytest.mark.slow
def test_hundreds_of_samples_in_one_go(graphs: Graphs, samples: Samples) -> None:
    graph, timesteps = graphs["residual"](), 6
    x = samples(graph, 300)
    result = LavaBackend().lower(graph, timesteps).run(x)
    expected = NumpyBackend().lower(graph, timesteps).run(x)
    np.testing.assert_array_equal(result.decoded["y"], expected.decoded["y"])


def resident() -> int:
    """Return the memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_runs_leave_nothing_behind() -> None:
    """Each run has 4 MB of weights: kept ones would be seen, and so would a kept process."""
    nodes = [
        Input(name="x", type=TensorType((1000,))),
        Encoder(name="e", inputs=("x",), scale=0.1),
        Linear(name="l", inputs=("e",), weight=np.ones((1000, 1000), np.int8)),
        Integrator(name="y", inputs=("l",), bias=np.zeros(1, int), scale=np.ones(1000)),
    ]
    graph, x = Graph(nodes, {"y": "y"}), {"x": np.ones((2, 1000))}

    def state() -> tuple[int, ...]:
        servers = len(ProcessServer().processes), len(VarServer().vars)
        children = len(multiprocessing.active_children())
        return *servers, len(logging.getLogger().handlers), threading.active_count(), children

    LavaBackend().lower(graph, 2).run(x)  # which makes Lava importable
    from lava.magma.core.process.process import ProcessServer
    from lava.magma.core.process.variable import VarServer

    before, memory = state(), resident()
    for _ in range(20):
        LavaBackend().lower(graph, 2).run(x)
    assert state() == before
    assert resident() - memory < 20_000_000
