"""Counts equal those of a dense simulation that multiplies one number at a time."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.cost.counts import Layer
from snnc.compiler.cost.inject import injected_events
from snnc.compiler.cost.spiking import spiking_layers, states_of
from snnc.compiler.event_counts import multiplies, reads_input, sends_spikes
from snnc.ir import Array, Conv, Encoder, Graph, Integrator, Linear, MaxPool, Population, Signal
from tests.compiler.cost.brute_force import BruteForce
from tests.exact_graphs import branches, exact_inputs, joined, pooled
from tests.spiking_graphs import (
    SCHEDULES,
    hard_reset_graph,
    random_graph,
    random_inputs,
    scheduled_graph,
)

TIMESTEPS = 4
RATE = [("rate", seed, integer) for seed in range(14) for integer in (True, False)]
HARD = [("hard reset", seed, True) for seed in range(4)]
SCHEDULED = [
    (kind, seed, kind != "differential") for kind in SCHEDULES for seed in range(4)
]  # 20 graphs


EXACT = [
    (f"exact {name}", cap, True) for name in ("branches", "pooled", "joined") for cap in (1, 4)
]
MAKERS = {"exact branches": branches, "exact pooled": pooled, "exact joined": joined}


def inputs_of(kind: str, graph: Graph, seed: int) -> dict[str, Array]:
    return exact_inputs(graph, 1) if kind in MAKERS else random_inputs(graph, seed, samples=1)


def graph_of(kind: str, seed: int, integer: bool) -> Graph:
    if kind == "rate":
        return random_graph(seed, integer=integer)
    if kind in MAKERS:
        return MAKERS[kind](seed)
    if kind == "hard reset":
        return hard_reset_graph(seed)
    return scheduled_graph(seed, kind, integer=integer)


@pytest.mark.parametrize(("kind", "seed", "integer"), [*RATE, *HARD, *SCHEDULED, *EXACT])
def test_counts_equal_brute_force(kind: str, seed: int, integer: bool) -> None:
    graph = graph_of(kind, seed, integer)
    inputs = inputs_of(kind, graph, seed)
    activity = NumpyBackend().lower(graph, TIMESTEPS).run(inputs).activity
    injected = injected_events(graph, TIMESTEPS, inputs)
    layers = {found.node: found for found in spiking_layers(graph, TIMESTEPS, activity, injected)}
    dense = BruteForce(graph, TIMESTEPS)
    dense.run({name: x[0] for name, x in inputs.items()})
    compared = 0
    for node in graph:
        counted = dense.counts[node.name]
        if isinstance(node, (Conv, Linear)):
            check_synapse(graph, node, layers[node.name], counted)
        elif isinstance(node, (Population, Integrator)):
            check_neurons(node, layers[node.name], counted)
        elif isinstance(node, MaxPool) and graph.types[node.name].signal is Signal.SPIKES:
            check_pool(graph, node, layers[node.name], counted)
        elif isinstance(node, Encoder):
            counts = layers[node.name].counts
            assert counts.output_writes == counted["events"]
            assert counts.macs == (graph.types[node.name].size if node.scale else 0)
        else:
            continue
        compared += 1
    assert compared == len(layers)


def check_synapse(
    graph: Graph, node: Conv | Linear, layer: Layer, counted: dict[str, float]
) -> None:
    counts, reached = layer.counts, counted["reached"]
    assert counts.macs + counts.acs == reached
    assert bool(counts.acs) <= (not multiplies(graph, node))
    spikes = not reads_input(graph, node)
    assert (counts.synops, counts.unit_synops) == (
        (reached, counted["units"]) if spikes else (0, 0)
    )
    assert counts.events_in == counts.input_reads == counted["events_in"]
    for count in ("weight_reads", "state_reads", "state_writes", "address_acs"):
        assert getattr(counts, count) == reached
    assert counts.address_macs == (2 * counted["events_in"] if isinstance(node, Conv) else 0)


def check_neurons(node: Population | Integrator, layer: Layer, counted: dict[str, float]) -> None:
    counts = layer.counts
    assert counts.neuron_updates == counted["updates"]
    assert counts.bias_additions == counts.bias_reads == counted["biased"]
    assert counts.state_reads == counts.state_writes == states_of(node) * counted["updates"]
    assert counts.events == counts.resets == counts.output_writes == counted["events"]
    assert counts.payload_units == counted["sent_units"]
    spiking = isinstance(node, Population)
    assert counts.comparisons == (counted["updates"] if spiking else 0)


def check_pool(graph: Graph, node: MaxPool, layer: Layer, counted: dict[str, float]) -> None:
    counts = layer.counts
    assert counts.output_writes == counts.resets == counted["events"]
    assert counts.events == (counted["events"] if sends_spikes(graph, node) else 0)
    assert counts.comparisons == counts.neuron_updates == counted["compared"]
    assert counts.acs == counts.events_in == counted["arrived"]


def test_the_graphs_are_fifty_and_busy() -> None:
    """Most of them multiply and accumulate, and events are lost at borders and at zeros."""
    assert len([*RATE, *HARD, *SCHEDULED, *EXACT]) >= 50
    busy = 0
    for kind, seed, integer in [*RATE, *HARD, *SCHEDULED, *EXACT]:
        graph = graph_of(kind, seed, integer)
        run = NumpyBackend().lower(graph, TIMESTEPS).run(inputs_of(kind, graph, seed))
        sent = [run.activity[node.name].spikes.sum() for node in graph.populations]
        busy += bool(np.count_nonzero(sent) > 1)
    assert busy > 35
