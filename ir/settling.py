r"""When an exact network is at rest: a bound on the steps, known before it runs.

A node has *settled* after step s if its edge carries no event after s, whatever the input.

- An encoder injects its sample at step 1 and has settled after it. So has a value that is carried
  into an element of a sequence.
- A synapse, a product, a max pool, a view, a concatenation have no memory of their own
  beyond sums of what they received: they have settled with the last of what they read.
- Let the last source of a population settle after step s. Its drive is final at step s already,
  because an event crosses the network within its step. From step s on it moves straight to its
  final value, with its full cap at every step but the last: it has settled after
  :math:`s + \lceil d / cap \rceil - 1`, with :math:`d` the distance left before step s (and not
  before s). Its value always lies in the range that its drive can take, within
  :math:`[low, high]`, so :math:`d \le high - low`; and before step s it had :math:`s - 1` steps, of
  a cap each, to move away from 0. The first population starts at 0: its :math:`d` is the largest
  magnitude only.
- A population of digits has settled after its last digit.

The drive's range comes from the bounds of the values read, not from the number of steps: the
units a neuron has sent are between its bounds at all times.
"""

from __future__ import annotations

import numpy as np

from .bounds import drive_bounds
from .graph import Graph
from .neurons import Encoder, Integrator, Population
from .node import Node
from .ops import Conv, Input, Linear, MaxPool, Product
from .quantized import Previous, TrackingIF, quantized
from .types import Array
from .views import VIEWS, Concat

SETTLES = (
    *(Input, Encoder, Previous, Conv, Linear, MaxPool, Product, *VIEWS, Concat),
    *(TrackingIF, Integrator),
)
"""Nodes of a network that comes to rest."""


def is_exact(graph: Graph) -> bool:
    """Whether a spiking graph comes to rest at the values of a quantised ANN."""
    return all(isinstance(node, SETTLES) and _comes_to_rest(node) for node in graph)


def _comes_to_rest(node: Node) -> bool:
    if isinstance(node, Input):
        return not node.stepwise
    if isinstance(node, Encoder):
        return node.once and node.scale is not None
    if isinstance(node, Integrator):
        return node.decoding == "sum" and node.clamp is None
    if isinstance(node, TrackingIF):
        return node.digits > 0 or (node.max_positive > 0 and node.max_negative > 0)
    return not isinstance(node, Population)


def settling_steps(graph: Graph) -> dict[str, int]:
    """Return for each node of an exact graph the step after which it has settled.

    Raises:
        ValueError: The graph need not come to rest.
    """
    if not is_exact(graph):
        raise ValueError("only exact networks have a static bound of steps")
    found: dict[str, int] = {}
    for node in graph:
        before = max((found[name] for name in node.inputs), default=1)
        found[node.name] = before
        if isinstance(node, TrackingIF):
            found[node.name] = _population(graph, node, before)
    return found


def settling_bound(graph: Graph) -> int:
    """Return the number of steps after which every output of an exact graph is final."""
    return max(settling_steps(graph).values())


def _population(graph: Graph, node: TrackingIF, before: int) -> int:
    if node.digits:
        return max(before, node.start + node.digits - 1)
    low, high = (quantized(node, drive) for drive in drive_bounds(graph, node))
    free = before - 1
    lowest: Array = np.maximum(np.minimum(low, 0), -free * node.max_negative)
    highest: Array = np.minimum(np.maximum(high, 0), free * node.max_positive)
    up = _steps(high - lowest, node.max_positive)
    down = _steps(highest - low, node.max_negative)
    return before + max(up, down, 1) - 1


def _steps(distance: Array, cap: int) -> int:
    return int(-(-distance.max() // cap))
