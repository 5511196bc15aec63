"""The compiled kernels equal the reference in every way they can be used."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep
from typing import Any

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.numpy_sim.block import BlockRun
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.frames import FrameLayout, FramePool, filled
from snnc.backends.numpy_sim.native.library import CHANNELWISE, DENSE, EVENTS
from snnc.backends.numpy_sim.native.shared import shared_property
from snnc.backends.numpy_sim.native.synapses import NativeSynapse
from snnc.ir import Array, Encoder, Graph, Input, Integrator, Linear, TensorType
from snnc.ir.reference import run
from tests.spiking_graphs import (
    TIMESTEPS,
    hard_reset_graph,
    random_graph,
    random_inputs,
    vector_graph,
)

needs_kernels = pytest.mark.skipif(library.library() is None, reason="no compiled kernels here")


def everything_by_events(synapse: NativeSynapse, density: float) -> int:
    return EVENTS


def everything_dense(synapse: NativeSynapse, density: float) -> int:
    if synapse.can_be_dense:
        return DENSE
    return CHANNELWISE if synapse.is_channelwise else EVENTS


def as_it_comes(synapse: NativeSynapse, density: float) -> int | None:
    return ORIGINAL(synapse, density)


ORIGINAL: Callable[[NativeSynapse, float], int | None] = NativeSynapse.method


@pytest.fixture(params=[everything_by_events, everything_dense, as_it_comes])
def method(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[NativeSynapse, float], int | None]:
    """Each way to choose the kernels of synapses."""
    chosen: Callable[[NativeSynapse, float], int | None] = request.param
    monkeypatch.setattr(NativeSynapse, "method", chosen)
    return chosen


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The populations that ran on compiled kernels."""
    names: list[str] = []
    original = BlockRun._native

    def spy(self: BlockRun, population: Any) -> Any:
        edge = original(self, population)
        if edge is not None:
            names.append(population.node.name)
        return edge

    monkeypatch.setattr(BlockRun, "_native", spy)
    return names


def assert_equal_to_the_reference(graph: Graph, seed: int) -> None:
    inputs = random_inputs(graph, seed)
    expected = run(graph, inputs, TIMESTEPS)
    got = NumpyBackend().lower(graph, TIMESTEPS).run(inputs, record=True)
    for name, trains in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], trains.swapaxes(0, 1), name)
    for key, decoded in expected.outputs.items():
        np.testing.assert_array_equal(got.decoded[key], decoded.swapaxes(0, 1).astype(np.float32))


@pytest.mark.usefixtures("level", "method")
@pytest.mark.parametrize("integer", [True, False])
def test_every_kernel_equals_the_reference(integer: bool, used: list[str]) -> None:
    for seed in range(12):
        assert_equal_to_the_reference(random_graph(seed, integer=integer), seed)
    assert len(used) > 12
    used.clear()
    for seed in range(3):
        assert_equal_to_the_reference(hard_reset_graph(seed, integer=integer), seed)
    assert len(used) > 3


@pytest.mark.usefixtures("level", "method")
@pytest.mark.parametrize("integer", [True, False])
def test_populations_of_one_position_equal_the_reference(integer: bool, used: list[str]) -> None:
    for seed in range(8):
        assert_equal_to_the_reference(vector_graph(seed, integer=integer), seed)
    assert len(used) > 24


@pytest.mark.parametrize("kernel", [EVENTS, DENSE])
@pytest.mark.parametrize("payload", [(0, 1), (-1, 1), (0, 255), (-128, 127)])
def test_currents_of_one_position_never_overflow(
    payload: tuple[int, int], kernel: int, level: int
) -> None:
    if kernel == DENSE and level < 2:
        pytest.skip("dense products need the instructions of level 2")
    rng = np.random.default_rng(0)
    inputs, outputs, steps, samples = 601, 70, 3, 2
    weight = rng.choice([-128, 127], (outputs, inputs))
    weight[:10], weight[10:20] = -128, 127  # sums as far from 0 as they get
    node = Linear(name="synapse", inputs=("x",), weight=weight, copies=3)
    synapse = NativeSynapse(node, (inputs, 1, 1), real=False, one_position=True)
    layout = FrameLayout((inputs, 1, 1), payload=payload)
    values = rng.choice([*payload, 0, min(1, payload[1])], (steps, samples, inputs))
    values[0], values[1, 0] = payload[1], payload[0]
    frames = filled(FramePool().take(layout, samples, steps), values)
    current = synapse.currents(kernel, frames, (outputs, 1, 1))
    expected = 3 * values.astype(np.int64) @ weight.T
    np.testing.assert_array_equal(current.reshape(expected.shape), expected)


def activity(graph: Graph, seed: int, samples: int = 3) -> dict[str, dict[str, Any]]:
    inputs = random_inputs(graph, seed, samples)
    result = NumpyBackend().lower(graph, TIMESTEPS).run(inputs)
    return {name: vars(counts) for name, counts in result.activity.items()}


@needs_kernels
@pytest.mark.parametrize("seed", range(8))
def test_counts_are_those_of_numpy(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(seed)
    native = activity(graph, seed)
    monkeypatch.setattr(library, "library", lambda: None)
    assert_same(native, activity(graph, seed))


def assert_same(first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]) -> None:
    assert first.keys() == second.keys()
    for name, counts in first.items():
        for kind, values in counts.items():
            np.testing.assert_array_equal(values, second[name][kind], f"{name}: {kind}")


@needs_kernels
def test_results_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(3)
    whole = activity(graph, 3, samples=23)
    monkeypatch.setattr("snnc.backends.numpy_sim.backend.BLOCK_BYTES", 1)
    assert_same(whole, activity(graph, 3, samples=23))


def test_without_kernels_the_simulator_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "library", lambda: None)
    for seed in range(4):
        assert_equal_to_the_reference(random_graph(seed), seed)


def test_sums_beyond_32_bits_do_not_wrap() -> None:
    inputs = 20_000
    nodes = [
        Input(name="x", type=TensorType((inputs,))),
        Encoder(name="e", inputs=("x",), scale=1 / 127),
        Linear(name="l", inputs=("e",), weight=np.full((2, inputs), 127, np.int8), copies=8),
        Integrator(name="y", inputs=("l",), bias=np.zeros(1, int), scale=np.ones(1)),
    ]
    result = NumpyBackend().lower(Graph(nodes, {"y": "y"}), 1).run({"x": np.ones((3, inputs))})
    np.testing.assert_array_equal(result.decoded["y"], np.float32(127 * 127 * 8 * inputs))


class Slow:
    """Makes its array slowly enough for several threads to ask meanwhile."""

    def __init__(self) -> None:
        self.begun = Event()

    @shared_property
    def array(self) -> Array:
        """An array of its own for whoever makes it."""
        self.begun.set()
        sleep(0.02)
        return np.zeros(1)


def test_threads_share_the_arrays_that_kernels_read() -> None:
    slow = Slow()
    with ThreadPoolExecutor(8) as pool:
        arrays = list(pool.map(lambda _: slow.array, range(8)))
    assert all(array is arrays[0] for array in arrays)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not() -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = Slow()
        other = pool.submit(lambda: slow.array)
        assert slow.begun.wait(10)
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # would end it
            _ = Slow().array
            os._exit(0)
        other.result()
    assert os.waitpid(child, 0)[1] == 0


@needs_kernels
def test_kernels_built_from_other_sources_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Longer(library.PopulationLayout):
        _fields_ = (("new", ctypes.c_int64),)

    assert library.library.__wrapped__() is not None
    monkeypatch.setitem(library.LAYOUTS, "population", Longer)
    with pytest.warns(library.KernelWarning, match="population has another size"):
        assert library.library.__wrapped__() is None
