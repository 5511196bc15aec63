"""What a tensor of the ONNX graph is while the graph is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ...ir import Array, Node, TensorType
from ...ir.compact import elementwise
from ...ir.ops import Function


@dataclass(frozen=True, eq=False)
class Grid:
    """What the integers of a quantised tensor stand for: ``real = scale * (integer - zero)``.

    Attributes:
        scale: Float64, ``(1,)`` or broadcastable to the tensor without its batch axis.
        zero: The integer that stands for 0.
        bounds: Smallest and largest integer of the type, or None for integer sums, which are
            not rounded.
    """

    scale: Array
    zero: int
    bounds: tuple[int, int] | None

    def same(self, other: Grid) -> bool:
        """Whether the same integers stand for the same numbers."""
        return self.zero == other.zero and np.array_equal(self.scale, other.scale)


@dataclass(frozen=True, eq=False)
class Multiple:
    """Real numbers as integers times scales, which a float32 would round.

    Attributes:
        whole: The integers, int64.
        scale: Float64, of the same shape.
    """

    whole: Array
    scale: Array

    @property
    def product(self) -> Array:
        """The real numbers, float64."""
        return elementwise(np.multiply, self.whole, self.scale)


@dataclass(frozen=True)
class Constant:
    """A tensor known at compile time.

    The batch size is not known, so whatever follows from it is computed twice, for one sample
    and for two: a constant that comes out the same does not depend on the batch size.

    Attributes:
        value: Its value for a batch of one sample.
        other: Its value for a batch of two samples; the same object where nothing depends on it.
        multiple: Its value as whole multiples of a scale, where it was quantised.
    """

    value: Array
    other: Array
    multiple: Multiple | None = None

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
        grid: Where the tensor holds integers, what they stand for: the node computes the real
            numbers.
        function: What is still to be applied to the node's value; a quantiser will.
        slope: That of a leaky ReLU.
    """

    node: Node
    type: TensorType
    grid: Grid | None = None
    function: Function = "identity"
    slope: float = 1.0

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
class Directed:
    """What a recurrent operator computes, with an axis of directions of size 1.

    Attributes:
        value: The tensor without that axis.
        axis: Where the axis is.
    """

    value: Activation | Elements
    axis: int


@dataclass(frozen=True)
class Listed:
    """A list of tensors, or what a loop writes: tensors along an axis before that of the batch.

    Attributes:
        items: The tensors.
        stacked: Whether they lie along an axis.
    """

    items: tuple[Value, ...]
    stacked: bool = False


@dataclass(frozen=True)
class Unknown:
    """A tensor about which too little is known.

    Attributes:
        behind: Because of what, in words: a node that was not imported and stands before it, or
            an input; "" where that is not known.
    """

    behind: str = ""


Value: TypeAlias = "Constant | Activation | Elements | Directed | Listed | Unknown | None"
"""A tensor; None is an optional input that was left out."""


@dataclass(frozen=True)
class Made:
    """What a handler made of an operator whose tensor is not simply its last node's value.

    Attributes:
        nodes: The nodes, the last one under the name of the tensor; none where the operator
            hands its only activation on.
        grid: As in ``Activation``.
        function: As in ``Activation``.
        slope: As in ``Activation``.
    """

    nodes: tuple[Node, ...] = ()
    grid: Grid | None = None
    function: Function = "identity"
    slope: float = 1.0


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
