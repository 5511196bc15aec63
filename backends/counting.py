"""Counting events and the synaptic operations they cause, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir import Array, Conv, Graph, Linear, MaxPool, Product
from ..ir.reference import padded, window_taps
from .base import Activity


def fan_out(graph: Graph, name: str) -> Array:
    """Return how many synapses an event reaches, for each place it can come from.

    Zero weights are no synapses, a window that hangs over the border is counted as far as it
    goes, and parallel copies count each. For a max pool it is the number of windows. An event
    reaches one product.

    Args:
        graph: The graph.
        name: A synapse (``Conv`` or ``Linear``), a ``Product`` or a ``MaxPool``.

    Returns:
        int64, of the shape of the node's input.
    """
    node = graph[name]
    shape = graph.types[node.inputs[0]].shape
    if isinstance(node, Product):
        return np.ones(shape, np.int64)
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


def activity(payloads: Array, reaches: Sequence[Array] = ()) -> tuple[Activity, ...]:
    """Count the events on an edge: as they were sent, and as each of its readers felt them.

    Args:
        payloads: ``(timesteps, samples, *shape)``.
        reaches: For each reader the fan-out of each place, ``(*shape,)``.

    Returns:
        What was sent, then one entry for each reader.
    """
    magnitude = np.abs(payloads.reshape(*payloads.shape[:2], -1))
    places = magnitude.shape[2]
    weight = np.stack([np.ones(places), *(reach.reshape(-1) for reach in reaches)], axis=1)
    units = _weighted(magnitude, weight)
    unit_payloads = payloads.dtype.kind == "i" and magnitude.max(initial=0) <= 1
    events = units if unit_payloads else _weighted(magnitude != 0, weight)
    spikes, none = events[0], np.zeros_like(events[0])
    sent = Activity(spikes, units[0], none, none)
    felt = zip(events[1:], units[1:], strict=True)
    return sent, *(Activity(spikes, units[0], synops, unit) for synops, unit in felt)


def _weighted(counted: Array, weight: Array) -> Array:
    """Return weighted sums over places, ``(weights, samples, timesteps)``, int64, exact."""
    most = float(counted.max(initial=0)) * float(weight.sum(axis=0).max())
    precision = np.float32 if counted.dtype.kind in "bi" and most < 2**24 else np.float64
    sums = counted.astype(precision) @ weight.astype(precision)
    return np.asarray(np.rint(sums).astype(np.int64).transpose(2, 1, 0))
