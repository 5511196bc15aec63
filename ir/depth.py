"""Synaptic depth: how many time steps a spike needs where every synapse takes one.

In the reference one step crosses the whole network. A chip, and Lava, deliver an event one
step later; a run then takes ``T + depth_latency`` steps, and branches of unequal depth must
be aligned by delays.
"""

from __future__ import annotations

from .graph import Graph
from .ops import Conv, Linear, MaxPool, Product
from .types import Signal


def depths(graph: Graph) -> dict[str, int]:
    """Return for each node of a spiking graph the steps until its first valid value.

    Synapses, products and max pools of events take one step; all else takes the depth of its
    deepest input.
    """
    import networkx

    found: dict[str, int] = {}
    for name in networkx.topological_sort(graph.digraph()):
        node = graph[name]
        before = max((found[source] for source in node.inputs), default=0)
        found[name] = before + int(_takes_a_step(graph, name))
    return found


def _takes_a_step(graph: Graph, name: str) -> bool:
    node = graph[name]
    if isinstance(node, MaxPool):
        return graph.types[name].signal is Signal.SPIKES
    return isinstance(node, (Conv, Linear, Product)) and graph.types[name].signal is Signal.CURRENT


def depth_latency(graph: Graph) -> int:
    """Return the largest depth of an output."""
    found = depths(graph)
    return max(found[name] for name in graph.outputs.values())
