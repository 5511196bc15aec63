"""What a tensor of the ONNX graph is while the graph is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ...ir import Array, Node, TensorType


@dataclass(frozen=True)
class Constant:
    """A tensor known at compile time.

    The batch size is not known, so whatever follows from it is computed twice, for one sample
    and for two: a constant that comes out the same does not depend on the batch size.

    Attributes:
        value: Its value for a batch of one sample.
        other: Its value for a batch of two samples; the same object where nothing depends on it.
    """

    value: Array
    other: Array

    @property
    def fixed(self) -> bool:
        """Whether the batch size does not matter."""
        return self.value is self.other or np.array_equal(self.value, self.other)


@dataclass(frozen=True)
class Activation:
    """A tensor that depends on an input: a node of the graph that is being built.

    Attributes:
        node: The node.
        type: Its type, without the batch axis.
    """

    node: Node
    type: TensorType

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name


@dataclass(frozen=True)
class Elements:
    """A tensor that holds a value for each element of a sequence.

    Attributes:
        element: The value at one element: a node that is computed for each of them.
        count: Number of elements, 0 where it is symbolic.
        axis: Where the elements are: 1 behind the batch, 0 before it.
    """

    element: Activation
    count: int
    axis: int = 1

    def shape(self, batch: int, count: int) -> tuple[int, ...]:
        """Return the shape of the tensor for a batch of some sequences of ``count`` elements."""
        leading = (batch, count) if self.axis == 1 else (count, batch)
        return (*leading, *self.element.type.shape)


@dataclass(frozen=True)
class Unknown:
    """A tensor that an unsupported node computes and about which too little is known."""


Value: TypeAlias = Constant | Activation | Elements | Unknown | None
"""A tensor; None is an optional input that was left out."""


class RefusalError(Exception):
    """A handler cannot convert a node; never leaves the importer.

    Args:
        reason: Why, without the node's name.
        hint: The way round.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
