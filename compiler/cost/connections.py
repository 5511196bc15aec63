"""How many synapses there are, borders counted as they are."""

from __future__ import annotations

from math import prod

import numpy as np

from ...ir import Array, AveragePool, Conv, Graph, Linear, MaxPool
from ...ir.reference import padded, window_taps


def connections(graph: Graph, node: Conv | Linear, *, zeros: bool) -> int:
    """Return the synapses between single neurons of a convolution or a matrix.

    Args:
        graph: The graph, spiking or not.
        node: The node.
        zeros: Whether weights of 0 are synapses.
    """
    present = np.ones(node.weight.shape, bool) if zeros else node.weight != 0
    if isinstance(node, Linear):
        return int(present.sum()) * node.copies
    kernel = (node.weight.shape[2], node.weight.shape[3])
    taps = taps_inside(graph, node, kernel, node.dilation)
    return int((present.sum(axis=(0, 1)) * taps).sum()) * node.copies


def taps_inside(
    graph: Graph,
    node: Conv | AveragePool | MaxPool,
    kernel: tuple[int, int],
    dilation: tuple[int, int],
) -> Array:
    """Return for each element of a window at how many places it sees a value, not the border.

    Returns:
        Of one channel, int64 ``kernel``.
    """
    shape = graph.types[node.inputs[0]].shape[1:]
    inside = padded(np.ones((1, 1, *shape), np.int64), node.padding)
    taps = window_taps(inside, kernel, node.stride, dilation)
    counted = [int(tap.sum()) for _, tap in taps]
    assert len(counted) == prod(kernel)
    return np.array(counted, np.int64).reshape(kernel)
