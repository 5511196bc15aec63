"""How many synapses a spiking network may have: a chain of sums asks for 2 to the power of them.

A value that several sums read is computed anew for each of them, with synapses of its own, so
that ``h1 = h0 + h0``, ``h2 = h1 + h1`` and so on has twice as many with every line of the file.
"""

from __future__ import annotations

import numpy as np

from ...ir import Array, Conv, Graph, Linear, Node
from ...ir.compact import compact
from ...ir.errors import ConversionError

MOST_BRANCHES = 256
"""Synapses that one neuron may sum up; a residual network of 1001 layers has 112."""

MOST_SYNAPSES = 1 << 15
"""Synapses of a network; that network has some 19,000."""

MOST_COPIED = 1 << 28
"""Weights of synapses that are copies of others; ResNet-152 v2 has 170 million."""

MOST_IDENTITY = 1 << 26
"""Weights that hand vectors on one by one, and one more for each number of the ANN's weights."""


class Branches:
    """Counts the synapses of a network under way.

    Args:
        ann: The ANN it is made of.
    """

    def __init__(self, ann: Graph) -> None:
        self._synapses = self._copied = 0
        weights = (node.weight for node in ann if isinstance(node, (Conv, Linear)))
        self._identity = MOST_IDENTITY + sum(compact(weight).size for weight in weights)

    def identity(self, node: Node, places: int) -> Array:
        """Return the matrix that hands a vector on.

        Raises:
            ConversionError: They are too large together.
        """
        self._identity -= places**2
        if self._identity < 0:
            raise ConversionError(
                f"{node.name}: too many vectors of {places} values are handed on one by one",
                hint="use smaller vectors, or channels x height x width",
            )
        return np.eye(places)

    def count(self, synapse: Conv | Linear, *, copied: bool) -> None:
        """Count a synapse.

        Raises:
            ConversionError: There are too many.
        """
        self._synapses += 1
        self._copied += synapse.weight.size if copied else 0
        if self._synapses > MOST_SYNAPSES or self._copied > MOST_COPIED:
            raise _refusal(synapse, "is read by too many sums, each with a copy of its weights")


def expect_few(node: Node, synapses: int) -> None:
    """Refuse a sum of too many values.

    Raises:
        ConversionError: It is one.
    """
    if synapses > MOST_BRANCHES:
        raise _refusal(node, f"sums up more than {MOST_BRANCHES} values")


def _refusal(node: Node, reason: str) -> ConversionError:
    return ConversionError(
        f"{node.name}: {reason}", hint="put a Relu or another activation between the sums"
    )
