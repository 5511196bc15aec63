"""Synaptic depth: how many time steps a spike needs where every synapse takes one.

In the reference one step crosses the whole network. A chip, and Lava, deliver an event one
step later; a run then takes ``T + depth_latency`` steps, and branches of unequal depth must
be aligned by delays.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .graph import Graph
from .ops import Conv, Linear, MaxPool, Product
from .types import Signal

AT_ONCE: Mapping[str, int] = MappingProxyType({})
"""No node without inputs waits."""


def depths(graph: Graph, begins: Mapping[str, int] = AT_ONCE) -> dict[str, int]:
    """Return for each node of a spiking graph the steps until its first valid value.

    Synapses, products and max pools of events take one step; all else takes the depth of its
    deepest input.

    Args:
        graph: A spiking graph.
        begins: Depths of nodes without inputs, 0 for those it does not name.
    """
    import networkx

    found: dict[str, int] = {}
    for name in networkx.topological_sort(graph.digraph()):
        node = graph[name]
        before = max((found[source] for source in node.inputs), default=begins.get(name, 0))
        found[name] = before + int(takes_a_step(graph, name))
    return found


def takes_a_step(graph: Graph, name: str) -> bool:
    """Whether what a node sends is a step later than what it reads."""
    node = graph[name]
    if isinstance(node, MaxPool):
        return graph.types[name].signal is Signal.SPIKES
    return isinstance(node, (Conv, Linear, Product)) and graph.types[name].signal is Signal.CURRENT


def depth_latency(graph: Graph) -> int:
    """Return the largest depth of an output."""
    found = depths(graph)
    return max(found[name] for name in graph.outputs.values())
