"""Join roundings in a row that round to the same levels.

A value that is already a multiple of a step is not changed by rounding to that step again;
only the bounds of both count, ``clip(clip(q, l1, h1), l2, h2)`` with integers. Quantised models
are full of such pairs: a quantiser stands before and behind each operator, and many operators
(a max pool, a change of shape, a join) only pass levels on. Exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

import numpy as np

from ...ir import (
    VIEWS,
    Concat,
    Graph,
    MaxPool,
    Staircase,
)
from ...ir.graph import renamed


def join_staircases(graph: Graph) -> Graph:
    """Return the graph without staircases that round what is rounded.

    Two in a row become one; one whose values all come from staircases of its own step within
    its bounds, also through max pools, reshapes and joins, is left out.
    """
    while (joined := _join_one(graph)) is not None:
        graph = joined
    return graph


def _join_one(graph: Graph) -> Graph | None:
    for node in graph.of_type(Staircase):
        if not _keeps_levels(node):
            continue
        sources = list(_sources(graph, node.inputs[0]))
        if not all(s is not None and np.array_equal(s.step, node.step) for s in sources):
            continue
        found = [source for source in sources if source is not None]
        if all(_within(source, node) for source in found):
            return _without(graph, node)
        before = graph[node.inputs[0]]
        if isinstance(before, Staircase) and graph.only_user(before.name) is node:
            low, high = _joint_bounds(before, node)
            if low is None or high is None or low < high:
                joined = replace(before, name=node.name, low=low, high=high)
                return graph.replace(node.name, joined).without_dead_nodes()
    return None


def _keeps_levels(node: Staircase) -> bool:
    """Whether a staircase changes none of its own levels but for its bounds."""
    if node.function != "identity":
        return False
    return 0 <= node.offset < 1 if node.rounding == "floor" else -0.5 < node.offset < 0.5


def _sources(graph: Graph, name: str) -> Iterator[Staircase | None]:
    """Yield the staircases whose levels a value consists of; None for anything else."""
    node = graph[name]
    if isinstance(node, Staircase):
        yield node
    elif isinstance(node, (Concat, MaxPool, *VIEWS)):
        for source in dict.fromkeys(node.inputs):
            for found in _sources(graph, source):
                same_step = isinstance(node, MaxPool) or found is None or found.step.size == 1
                yield found if same_step else None
    else:
        yield None


def _bounds(node: Staircase) -> tuple[float, float]:
    return -inf if node.low is None else node.low, inf if node.high is None else node.high


def _within(source: Staircase, node: Staircase) -> bool:
    (least, most), (low, high) = _bounds(source), _bounds(node)
    return low <= least and most <= high


def _joint_bounds(a: Staircase, b: Staircase) -> tuple[int | None, int | None]:
    lows = [node.low for node in (a, b) if node.low is not None]
    highs = [node.high for node in (a, b) if node.high is not None]
    return max(lows, default=None), min(highs, default=None)


def _without(graph: Graph, node: Staircase) -> Graph:
    rename = {node.name: node.inputs[0]}
    outputs = {key: rename.get(name, name) for key, name in graph.outputs.items()}
    return Graph((renamed(n, rename) for n in graph if n is not node), outputs)
