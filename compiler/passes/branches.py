"""How many synapses a spiking network may have: a chain of sums asks for 2 to the power of them.

A value that several sums read is computed anew for each of them, with synapses of its own, so
that ``h1 = h0 + h0``, ``h2 = h1 + h1`` and so on has twice as many with every line of the file.
"""

from __future__ import annotations

from ...ir import Conv, Linear, Node
from ...ir.errors import ConversionError

MOST_BRANCHES = 256
"""Synapses that one neuron may sum up; a residual network of 1001 layers has 112."""

MOST_SYNAPSES = 1 << 15
"""Synapses of a network; that network has some 19,000."""

MOST_COPIED = 1 << 28
"""Weights of synapses that are copies of others; ResNet-152 v2 has 170 million."""


class Branches:
    """Counts the synapses of a network under way."""

    def __init__(self) -> None:
        self._synapses = self._copied = 0

    def count(self, synapse: Conv | Linear, *, copied: bool) -> None:
        """Count a synapse.

        Raises:
            ConversionError: There are too many.
        """
        self._synapses += 1
        self._copied += synapse.weight.size if copied else 0
        if self._synapses > MOST_SYNAPSES or self._copied > MOST_COPIED:
            raise _refusal(synapse, "is read by too many sums, each with a copy of its weights")


def expect_few(node: Node, synapses: tuple[str, ...]) -> None:
    """Refuse a sum of too many values.

    Raises:
        ConversionError: It is one.
    """
    if len(synapses) > MOST_BRANCHES:
        raise _refusal(node, f"sums up more than {MOST_BRANCHES} values")


def _refusal(node: Node, reason: str) -> ConversionError:
    return ConversionError(
        f"{node.name}: {reason}", hint="put a Relu or another activation between the sums"
    )
