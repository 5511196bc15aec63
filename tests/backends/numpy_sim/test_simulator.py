"""The simulator equals the reference spike for spike, and counts what really happened."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.counting import fan_out
from snnc.backends.numpy_sim import NumpyBackend, NumpyProgram
from snnc.backends.numpy_sim import backend as simulator
from snnc.ir import IF, Conv, Graph, Linear, MaxPool, Signal, latency
from snnc.ir.reference import run, step
from tests.spiking_graphs import (
    SCHEDULES,
    TIMESTEPS,
    hard_reset_graph,
    random_graph,
    random_inputs,
    scheduled_graph,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_equals_the_reference_spike_for_spike(seed: int, integer: bool) -> None:
    assert_equals_the_reference(random_graph(seed, integer=integer), seed)


@settings(max_examples=75, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(SCHEDULES))
def test_schedules_equal_the_reference_spike_for_spike(seed: int, integer: bool, kind: str) -> None:
    integer = integer and kind != "differential"
    assert_equals_the_reference(scheduled_graph(seed, kind, integer=integer), seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_reset_to_zero_equals_the_reference(seed: int, integer: bool) -> None:
    graph = hard_reset_graph(seed, integer=integer)
    assert {node.reset for node in graph.of_type(IF)} == {"zero"}
    assert_equals_the_reference(graph, seed)


def assert_equals_the_reference(graph: Graph, seed: int) -> None:
    inputs = random_inputs(graph, seed)
    expected = run(graph, inputs, TIMESTEPS)
    got = NumpyBackend().lower(graph, TIMESTEPS).run(inputs, record=True)
    assert got.spikes.keys() == expected.spikes.keys()
    for name, trains in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], trains.swapaxes(0, 1), name)
    np.testing.assert_array_equal(
        got.decoded["y"], expected.outputs["y"].swapaxes(0, 1).astype(np.float32)
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_fan_out_is_what_one_event_reaches(seed: int) -> None:
    """One event at one place: count the neurons that feel it, for every place."""
    graph = random_graph(seed)
    for node in graph:
        if not isinstance(node, (Conv, Linear)) or graph.types[node.name].signal is Signal.REAL:
            continue
        shape = graph.types[node.inputs[0]].shape
        places = np.eye(int(np.prod(shape)), dtype=np.int64).reshape(-1, *shape)
        reached = (step(node, [places], {}, 1) != 0).reshape(len(places), -1).sum(axis=1)
        np.testing.assert_array_equal(fan_out(graph, node.name).ravel(), reached * node.copies)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_activity_counts_the_recorded_spikes(seed: int) -> None:
    assert_counts_the_recorded(random_graph(seed), seed)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_activity_of_schedules_counts_all_steps(kind: str) -> None:
    graph = scheduled_graph(5, kind, integer=kind != "differential")
    assert_counts_the_recorded(graph, 5)
    program = NumpyBackend().lower(graph, TIMESTEPS)
    result = program.run(random_inputs(graph, 5))
    assert program.depth_latency == latency(graph)
    for counts in result.activity.values():
        assert counts.spikes.shape[1] == TIMESTEPS + latency(graph)


def assert_counts_the_recorded(graph: Graph, seed: int) -> None:
    result = NumpyBackend().lower(graph, TIMESTEPS).run(random_inputs(graph, seed), record=True)
    for name, trains in result.spikes.items():
        flat = np.abs(trains.astype(np.int64)).reshape(*trains.shape[:2], -1)
        np.testing.assert_array_equal(result.activity[name].spikes, (flat > 0).sum(axis=2))
        np.testing.assert_array_equal(result.activity[name].units, flat.sum(axis=2))
    for node in graph.of_type(Conv) + graph.of_type(Linear) + graph.of_type(MaxPool):
        source = node.inputs[0]
        if source not in result.spikes:
            continue  # the encoder and the flat view are not recorded
        reach = fan_out(graph, node.name)
        events = np.abs(result.spikes[source].astype(np.int64))
        synops = ((events > 0) * reach).reshape(*events.shape[:2], -1).sum(axis=2)
        np.testing.assert_array_equal(result.activity[node.name].synops, synops)
        unit = (events * reach).reshape(*events.shape[:2], -1).sum(axis=2)
        np.testing.assert_array_equal(result.activity[node.name].unit_synops, unit)


def test_blocks_of_samples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(11)
    inputs = random_inputs(graph, 11, samples=7)
    whole = NumpyBackend().lower(graph, TIMESTEPS).run(inputs, record=True)
    monkeypatch.setattr(simulator, "BLOCK_BYTES", 1)
    seen = []
    parts = NumpyProgram(graph, TIMESTEPS).run(
        inputs, record=True, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(done, 7) for done in range(1, 8)]
    np.testing.assert_array_equal(whole.decoded["y"], parts.decoded["y"])
    for name in whole.spikes:
        np.testing.assert_array_equal(whole.spikes[name], parts.spikes[name])
        np.testing.assert_array_equal(whole.activity[name].spikes, parts.activity[name].spikes)


def test_float32_products_are_used_only_where_exact() -> None:
    """A sum beyond 2**24 must be computed in float64: float32 would lose its last bit."""
    graph = wide_graph(payload_bits=8, fan_in=1500)
    program = NumpyBackend().lower(graph, 1)
    assert program._exact["w"] is np.float64
    inputs = {"x": np.full((1, 1500), 127, np.float32)}
    inputs["x"][0, 0] = 1
    got = program.run(inputs).decoded["y"]
    assert got[0, 0, 0] == np.float32(127 * 127 * 1499 + 127)
    assert NumpyBackend().lower(wide_graph(8, 1000), 1)._exact["w"] is np.float32


def wide_graph(payload_bits: int, fan_in: int) -> Graph:
    from snnc.ir import Encoder, Input, Integrator, TensorType

    return Graph(
        [
            Input(name="x", type=TensorType((fan_in,))),
            Encoder(name="e", inputs=("x",), scale=1.0, bits=payload_bits),
            Linear(name="w", inputs=("e",), weight=np.full((1, fan_in), 127, np.int8)),
            Integrator(name="y", inputs=("w",), bias=np.zeros(1, np.int64), scale=np.ones(1)),
        ],
        {"y": "y"},
    )
