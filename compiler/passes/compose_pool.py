"""Compose an average pool with the linear map that reads it, where that costs few weights.

Two linear maps in a row need a population between them, which rounds what the ANN does not
round. Behind a global average pool that rounding can be the largest error of all: averaging
has just removed most of the errors made before it, and few steps leave the mean few levels. So
the mean and the map become one synapse, ``W (P x) = (W P) x``, as long as all weights together
grow by no more than ``GROWTH``. Exact but for rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ir import Array, AveragePool, Conv, Graph, Linear, Reshape
from ...ir.reference import padded, window_taps

GROWTH = 0.25
"""Share of the model's weights that may be added in all (the compiler's choice)."""


def compose_pool(graph: Graph) -> Graph:
    """Return the graph with ``AveragePool -> Reshape -> Linear`` composed.

    A pool that others read, or that leaves the graph, stays as it is.
    """
    budget = GROWTH * sum(node.weight.size for node in graph.of_type(Conv) + graph.of_type(Linear))
    for second in graph.of_type(Linear):
        flat = graph[second.inputs[0]]
        if not isinstance(flat, Reshape) or graph.only_user(flat.name) is None:
            continue
        pool = graph[flat.inputs[0]]
        if not isinstance(pool, AveragePool) or graph.only_user(pool.name) is None:
            continue
        source = graph.types[pool.inputs[0]].shape
        added = second.weight.shape[0] * int(np.prod(source)) - second.weight.size
        if added > budget:
            continue
        budget -= added
        graph = _composed(graph, pool, flat, second)
    return graph


def _composed(graph: Graph, pool: AveragePool, flat: Reshape, second: Linear) -> Graph:
    view = Reshape(
        name=_free(graph, f"{pool.inputs[0]}.flat"),
        inputs=pool.inputs,
        shape=(int(np.prod(graph.types[pool.inputs[0]].shape)),),
    )
    weight = _spread(graph, pool, second.weight)
    size = _window(graph, pool)
    unit = second.weight_scale
    unit = unit / size.flat[0] if unit is not None and np.all(size == size.flat[0]) else None
    composed = replace(second, inputs=(view.name,), weight=weight, weight_scale=unit)
    nodes = [n for n in graph if n.name not in (pool.name, flat.name)]
    place = nodes.index(second)
    return Graph([*nodes[:place], view, composed, *nodes[place + 1 :]], graph.outputs)


def _spread(graph: Graph, pool: AveragePool, weight: Array) -> Array:
    """Return ``W P``: each weight divided among the places its window averages."""
    outputs = weight.shape[0]
    averaged = weight.reshape(outputs, *graph.types[pool.name].shape)
    channels, height, width = graph.types[pool.inputs[0]].shape
    size = _window(graph, pool)
    grid = padded(np.zeros((outputs, channels, height, width)), pool.padding)
    for _, tap in window_taps(grid, pool.kernel, pool.stride, (1, 1)):
        tap += averaged / size  # a view: adds into the grid
    top, left = pool.padding[:2]
    kept = grid[:, :, top : top + height, left : left + width]
    return np.ascontiguousarray(kept).reshape(outputs, -1)


def _window(graph: Graph, pool: AveragePool) -> Array:
    """Return by what each window's sum is divided, broadcastable to ``(1, 1, *size)``."""
    if pool.count_include_pad:
        return np.full((1, 1, 1, 1), float(pool.kernel[0] * pool.kernel[1]))
    inside = np.ones((1, 1, *graph.types[pool.inputs[0]].shape[1:]))
    taps = window_taps(padded(inside, pool.padding), pool.kernel, pool.stride, (1, 1))
    return np.asarray(sum(tap for _, tap in taps))


def _free(graph: Graph, name: str) -> str:
    while name in graph.nodes:
        name += "_"
    return name
