"""Which events of a run count as spikes, and which operations they cause.

Spikes are events of populations and max pools. What an encoder injects is the input, also
behind a view or a max pool of it: its events are no spikes, and the operations they cause are
multiplications, not synaptic operations of spikes.

An event that reaches a product is one synaptic operation, a multiplication with the sum of the
other factor, whichever of the two it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..backends import Activity
from ..ir import (
    VIEWS,
    Concat,
    Conv,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Linear,
    MaxPool,
    Node,
    Population,
    Product,
    Signal,
)


def carries_input(graph: Graph, name: str) -> bool:
    """Whether the events on an edge are those of encoders; joined ones, if all are."""
    node = graph[name]
    while isinstance(node, (Delay, Feedback, MaxPool, *VIEWS)):
        node = graph[node.source if isinstance(node, Feedback) else node.inputs[0]]
    if isinstance(node, Concat):
        return all(carries_input(graph, source) for source in dict.fromkeys(node.inputs))
    return isinstance(node, Encoder)


def sends_spikes(graph: Graph, node: Node) -> bool:
    """Whether a node's events count as spikes."""
    if isinstance(node, MaxPool):
        spiking = graph.types[node.name].signal is Signal.SPIKES
        return spiking and not carries_input(graph, node.name)
    return isinstance(node, Population)


def reads_input(graph: Graph, node: Node) -> bool:
    """Whether all events that a node reads are those of encoders."""
    return all(carries_input(graph, source) for source in node.inputs)


def multiplies(graph: Graph, node: Conv | Linear | Product) -> bool:
    """Whether a synapse needs multiplications: it reads payloads other than -1, 0 and 1.

    A product always does: it multiplies by a sum.
    """
    if isinstance(node, Product):
        return True
    payload = graph.types[node.inputs[0]].payload
    return payload is None or payload[0] < -1 or payload[1] > 1


def synapses(graph: Graph) -> tuple[Conv | Linear, ...]:
    """Return all synapses of a spiking graph, in order."""
    return tuple(node for node in graph if isinstance(node, (Conv, Linear)))


def total_activity(graph: Graph, activity: Mapping[str, Activity]) -> Activity:
    """Return the spikes of all nodes and the synaptic operations they cause.

    Args:
        graph: The spiking graph.
        activity: What each node did; see ``backends.Activity``.

    Returns:
        Sums over the graph, each ``(samples, timesteps)``.
    """
    shape = next(iter(activity.values())).spikes.shape
    sums = [np.zeros(shape, np.int64) for _ in range(4)]
    for node in graph:
        if sends_spikes(graph, node):
            sums[0] += activity[node.name].spikes
            sums[1] += activity[node.name].units
        elif isinstance(node, (Conv, Linear, Product)) and not reads_input(graph, node):
            sums[2] += activity[node.name].synops
            sums[3] += activity[node.name].unit_synops
    return Activity(*sums)
