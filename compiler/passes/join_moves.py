"""Join changes of order in a row; two that undo each other vanish.

Models whose images have their channels last turn the axes before and behind every convolution.
With the elementwise nodes between hoisted (``hoist_clip``), one turn follows the other. So it is
with changes of shape, and with places chosen along one axis. Exact.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ir import Gather, Graph, Node, Rearrange, Reshape
from ...ir.graph import renamed


def join_moves(graph: Graph) -> Graph:
    """Return the graph without a ``Rearrange`` that reads a ``Rearrange``, both of whole axes.

    Nor does a ``Gather`` read one along its axis.
    """
    while (joined := _join_one(graph)) is not None:
        graph = joined
    for join_once in (_gather_once, _reshape_once, _undone):
        while (joined := join_once(graph)) is not None:
            graph = joined
    return graph


def _undone(graph: Graph) -> Graph | None:
    """Replace a ``Rearrange`` that undoes the one it reads by a change of shape."""
    for second in graph.of_type(Rearrange):
        first = graph[second.inputs[0]]
        if not isinstance(first, Rearrange):
            continue
        places = np.arange(graph.types[second.name].size).reshape(
            graph.types[first.inputs[0]].shape
        )
        moved = second.moved(first.moved(places, leading=0), leading=0)
        if np.array_equal(moved.ravel(), places.ravel()):
            view = Reshape(name=second.name, inputs=first.inputs, shape=second.shape)
            return graph.replace(second.name, view).without_dead_nodes()
    return None


def _reshape_once(graph: Graph) -> Graph | None:
    """Join a ``Reshape`` with the one it reads; drop what changes no shape."""
    for second in graph.of_type(Reshape):
        first = graph[second.inputs[0]]
        if second.shape == graph.types[first.name].shape:
            if second.name not in graph.outputs.values():
                return _without(graph, second, first.name)
        elif isinstance(first, Reshape):
            joined: Node = replace(second, inputs=first.inputs)
            return graph.replace(second.name, joined).without_dead_nodes()
        elif isinstance(first, Rearrange) and graph.only_user(first.name) is second:
            joined = replace(first, name=second.name, shape=second.shape)
            return graph.replace(second.name, joined).without_dead_nodes()
    for move in graph.of_type(Rearrange):
        first = graph[move.inputs[0]]
        if isinstance(first, Reshape):
            joined = replace(move, inputs=first.inputs)
            return graph.replace(move.name, joined).without_dead_nodes()
    return None


def _gather_once(graph: Graph) -> Graph | None:
    """Join a ``Gather`` with the one it reads along the same axis; drop what keeps all places."""
    for second in graph.of_type(Gather):
        first = graph[second.inputs[0]]
        size = graph.types[first.name].shape[second.axis]
        if np.array_equal(second.places, np.arange(size)):
            if second.name not in graph.outputs.values():
                return _without(graph, second, first.name)
        elif isinstance(first, Gather) and first.axis == second.axis:
            places = np.where(second.places < 0, -1, first.places[second.places])
            joined = replace(second, inputs=first.inputs, places=places)
            return graph.replace(second.name, joined).without_dead_nodes()
    return None


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


def _without(graph: Graph, node: Node, source: str) -> Graph:
    nodes = (renamed(n, {node.name: source}) for n in graph if n is not node)
    return Graph(nodes, graph.outputs).without_dead_nodes()
