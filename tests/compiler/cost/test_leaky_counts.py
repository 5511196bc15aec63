"""Counts of trained spiking networks equal those of neurons computed one number at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.cost.counts import Counts
from snnc.compiler.cost.inject import injected_events
from snnc.compiler.cost.neurobench import neurobench
from snnc.compiler.cost.spiking import spiking_layers
from snnc.compiler.leaky_updates import additions, kept_numbers, multiplications
from snnc.compiler.observed_inputs import as_observed
from snnc.ir import (
    LI,
    LIF,
    Array,
    Conv,
    CubaLI,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    Population,
    TensorType,
)
from snnc.ir.leaky import LEAKY
from snnc.ir.reference import run
from tests.compiler.cost.brute_force import BruteForce
from tests.compiler.cost.test_brute_force import check_synapse
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs, loihi_graph


def counted(graph: Graph, inputs: dict[str, Array]) -> dict[str, Counts]:
    activity = NumpyBackend().lower(graph, STEPS).run(inputs).activity
    injected = injected_events(graph, STEPS, inputs)
    return {x.node: x.counts for x in spiking_layers(graph, STEPS, activity, injected)}


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("make", [leaky_graph, loihi_graph])
def test_counts_equal_brute_force(make: Any, seed: int) -> None:
    graph = make(seed)
    inputs = leaky_inputs(graph, seed, samples=1)
    activity = NumpyBackend().lower(graph, STEPS).run(inputs).activity
    injected = injected_events(graph, STEPS, inputs)
    layers = {x.node: x for x in spiking_layers(graph, STEPS, activity, injected)}
    dense = BruteForce(graph, STEPS)
    dense.run({name: x[0] for name, x in inputs.items()})
    for name, layer in layers.items():
        node, found, counts = graph[name], dense.counts[name], layer.counts
        if isinstance(node, (Conv, Linear)):
            if graph.types[node.inputs[0]].payload is None:  # units of membranes: whole each step
                assert abs(counts.unit_synops - found["units"]) <= STEPS / 2 or not counts.synops
                found["units"] = counts.unit_synops
            check_synapse(graph, node, layer, found)
        elif isinstance(node, Encoder):
            assert counts.output_writes == found["events"]
        elif isinstance(node, Delay):
            read = found["arrived"] if node.longest else 0
            assert counts.state_reads == counts.state_writes == read
        elif isinstance(node, LEAKY):
            assert counts.macs == found["multiplied"]
            assert counts.acs == found["added"]
            assert counts.comparisons == found["compared"]
            assert counts.resets == found["subtracted"]
            assert counts.state_reads == found["read"]
            assert counts.state_writes == found["written"]
        if isinstance(node, (Population, Integrator, *LEAKY)):
            assert counts.neuron_updates == found["updates"]
            assert counts.bias_additions == found["biased"]
        if isinstance(node, Population):
            assert counts.events == counts.output_writes == found["events"]


def test_the_graphs_have_all_of_it() -> None:
    """Loops, delays, currents of their own, resets of all kinds, and neurons that fire."""
    graphs = [make(seed) for make in (leaky_graph, loihi_graph) for seed in range(16)]
    nodes = [node for graph in graphs for node in graph]
    for kind in (LIF, CubaLIF, LI, CubaLI, LoihiLIF, Delay, Feedback):
        assert sum(isinstance(node, kind) for node in nodes) >= 5
    assert {node.reset for node in nodes if isinstance(node, (LIF, CubaLIF))} >= {"value", "none"}
    sent = [run(g, leaky_inputs(g, i), STEPS).spikes for i, g in enumerate(graphs)]
    assert sum(any(np.any(x) for x in spikes.values()) for spikes in sent) > 20


def neuron(kind: Any = LIF, **settings: float) -> Any:
    given = {name: np.full(1, value) for name, value in settings.items()}
    threshold = {} if kind in (LI, CubaLI) else {"threshold": np.ones(1)}
    return kind(name="n", inputs=("w",), **threshold, **given)


@pytest.mark.parametrize(
    ("node", "multiplied", "added", "kept"),
    [
        (neuron(decay=1.0), 0, 0, 1),  # an IF
        (neuron(decay=0.9), 1, 0, 1),
        (neuron(decay=0.9, gain=0.1), 2, 0, 1),
        (neuron(CubaLIF, decay=0.9, current_decay=0.8), 2, 0, 2),
        (neuron(CubaLIF, decay=0.9, gain=0.1, current_decay=0.8, current_gain=0.2), 4, 0, 2),
        (neuron(CubaLIF, decay=1.0, current_decay=0.8), 1, 1, 2),
        (neuron(CubaLI, decay=0.0, current_decay=0.8), 1, 0, 2),  # the membrane is the current
        (neuron(LI, decay=0.0), 0, 0, 1),  # a sum pool's
        (neuron(LoihiLIF, du=0, dv=128), 2, 0, 2),
        (neuron(LoihiLIF, du=4095, dv=0), 0, 1, 2),
    ],
)
def test_operations_of_an_update(node: Any, multiplied: int, added: int, kept: int) -> None:
    assert multiplications(node) == multiplied
    assert additions(node) == added
    assert kept_numbers(node) == kept


def plain(scale: float | None = None) -> Graph:
    """Whatever is given at each step, into a leaky population that is read out."""
    nodes = [
        Input(name="x", type=TensorType((3,)), stepwise=True),
        Encoder(name="e", inputs=("x",), scale=scale, bounds=(0, 1) if scale else None),
        Linear(name="w", inputs=("e",), weight=np.full((2, 3), 0.5)),
        LIF(name="n", inputs=("w",), decay=np.full(1, 0.5), threshold=np.ones(1)),
        Linear(name="one", inputs=("n",), weight=np.eye(2)),
        Integrator(name="y", inputs=("one",), bias=np.zeros(1), scale=np.ones(1), decoding="sum"),
    ]
    return Graph(nodes, {"y": "y"})


def test_data_of_spikes_need_no_multiplications() -> None:
    events = np.random.default_rng(0).integers(0, 2, (5, STEPS, 3)).astype(np.float32)
    graph = plain()
    assert counted(graph, {"x": events})["w"].macs > 0  # the graph alone does not say
    seen = as_observed(graph, {"x": events})
    found = counted(seen, {"x": events})
    assert found["w"].macs == found["e"].macs == 0
    assert found["w"].acs == 2 * np.count_nonzero(events) / 5
    assert found["e"].input_reads == 3 * STEPS
    assert found["e"].output_writes == np.count_nonzero(events) / 5
    before, after = (run(g, {"x": events}, STEPS).outputs["y"] for g in (graph, seen))
    np.testing.assert_array_equal(before, after)
    signed = as_observed(graph, {"x": -events})
    assert signed.types["e"].payload == (-1, 1)
    assert as_observed(graph, {"x": events / 2}) is graph


def test_neurobench_reads_step_by_step() -> None:
    """Effective operations by hand: each event of a step once, of a sample of two steps."""
    x = np.array([[[1, 0, 0], [1, 1, 1]]], np.float32)
    found = neurobench(plain(1.0), {"x": x}, 2)
    # Step 1: v = 0.5. Step 2: v = 0.25 + 1.5: both fire, and each event crosses one weight of 1.
    assert found.effective_acs == 2 * 4 + 2
    assert found.effective_macs == 0
    assert found.dense == 2 * (6 + 4)
    assert found.activation_sparsity == 0.5
    loop = leaky_graph(1)
    assert neurobench(loop, leaky_inputs(loop, 1), STEPS).dense > 0
