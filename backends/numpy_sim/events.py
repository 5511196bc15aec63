"""Counting events and the synaptic operations they cause, exactly."""

from __future__ import annotations

import numpy as np

from ...ir import Array, Conv, Graph, Linear, MaxPool
from ...ir.reference import padded, window_taps
from ..base import Activity


def fan_out(graph: Graph, name: str) -> Array:
    """Return how many synapses an event reaches, for each place it can come from.

    Zero weights are no synapses, a window that hangs over the border is counted as far as it
    goes, and parallel copies count each. For a max pool it is the number of windows.

    Args:
        graph: The graph.
        name: A synapse (``Conv`` or ``Linear``) or a ``MaxPool``.

    Returns:
        int64, of the shape of the node's input.
    """
    node = graph[name]
    shape = graph.types[node.inputs[0]].shape
    if isinstance(node, Linear):
        return np.asarray(np.count_nonzero(node.weight, axis=0) * node.copies, np.int64)
    if isinstance(node, Conv):
        synapses = (node.weight != 0).reshape(node.groups, -1, *node.weight.shape[1:])
        reached = synapses.sum(axis=1).reshape(shape[0], *node.weight.shape[2:]) * node.copies
        kernel = (node.weight.shape[2], node.weight.shape[3])
    elif isinstance(node, MaxPool):
        kernel, reached = node.kernel, np.ones((shape[0], *node.kernel), np.int64)
    else:
        raise TypeError(f"{name}: a {type(node).__name__} has no fan-out of its own")
    grid = padded(np.zeros((1, *shape), np.int64), node.padding)
    for (i, j), tap in window_taps(grid, kernel, node.stride, node.dilation):
        tap += reached[:, i, j][:, None, None]  # a view: adds into the grid
    top, left = node.padding[:2]
    return np.asarray(grid[0])[:, top : top + shape[1], left : left + shape[2]]


def activity(payloads: Array, reach: Array | None = None) -> Activity:
    """Count the events of one node.

    Args:
        payloads: ``(timesteps, samples, *shape)``.
        reach: Fan-out of each place, ``(*shape,)``; None for a node that is no synapse.
    """
    magnitude = np.abs(payloads).reshape(*payloads.shape[:2], -1)
    event = magnitude != 0
    spikes = np.count_nonzero(event, axis=2).T.astype(np.int64)
    units = np.rint(magnitude.sum(axis=2, dtype=np.float64)).T.astype(np.int64)
    if reach is None:
        return Activity(spikes, units, np.zeros_like(spikes), np.zeros_like(spikes))
    weight = reach.reshape(-1).astype(np.float64)  # sums stay below 2**53: exact
    synops, unit_synops = (np.rint(part @ weight).T for part in (event, magnitude))
    return Activity(spikes, units, synops.astype(np.int64), unit_synops.astype(np.int64))
