"""Trained spiking networks on Lava: equal to the simulator and the reference."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from snnc.backends import Activity, get_backend
from snnc.backends.lava_process import LavaBackend
from snnc.backends.lava_process.plan import FeedbackPlan
from snnc.ir import Feedback, Graph, Linear, LoihiLIF
from snnc.ir.errors import DesignRuleError
from snnc.ir.reference import run
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs, loihi_graph

needs_lava = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]


def uniform(graph: Graph) -> Graph:
    """Return a graph whose neurons have one decay and one threshold: Lava's own ``LIF``."""
    nodes = [
        replace(node, **{key: getattr(node, key).flat[:1] for key in ("du", "dv", "threshold")})
        if isinstance(node, LoihiLIF)
        else node
        for node in graph
    ]
    return Graph(nodes, graph.outputs)


def assert_equal_runs(graph: Graph, seed: int) -> None:
    inputs = leaky_inputs(graph, seed)
    found = get_backend("lava").lower(graph, STEPS).run(inputs, record=True)
    expected = get_backend("numpy").lower(graph, STEPS).run(inputs, record=True)
    trace = run(graph, inputs, STEPS)
    assert found.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], payloads, name)
        np.testing.assert_array_equal(payloads, trace.spikes[name].swapaxes(0, 1), name)
    np.testing.assert_array_equal(found.decoded["y"], expected.decoded["y"])
    assert found.activity.keys() == expected.activity.keys()
    for name, counts in expected.activity.items():
        for each in fields(Activity):
            one, other = (getattr(a, each.name) for a in (found.activity[name], counts))
            np.testing.assert_array_equal(one, other, f"{name} {each.name}")


class TestRuns:
    pytestmark = needs_lava

    @pytest.mark.parametrize("seed", [1, 2, 5])
    def test_networks_of_loihi_neurons_on_lavas_own(self, seed: int) -> None:
        from snnc.backends.lava_process.runtime import network

        graph = uniform(loihi_graph(seed, decoded=True))
        assert all(map(network.uniform, graph.of_type(LoihiLIF)))
        assert_equal_runs(graph, seed)

    @pytest.mark.parametrize("seed", [3])
    def test_neurons_with_decays_of_their_own(self, seed: int) -> None:
        assert_equal_runs(loihi_graph(seed, decoded=True), seed)

    @pytest.mark.parametrize("seed", [1, 2, 4, 6])
    def test_real_networks(self, seed: int) -> None:
        assert_equal_runs(leaky_graph(seed, decoded=True), seed)


def test_a_loop_takes_the_step_of_its_synapse() -> None:
    plan = get_backend("lava").lower(loihi_graph(1, decoded=True), STEPS).plan  # type: ignore[attr-defined]
    (back,) = (process for process in plan.processes if isinstance(process, FeedbackPlan))
    depth = {process.name: process.depth for process in plan.processes}
    assert back.wait == 0
    assert depth["n2.w"] == depth["n2"] == back.depth + 1


def test_a_loop_through_two_synapses_is_refused() -> None:
    graph = loihi_graph(1, decoded=True)
    first, second = graph["n1"], graph["n2"]
    assert isinstance(first, LoihiLIF)
    back = Feedback(name="far", source="n2", type=graph.types["n2"])
    weight = np.ones((first_size := graph.types["f2"].size, graph.types["n2"].size), int)
    nodes = [
        *(node for node in graph if node.name not in ("n2", "f3", "y")),
        back,
        Linear(name="far.w", inputs=("far",), weight=weight),
        replace(second, name="m", inputs=("far.w",)),
        Linear(name="m.w", inputs=("m",), weight=np.eye(first_size, dtype=int)),
        replace(second, inputs=(*second.inputs, "m.w")),
        graph["f3"],
        graph["y"],
    ]
    with pytest.raises(DesignRuleError, match="a loop with more synapses than steps"):
        get_backend("lava").lower(Graph(nodes, graph.outputs), STEPS)
