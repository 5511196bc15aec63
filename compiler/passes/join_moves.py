"""Join changes of order in a row; two that undo each other vanish.

Models whose images have their channels last turn the axes before and behind every convolution.
With the elementwise nodes between hoisted (``hoist_clip``), one turn follows the other. Exact.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import Graph, Rearrange
from ...ir.graph import renamed


def join_moves(graph: Graph) -> Graph:
    """Return the graph without a ``Rearrange`` that reads a ``Rearrange``, both of whole axes."""
    while (joined := _join_one(graph)) is not None:
        graph = joined
    return graph


def _join_one(graph: Graph) -> Graph | None:
    for second in graph.of_type(Rearrange):
        first = graph[second.inputs[0]]
        if not (isinstance(first, Rearrange) and turns(graph, first) and turns(graph, second)):
            continue
        order = tuple(first.order[axis] for axis in second.order)
        if order != tuple(range(len(order))):
            joined = replace(second, inputs=first.inputs, split=first.split, order=order)
            return graph.replace(second.name, joined).without_dead_nodes()
        if second.name not in graph.outputs.values():
            return _without(graph, second, first.inputs[0])
    return None


def turns(graph: Graph, node: Rearrange) -> bool:
    """Whether a change of order moves whole axes of its input."""
    turned = tuple(node.split[axis] for axis in node.order)
    return node.split == graph.types[node.inputs[0]].shape and node.shape == turned


def _without(graph: Graph, node: Rearrange, source: str) -> Graph:
    nodes = (renamed(n, {node.name: source}) for n in graph if n is not node)
    return Graph(nodes, graph.outputs).without_dead_nodes()
