"""Static bounds of integer currents and membranes, from weights, payloads and time steps.

They decide at compile time whether a membrane needs a clamp, whether a target's accumulator
can hold a current, and in which arithmetic a simulator may add without rounding.
"""

from __future__ import annotations

import numpy as np

from .graph import Graph
from .leaky import LeakyIntegrator
from .neurons import IF, Encoder, Integrator, Population
from .node import Node
from .ops import Conv, Linear, MaxPool, Product
from .quantized import Previous, TrackingIF
from .recurrence import Delay, Feedback
from .types import Array, is_integer
from .views import VIEWS, Concat, Gather


def payload_bounds(graph: Graph, name: str) -> tuple[int, int]:
    """Return the smallest and largest integer payload on an edge."""
    payload = graph.types[name].payload
    if payload is None:
        raise ValueError(f"{name} carries no integer payload")
    return payload


def current_bounds(graph: Graph, name: str) -> tuple[Array, Array]:
    """Return the least and the greatest current an integer synapse can deliver in one step.

    Borders are ignored: a neuron at a border reads fewer inputs, never more. A product may go
    from either end of its range to the other. What comes late is 0 before.

    Returns:
        Two int64 arrays, broadcastable to the edge's shape, one value an output channel.
    """
    late = graph[name]
    if isinstance(late, (Delay, Feedback)):
        source = late.source if isinstance(late, Feedback) else late.inputs[0]
        low, high = current_bounds(graph, source)
        return np.minimum(low, 0), np.maximum(high, 0)
    if isinstance(graph[name], Product):
        low, high = accumulated_bounds(graph, name)
        return low - high, high - low
    node = _synapse(graph, name)
    return weighted_bounds(node, *payload_bounds(graph, node.inputs[0]))


def value_bounds(graph: Graph, name: str) -> tuple[int, int]:
    """Return between which values the sum of all payloads on an edge stays, at every step.

    There are such bounds where a sample is injected once and neurons send what is missing to
    a bounded value: the sums of such neurons never leave the bounds of that value. Where a
    sum is a maximum, or nothing was sent so far, it is one of those values or 0.
    """
    node = graph[name]
    if isinstance(node, TrackingIF):
        return node.low, node.high
    if isinstance(node, (MaxPool, *VIEWS, Concat)):
        bounds = [value_bounds(graph, source) for source in node.inputs]
        if isinstance(node, Gather) and node.blanks:
            bounds.append((0, 0))
        return min(low for low, _ in bounds), max(high for _, high in bounds)
    if isinstance(node, Previous) or (isinstance(node, Encoder) and node.once):
        low, high = payload_bounds(graph, name)
        return min(low, 0), max(high, 0)
    raise ValueError(f"{name!r} may send any sum of payloads")


def accumulated_bounds(graph: Graph, name: str) -> tuple[Array, Array]:
    """Return the least and the greatest sum of all currents of an integer synapse or product.

    See ``value_bounds`` for where there are such bounds, and ``current_bounds`` for borders
    and the shapes of what is returned.
    """
    if isinstance(graph[name], Product):
        left, right = (value_bounds(graph, source) for source in graph[name].inputs)
        return product_bounds(left, right, len(graph.types[name].shape))
    node = _synapse(graph, name)
    return weighted_bounds(node, *value_bounds(graph, node.inputs[0]))


def drive_bounds(graph: Graph, node: TrackingIF) -> tuple[Array, Array]:
    """Return the least and the greatest drive of a tracking neuron at any step, int64."""
    low = high = node.bias.astype(np.int64)
    for multiplier, source in zip(node.multiplier.astype(np.int64), node.inputs, strict=True):
        ends = [multiplier * bound for bound in accumulated_bounds(graph, source)]
        low, high = low + np.minimum(*ends), high + np.maximum(*ends)
    return low, high


def _synapse(graph: Graph, name: str) -> Conv | Linear:
    node = graph[name]
    if not isinstance(node, (Conv, Linear)):
        raise TypeError(f"{name}: a {type(node).__name__} is not a synapse")
    return node


def weighted_bounds(node: Conv | Linear, least: int, most: int) -> tuple[Array, Array]:
    """Return the least and the greatest sum of integer inputs within bounds; see above."""
    weight = node.weight if is_integer(node.weight) else node.weight.astype(np.int64)
    axes = tuple(range(1, weight.ndim))
    positive = np.maximum(weight, 0).sum(axis=axes, dtype=np.int64) * node.copies
    negative = np.minimum(weight, 0).sum(axis=axes, dtype=np.int64) * node.copies
    shape = (-1, 1, 1) if isinstance(node, Conv) else (-1,)
    low = (positive * least + negative * most).reshape(shape)
    high = (positive * most + negative * least).reshape(shape)
    return low, high


def product_bounds(left: tuple[int, int], right: tuple[int, int], rank: int) -> tuple[Array, Array]:
    """Return the least and the greatest product of two integers within bounds.

    Returns:
        Two int64 arrays of a size of 1 along each of ``rank`` axes.
    """
    ends = [one * other for one in left for other in right]
    one = np.ones((1,) * rank, np.int64)
    return min(ends) * one, max(ends) * one


def largest_current(graph: Graph, name: str) -> int:
    """Return a bound on the magnitude of one step's current, over all neurons it reaches."""
    low, high = current_bounds(graph, name)
    return int(max(-low.min(), high.max(), 0))


def membrane_bound(graph: Graph, node: IF | Integrator, timesteps: int) -> int:
    """Return a bound on the magnitude an unclamped integer membrane can reach.

    An event never moves a membrane across zero away from it: a positive event needs
    ``V >= threshold`` and leaves ``V >= 0``, a negative one needs ``V < 0`` and leaves
    ``V < threshold``. So ``V <= max(initial, threshold) + T * max(I_high + b, 0)``, and
    ``V >= min(initial, 0) + T * min(I_low + b, 0)``. A multi-threshold neuron may overshoot, but
    never to a larger magnitude: there the bound is that of the larger side, on both sides. After
    a reset to zero ``V`` is below the threshold at the end of every step, whatever came before:
    then one step's current is all that can be above it.
    """
    bounds = [current_bounds(graph, name) for name in node.inputs]
    bias = node.bias.astype(np.int64)
    low = np.minimum(sum(low for low, _ in bounds) + bias, 0) * timesteps
    hard = isinstance(node, IF) and node.reset == "zero"
    high = np.maximum(sum(high for _, high in bounds) + bias, 0) * (1 if hard else timesteps)
    if isinstance(node, IF):
        low = low + np.minimum(node.initial.astype(np.int64), 0)
        high = high + np.maximum(node.initial.astype(np.int64), node.threshold.astype(np.int64))
        if node.select != "count":
            high = np.maximum(high, -low)
    return int(max(-low.min(), high.max()))


def is_quantized(graph: Graph) -> bool:
    """Whether every encoder, synapse and neuron of a spiking graph is integer."""
    return all(is_integer_node(node) for node in graph)


def carries_integers(graph: Graph, name: str) -> bool:
    """Whether a current is a sum of whole numbers, also where it comes late."""
    node = graph[name]
    if isinstance(node, (Delay, Feedback)):
        return carries_integers(
            graph, node.source if isinstance(node, Feedback) else node.inputs[0]
        )
    whole = all(graph.types[source].payload is not None for source in node.inputs)
    return whole and (not isinstance(node, (Conv, Linear)) or is_integer(node.weight))


def is_integer_node(node: Node) -> bool:
    """Whether a node of a spiking graph is integer; those without parameters are."""
    if isinstance(node, Encoder):
        return node.scale is not None
    if isinstance(node, (Conv, Linear)):
        return bool(np.issubdtype(node.weight.dtype, np.integer))
    if isinstance(node, LeakyIntegrator):
        return False  # a membrane has no bounds as a payload, also where all its values are whole
    if isinstance(node, (Population, Integrator)):
        return bool(np.issubdtype(node.bias.dtype, np.integer))
    return True
