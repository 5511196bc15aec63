"""Trained spiking networks in the simulator: equal to the reference, with delays and loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends import get_backend
from snnc.backends.base import Result
from snnc.backends.counting import fan_out
from snnc.backends.resources import Resources
from snnc.ir import (
    LIF,
    Array,
    Conv,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Linear,
    Population,
    Signal,
    TensorType,
)
from snnc.ir.errors import DesignRuleError, OptionError
from snnc.ir.reference import Trace, run
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs, loihi_graph, loops_of_currents


def simulated(graph: Graph, inputs: Mapping[str, Array], steps: int = STEPS) -> Result:
    return get_backend("numpy").lower(graph, steps).run(inputs, record=True)


def assert_equal(found: Result, expected: Trace) -> None:
    assert found.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], payloads.swapaxes(0, 1), name)
    for key, values in expected.outputs.items():
        wanted = values.swapaxes(0, 1)
        np.testing.assert_array_equal(found.decoded[key], wanted.astype(np.float32), key)
        if found.unrounded:
            np.testing.assert_array_equal(found.unrounded[key], wanted, key)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_runs_equal_the_reference(seed: int, integer: bool) -> None:
    graph = loihi_graph(seed) if integer else leaky_graph(seed)
    inputs = leaky_inputs(graph, seed)
    found, expected = simulated(graph, inputs), run(graph, inputs, STEPS)
    assert_equal(found, expected)
    for node in graph.populations:
        sent = expected.spikes[node.name].reshape(STEPS, 3, -1)
        np.testing.assert_array_equal(found.activity[node.name].spikes, (sent != 0).sum(axis=2).T)
    for synapse in graph.of_type(Conv) + graph.of_type(Linear):
        source = graph[synapse.inputs[0]]
        if isinstance(source, Population):
            reached = expected.spikes[source.name] * fan_out(graph, synapse.name)
            counted = reached.reshape(STEPS, 3, -1).sum(axis=2).T
            np.testing.assert_array_equal(found.activity[synapse.name].synops, counted)


def test_most_random_graphs_spike() -> None:
    """The comparison above is of something."""
    for make in (leaky_graph, loihi_graph):
        rates = []
        for seed in range(20):
            graph = make(seed)
            trace = run(graph, leaky_inputs(graph, seed), STEPS)
            rates += [payloads.mean() for payloads in trace.spikes.values()]
        assert np.mean([0.02 < rate < 0.98 for rate in rates]) > 0.6


def test_a_sample_does_not_depend_on_the_others() -> None:
    graph = leaky_graph(2)
    inputs = leaky_inputs(graph, 2, samples=9)
    whole = simulated(graph, inputs)
    for index in range(9):
        alone = simulated(graph, {name: x[index : index + 1] for name, x in inputs.items()})
        for name, payloads in alone.spikes.items():
            np.testing.assert_array_equal(payloads[0], whole.spikes[name][index])
        for name, counts in alone.activity.items():
            np.testing.assert_array_equal(counts.synops[0], whole.activity[name].synops[index])


def ring(size: int) -> Graph:
    """Neurons that wake their neighbour: one spike goes round."""
    nodes = [
        Input(name="x", type=TensorType((size,)), stepwise=True),
        Encoder(name="e", inputs=("x",), scale=1.0, bounds=(0, 1)),
        Linear(name="w", inputs=("e",), weight=np.eye(size)),
        Feedback(name="back", source="late", type=TensorType((size,), Signal.SPIKES, (0, 1))),
        Linear(name="r", inputs=("back",), weight=np.roll(np.eye(size), 1, axis=0)),
        LIF(name="n", inputs=("w", "r"), decay=np.zeros(1), threshold=np.ones(1)),
        Delay(name="late", inputs=("n",), steps=1),
    ]
    return Graph(nodes, {"y": "n", "current": "r"})


def test_a_spike_goes_round() -> None:
    x = np.zeros((1, 7, 3))
    x[0, 0, 0] = 1
    found = simulated(ring(3), {"x": x}, 7)
    places = [np.flatnonzero(spikes).tolist() for spikes in found.decoded["y"][0]]
    assert places == [[0], [], [1], [], [2], [], [0]]
    assert found.decoded["current"][0, 2].tolist() == [0, 1, 0]
    assert found.activity["r"].synops.tolist() == [[0, 0, 1, 0, 1, 0, 1]]


def test_a_loop_of_currents_and_an_edge_back_that_closes_no_loop() -> None:
    graph = loops_of_currents()
    inputs = {"x": np.repeat(np.array([[[1.0, 0.5]], [[0.25, 2]]]), STEPS, axis=1)}
    found = simulated(graph, inputs)
    assert_equal(found, run(graph, inputs, STEPS))
    assert found.decoded["n"][0, :, 0].tolist() == [0, 0, 1, 0, 1, 0, 1]
    assert found.decoded["w"].shape == (2, STEPS, 2)


def test_beyond_the_steps_that_are_given_nothing_comes_in() -> None:
    x = np.ones((1, 2, 3))
    found = simulated(ring(3), {"x": x}, 4)
    assert_equal(found, run(ring(3), {"x": x}, 4))


def test_memory_that_is_limited() -> None:
    graph = leaky_graph(2)
    inputs = leaky_inputs(graph, 2, samples=40)
    program = get_backend("numpy").lower(graph, STEPS)
    whole = program.run(inputs)
    some = program.run(inputs, resources=Resources.of("4GB", 2))
    np.testing.assert_array_equal(whole.decoded["spikes"], some.decoded["spikes"])
    with pytest.raises(OptionError, match="too little"):
        program.run(inputs, resources=Resources.of("50MB", 1))


def test_integer_neurons_refuse_real_currents() -> None:
    graph = loihi_graph(1)
    nodes = [
        replace(node, weight=node.weight / 2)
        if isinstance(node, Linear) and node.name == "f2"
        else node
        for node in graph
    ]
    with pytest.raises(
        DesignRuleError, match="n2: computes integers, and the current 'f2' is real"
    ):
        get_backend("numpy").lower(Graph(nodes, graph.outputs), STEPS)
