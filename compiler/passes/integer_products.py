r"""Products of quantised values as integer sums: what gates of recurrent cells are made of.

A factor is a quantised value, :math:`x = s q`, or an affine function of one: the ``1 - z`` of a
GRU is no value of its own with levels. With :math:`a x + b` and :math:`c y + d` for the two,

.. math::
    (a x + b)(c y + d) = a c\, s_x s_y\, q_x q_y + a d\, s_x q_x + b c\, s_y q_y + b d,

which is the integer product and at most two branches without weights; nothing is rounded before
the next quantiser.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...ir import Affine, Array, Graph, Product
from ...ir.bounds import product_bounds
from .integer_sums import IntegerSums
from .integer_values import Levels, Sums, Term, aligned


@dataclass(frozen=True)
class Factor:
    """``scale * value + shift``.

    Attributes:
        name: The ANN value.
        scale: Of the rank of the value.
        shift: Likewise.
    """

    name: str
    scale: Array
    shift: Array


class IntegerProducts(IntegerSums):
    """Integer sums with products among their terms."""

    def multiplied(self, node: Product) -> Sums:
        """Return the sums of a product of two values."""
        left, right = (factor(self.ann, name) for name in node.inputs)
        one, other = (self.whole(part) for part in (left, right))
        made = Product(name=self.synapse_name(node.name), inputs=(one.edge, other.edge))
        self.add(made)
        rank = len(self.types[made.name].shape)
        ends = (one.low, one.high), (other.low, other.high)
        self.reach[made.name] = product_bounds(*ends, rank)
        scale = left.scale * one.step * (right.scale * other.step)
        none = np.zeros((1,) * rank, np.int64)
        terms = [Term(made.name, scale, none + 1, none)]
        for branch, constant in ((left, right.shift), (right, left.shift)):
            if np.any(constant):
                terms += self.scaled(branch.name, branch.scale * constant)
        return Sums(tuple(terms), left.shift * right.shift)

    def whole(self, part: Factor) -> Levels:
        """Return the quantised value of a factor as one edge."""
        return self.joined(self.levels(part.name), f"{part.name}.whole")

    def scaled(self, name: str, scale: Array) -> tuple[Term, ...]:
        """Return the terms of a quantised value with a factor."""
        terms = self.sums(name).terms
        return tuple(replace(term, scale=term.scale * scale) for term in terms)


def factor(graph: Graph, name: str) -> Factor:
    """Return a value of an ANN as an affine function of one that is none itself."""
    node, rank = graph[name], len(graph.types[name].shape)
    if not isinstance(node, Affine):
        return Factor(name, np.ones((1,) * rank), np.zeros((1,) * rank))
    inner = factor(graph, node.inputs[0])
    scale, shift = aligned(node.scale, rank), aligned(node.shift, rank)
    return Factor(inner.name, inner.scale * scale, inner.shift * scale + shift)
