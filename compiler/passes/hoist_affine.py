"""Move scales and shifts, and sums, before what gives their values another place.

``s * move(x) + t = move(s' * x + t')`` with the parameters moved back, and
``move(x) + move(y) = move(x + y)`` where both move alike. The arithmetic then stands directly
behind the linear map whose weights can take it over (``fold_affine``). Exact.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ...ir import Add, Affine, Array, Graph, Node, Rearrange, Reshape
from .as_images import compact


def hoist_affine(graph: Graph) -> Graph:
    """Return the graph with ``Affine`` and ``Add`` before changes of order and shape.

    A pair stays as it is where something else reads the value between them, or where the value
    before has a shape that no population can have.
    """
    while (hoisted := _hoist_one(graph)) is not None:
        graph = hoisted
    return graph


def _hoist_one(graph: Graph) -> Graph | None:
    for node in graph:
        moves = [graph[name] for name in node.inputs]
        if not isinstance(node, (Add, Affine)) or not all(
            _movable(graph, move, node) for move in moves
        ):
            continue
        (first, *others) = moves
        if any(not _alike(graph, first, other) for other in others):
            continue
        sources = tuple(move.inputs[0] for move in moves)
        early: Node = replace(node, name=f"{first.name}.{node.name}", inputs=sources)
        if early.name in graph.nodes:
            continue
        if isinstance(early, Affine):
            early = replace(
                early,
                scale=_moved_back(graph, first, early.scale),
                shift=_moved_back(graph, first, early.shift),
            )
        late = replace(first, name=node.name, inputs=(early.name,))
        return graph.replace(node.name, early, late).without_dead_nodes()
    return None


def _movable(graph: Graph, move: Node, reader: Node) -> bool:
    if not isinstance(move, (Rearrange, Reshape)) or graph.only_user(move.name) is not reader:
        return False
    return len(graph.types[move.inputs[0]].shape) in (1, 3)


def _alike(graph: Graph, first: Node, second: Node) -> bool:
    """Whether two moves do the same to values of one shape."""
    if graph.types[first.inputs[0]].shape != graph.types[second.inputs[0]].shape:
        return False
    if isinstance(first, Rearrange) and isinstance(second, Rearrange):
        return (first.split, first.order) == (second.split, second.order)
    return isinstance(first, Reshape) and isinstance(second, Reshape)


def _moved_back(graph: Graph, move: Node, parameter: Array) -> Array:
    """Return a parameter of what a move gives as one of what it reads."""
    if parameter.size == 1:
        return parameter.reshape(1)
    shape = graph.types[move.inputs[0]].shape
    full = np.broadcast_to(parameter, graph.types[move.name].shape)
    if isinstance(move, Rearrange):
        back = np.empty(prod(shape), full.dtype)
        back[move.moved(np.arange(prod(shape)), leading=0).ravel()] = full.ravel()
        full = back
    return compact(full.reshape(shape))
