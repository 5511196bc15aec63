"""Values of a quantised ANN as integers: what stands on an edge, and what it counts for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...ir import VIEWS, Array, Concat, Graph, MaxPool, Previous, Staircase

WHOLE = 1e-9
"""How far a bias may be from a whole number of units: it is their product in float64."""


@dataclass(frozen=True)
class Levels:
    """A quantised value, or some channels of it: integers on an edge, times a step.

    Attributes:
        edge: Name of the integer node.
        step: ANN units of one unit, of the rank of the value and broadcastable to it.
        low: Smallest integer, <= 0.
        high: Largest integer, >= 0.
    """

    edge: str
    step: Array
    low: int
    high: int


@dataclass(frozen=True)
class Term:
    """An integer sum and what it counts for.

    Attributes:
        edge: Name of the integer node.
        scale: ANN units of one unit, but for the divisor; of the rank of the value.
        divisor: By what the sum is divided besides: the window of a mean, int64.
        added: What is added to the sum, in its units, int64: a bias that is a whole number of
            them. The sum may then be exactly 0, or a tie, and stays so in fixed point.
    """

    edge: str
    scale: Array
    divisor: Array
    added: Array


@dataclass(frozen=True)
class Sums:
    """A linear value: its terms, and what is left of biases, in ANN units."""

    terms: tuple[Term, ...]
    bias: Array


def is_quantised(graph: Graph, name: str) -> bool:
    """Whether a value of an ANN is quantised, seen from its operators."""
    node = graph[name]
    if isinstance(node, (MaxPool, *VIEWS, Concat)):
        return all(is_quantised(graph, source) for source in node.inputs)
    if isinstance(node, Previous):
        return isinstance(graph[node.source], Staircase)
    return isinstance(node, Staircase)


def aligned(parameter: Array, rank: int) -> Array:
    """Return a parameter with leading axes of size 1, so that it has the rank of its value."""
    return parameter.reshape((1,) * (rank - parameter.ndim) + parameter.shape)


def with_bias(terms: list[Term], bias: Array) -> Sums:
    """Return terms with a bias, as far as it goes in units of the first of them."""
    first = terms[0]
    units = bias / first.scale
    whole = np.abs(units - np.rint(units)) <= WHOLE * np.maximum(1, np.abs(units))
    whole &= np.abs(units) < 2**53
    added = np.where(whole, np.rint(units), 0).astype(np.int64)
    return Sums((replace(first, added=added), *terms[1:]), np.where(whole, 0.0, bias))
