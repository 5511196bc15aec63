"""Compose two linear maps in a row into one where that is not larger than both.

``W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2)``. Without a neuron between them two maps in
a row would need a population of their own in the spiking network. Exact but for rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ir import Array, Conv, Graph, Linear


def compose_linear(graph: Graph) -> Graph:
    """Return the graph with ``Linear -> Linear`` and ``Conv -> 1x1 Conv`` composed.

    Two maps stay as they are where the first has other readers or leaves the graph, where
    their product has more weights than the larger of them, or where groups or a stride of
    the second would change what a window means.
    """
    while (composed := _compose_one(graph)) is not None:
        graph = composed
    return graph


def _compose_one(graph: Graph) -> Graph | None:
    for second in graph:
        if not isinstance(second, (Linear, Conv)):
            continue
        first = graph[second.inputs[0]]
        if not isinstance(first, type(second)) or graph.only_user(first.name) is None:
            continue
        if isinstance(second, Conv) and not _is_pointwise(second):
            continue
        assert isinstance(first, (Linear, Conv))
        if getattr(first, "groups", 1) != 1:
            continue
        weight = np.tensordot(second.weight.reshape(second.weight.shape[:2]), first.weight, 1)
        if weight.size > max(first.weight.size, second.weight.size):
            continue
        composed = replace(
            first,
            name=second.name,
            weight=weight,
            bias=_bias(first, second),
            weight_scale=_unit(first, second),
        )
        return graph.replace(second.name, composed).without_dead_nodes()
    return None


def _is_pointwise(conv: Conv) -> bool:
    plain = conv.stride == (1, 1) and not any(conv.padding) and conv.groups == 1
    return plain and conv.weight.shape[2:] == (1, 1)


def _bias(first: Linear | Conv, second: Linear | Conv) -> Array | None:
    if first.bias is None:
        return second.bias
    passed: Array = second.weight.reshape(second.weight.shape[:2]) @ first.bias
    return passed if second.bias is None else passed + second.bias


def _unit(first: Linear | Conv, second: Linear | Conv) -> Array | None:
    """Return what the products of quantised weights are multiples of."""
    one, two = first.weight_scale, second.weight_scale
    return one * two if one is not None and two is not None and one.size == 1 else None
