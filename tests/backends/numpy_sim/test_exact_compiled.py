"""Exact networks on the compiled kernels: equal to the reference, and counted as without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from snnc.backends import Activity, Result
from snnc.backends.numpy_sim import NumpyBackend, exact_compiled
from snnc.backends.numpy_sim.exact_compiled import ExactBlock, can_compile
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.synapses import NativeSynapse
from snnc.compiler.passes.hoist_clip import hoist_clip
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.ir import Array, Encoder, Graph, Input, Integrator, Linear, TensorType, TrackingIF
from snnc.ir.quantized import Rounding
from snnc.ir.reference import run
from snnc.ir.settling import settling_bound
from tests.exact_graphs import AT_REST, EXACT, exact_inputs

STEPS = 20
FEW = {"dense": 0, "by the number of events": None, "by events": 1 << 40}
"""Below how many events of a frame they are added one by one."""


ways: Callable[[NativeSynapse], Any] = vars(NativeSynapse)["row_methods"].func


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blocks that ran on compiled kernels, by their number of samples."""
    blocks: list[int] = []
    original = ExactBlock.run

    def spy(self: ExactBlock, *, record: bool) -> Result:
        blocks.append(self.samples)
        return original(self, record=record)

    monkeypatch.setattr(ExactBlock, "run", spy)
    return blocks


def assert_equal(graph: Graph, inputs: dict[str, Array], steps: int) -> None:
    """The compiled kernels give what the reference gives."""
    expected = run(graph, inputs, steps)
    found = NumpyBackend().lower(graph, steps).run(inputs, record=True)
    assert found.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], payloads.swapaxes(0, 1), name)
    for key, decoded in expected.outputs.items():
        np.testing.assert_array_equal(found.decoded[key], decoded.swapaxes(0, 1).astype(np.float32))


@pytest.mark.parametrize("few", FEW)
@pytest.mark.parametrize("cap", [1, 15])
@pytest.mark.parametrize("name", EXACT)
def test_every_payload_is_that_of_the_reference(
    name: str, cap: int, few: str, level: int, used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if FEW[few] is not None:
        changed = property(lambda self: (ways(self)[0], FEW[few]))
        monkeypatch.setattr(NativeSynapse, "row_methods", changed)
    graph = EXACT[name](cap)
    assert_equal(graph, exact_inputs(graph, 3), min(STEPS, AT_REST[cap]))
    assert used


@pytest.mark.parametrize("together", [1, 3, 8])
@pytest.mark.parametrize("name", EXACT)
def test_counts_are_those_without_compiled_kernels(
    name: str, together: int, used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if library.library() is None:
        pytest.skip("no compiled kernels here")
    monkeypatch.setattr(exact_compiled, "TOGETHER", together)
    graph = EXACT[name](2)
    inputs = exact_inputs(graph, 5)
    found = NumpyBackend().lower(graph, AT_REST[1]).run(inputs, record=True)
    assert used
    used.clear()
    monkeypatch.setattr(library, "library", lambda: None)
    expected = NumpyBackend().lower(graph, AT_REST[1]).run(inputs, record=True)
    assert not used
    assert_alike(found, expected)


def assert_alike(found: Result, expected: Result) -> None:
    """All of two results is equal."""
    assert found.settled is not None
    assert expected.settled is not None
    np.testing.assert_array_equal(found.settled, expected.settled)
    assert found.activity.keys() == expected.activity.keys()
    for name, counts in expected.activity.items():
        for each in fields(Activity):
            one, other = getattr(found.activity[name], each.name), getattr(counts, each.name)
            np.testing.assert_array_equal(one, other, f"{name} {each.name}")
    for traces, others in (
        (found.decoded, expected.decoded),
        (found.spikes, expected.spikes),
    ):
        assert traces.keys() == others.keys()
        for name, trace in others.items():
            np.testing.assert_array_equal(traces[name], trace, name)
            assert traces[name].dtype == trace.dtype


@pytest.mark.parametrize("size", [1, 2, 7])
def test_results_do_not_depend_on_the_size_of_blocks(
    size: int, used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if library.library() is None:
        pytest.skip("no compiled kernels here")
    graph = EXACT["branches"](3)
    inputs = exact_inputs(graph, 7)
    together = NumpyBackend().lower(graph, 40).run(inputs, record=True)
    used.clear()
    program = NumpyBackend().lower(graph, 40)
    monkeypatch.setitem(vars(program), "_block_size", size)
    assert_alike(program.run(inputs, record=True), together)
    assert max(used) <= size


def vector(rounding: Rounding, theta: Array, seed: int, *, edges: bool = False) -> Graph:
    """Neurons whose drives are small, so that many of them are ties of the rounding."""
    rng = np.random.default_rng(seed)
    high, low = int(rng.integers(1, 40)), -int(rng.integers(0, 40))
    neurons = TrackingIF(
        name="n",
        inputs=("a", "b"),
        threshold=theta,
        multiplier=rng.integers(1, 4, (2, 21)),
        bias=rng.integers(-9, 9, 21),
        low=low,
        high=high,
        rounding=rounding,
        edges=np.sort(rng.integers(-60, 60, high - low)) if edges else None,
        max_positive=int(rng.integers(1, 12)),
        max_negative=int(rng.integers(1, 12)),
    )
    encoder = Encoder(name="e", inputs=("x",), scale=0.5, bounds=(-3, 5), once=True)
    return Graph(
        [
            Input(name="x", type=TensorType((6,))),
            encoder,
            *(
                Linear(name=name, inputs=("e",), weight=rng.integers(-3, 4, (21, 6)))
                for name in "ab"
            ),
            neurons,
            Linear(name="l", inputs=("n",), weight=rng.integers(-200, 200, (3, 21))),
            Integrator(
                name="y",
                inputs=("l",),
                bias=np.arange(3),
                scale=np.array([0.1]),
                decoding="sum",
            ),
        ],
        {"y": "y"},
    )


THRESHOLDS = {
    "1": np.array([1]),
    "4": np.array([4]),
    "6": np.array([6]),
    "each": np.arange(1, 22),
}


@pytest.mark.parametrize("rounding", ["floor", "half_up", "half_even"])
@pytest.mark.parametrize("theta", THRESHOLDS)
def test_ties_are_rounded_as_the_reference_does(
    theta: str, rounding: Rounding, level: int, used: list[int]
) -> None:
    for seed in range(4):
        graph = vector(rounding, THRESHOLDS[theta], seed)
        assert_equal(graph, exact_inputs(graph, 20), 10)
        graph = vector(rounding, THRESHOLDS[theta], seed, edges=True)
        assert_equal(graph, exact_inputs(graph, 20), 10)
    assert used


def test_neurons_that_32_bits_do_not_hold_are_left_to_numpy() -> None:
    graph = EXACT["branches"](15)
    population = graph["n1"]
    assert isinstance(population, TrackingIF)
    wide = Graph(
        [
            node
            if node.name != "c1"
            else type(node)(**{**vars(node), "weight": node.weight * (1 << 22)})  # type: ignore[attr-defined]
            for node in graph
        ],
        graph.outputs,
    )
    assert can_compile(graph) == (library.library() is not None)
    assert not can_compile(wide)
    inputs = exact_inputs(wide, 2)
    assert_equal(wide, inputs, 4)


@pytest.mark.parametrize("cap", [1, 5])
@pytest.mark.parametrize("seed", range(20, 26))
def test_random_quantised_models_come_to_rest_alike(
    seed: int, cap: int, level: int, used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = pytest.importorskip("examples.benchmarks.quantized_graphs", reason="in a checkout")
    graph = ToExact(cap=cap)(ToInteger()(hoist_clip(graphs.quantized_graph(seed))))
    inputs = graphs.quantized_inputs(graph, seed)
    steps = min(60, settling_bound(graph))
    found = NumpyBackend().lower(graph, steps).run(inputs, record=True)
    assert bool(used) == can_compile(graph)
    monkeypatch.setattr(library, "library", lambda: None)
    assert_alike(found, NumpyBackend().lower(graph, steps).run(inputs, record=True))
