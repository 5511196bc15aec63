"""Values of a model that is being written: what is done with them becomes its nodes.

Rules then read as formulas: ``v + current`` adds a node ``Add``. A node is written into the
innermost scope its operands belong to, so that what does not change from step to step stands in
front of the loop by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ...ir import Array
from .number import Number


class Scope:
    """The nodes of a graph, or of the body of a loop within it.

    Args:
        outer: The graph around a body.
        taken: Names that are given already.
    """

    def __init__(self, outer: Scope | None = None, taken: Iterable[str] = ()) -> None:
        self.nodes: list[NodeProto] = []
        self.root: Scope = outer.root if outer else self
        self.depth: int = outer.depth + 1 if outer else 0
        if not outer:
            self.initializers: list[TensorProto] = []
            self.prefix = ""
            self._taken = set(taken)
            self._known: dict[tuple[object, ...], Value] = {}

    def fresh(self, name: str) -> str:
        """Return a name that no tensor has in any scope."""
        root = self.root
        unique, count = name, 1
        while unique in root._taken:
            count += 1
            unique = f"{name}.{count}"
        root._taken.add(unique)
        return unique

    def constant(self, value: ArrayLike, number: Number) -> Value:
        """Return a constant; equal ones are one."""
        array = np.ascontiguousarray(np.asarray(value, number.dtype))
        array = array.reshape(np.shape(value))
        key = (number, array.shape, array.tobytes())
        if key not in self.root._known:
            name = self.fresh(f"{self.root.prefix}constant")
            self.root.initializers.append(numpy_helper.from_array(array, name))
            self.root._known[key] = Value(self.root, name, number)
        return self.root._known[key]

    def shape(self, *sizes: int) -> Value:
        """Return sizes of axes; 0 keeps the size there is."""
        return self.constant(np.array(sizes, np.int64), Number.INT64)


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of a model.

    Attributes:
        scope: Where it is made.
        name: Its name in the model.
        number: The type of its elements.
    """

    scope: Scope
    name: str
    number: Number

    def then(
        self, operator: str, *others: Value | None, number: Number | None = None, **how: Any
    ) -> Value:
        """Return what an operator makes of this value and of others.

        Args:
            operator: Its name in ONNX.
            others: Its other inputs, None for one that is left out.
            number: The type of the result, that of this value by default.
            how: Attributes of the operator.
        """
        operands = (self, *others)
        scope = max((v.scope for v in operands if v), key=lambda scope: scope.depth)
        output = scope.fresh(f"{scope.root.prefix}{operator}")
        names = [v.name if v else "" for v in operands]
        scope.nodes.append(helper.make_node(operator, names, [output], output, **how))
        return Value(scope, output, number or self.number)

    def like(self, value: Value | ArrayLike) -> Value:
        """Return an operand in this value's type."""
        if isinstance(value, Value):
            return value.cast(self.number)
        return self.scope.constant(value, self.number)

    def cast(self, number: Number) -> Value:
        """Return the value in another type; a second time it is the same one."""
        if number is self.number:
            return self
        known, key = self.scope.root._known, ("cast", self.name, number)
        if key not in known:
            known[key] = self.then("Cast", number=number, to=number.value)
        return known[key]

    def __add__(self, other: Value | ArrayLike) -> Value:
        return self.then("Add", self.like(other))

    def __sub__(self, other: Value | ArrayLike) -> Value:
        return self.then("Sub", self.like(other))

    def __mul__(self, other: Value | ArrayLike) -> Value:
        return self.then("Mul", self.like(other))

    def __truediv__(self, other: Value | ArrayLike) -> Value:
        """Return the quotient; of integers the fraction is cut off."""
        return self.then("Div", self.like(other))

    def __neg__(self) -> Value:
        return self.then("Neg")

    def __ge__(self, other: Value | ArrayLike) -> Value:
        return self.then("GreaterOrEqual", self.like(other), number=Number.BOOL)

    def __le__(self, other: Value | ArrayLike) -> Value:
        return self.then("LessOrEqual", self.like(other), number=Number.BOOL)

    def __gt__(self, other: Value | ArrayLike) -> Value:
        return self.then("Greater", self.like(other), number=Number.BOOL)

    def __lt__(self, other: Value | ArrayLike) -> Value:
        return self.then("Less", self.like(other), number=Number.BOOL)

    def equals(self, other: Value | ArrayLike) -> Value:
        """Return where both are equal."""
        return self.then("Equal", self.like(other), number=Number.BOOL)

    def __and__(self, other: Value) -> Value:
        return self.then("And", other)

    def __or__(self, other: Value) -> Value:
        return self.then("Or", other)

    def __invert__(self) -> Value:
        return self.then("Not")

    def modulo(self, other: Value | ArrayLike) -> Value:
        """Return the rest of a division of integers at or above 0."""
        return self.then("Mod", self.like(other))

    def magnitude(self) -> Value:
        """Return it without its sign."""
        return self.then("Abs")

    def sign(self) -> Value:
        """Return -1, 0 or 1."""
        return self.then("Sign")

    def floor(self) -> Value:
        """Return it rounded down."""
        return self.then("Floor")

    def at_least(self, low: Value | ArrayLike) -> Value:
        """Return the larger of both."""
        return self.then("Max", self.like(low))

    def at_most(self, high: Value | ArrayLike) -> Value:
        """Return the smaller of both."""
        return self.then("Min", self.like(high))

    def clip(self, low: float, high: float) -> Value:
        """Return it within bounds."""
        return self.then("Clip", self.like(low), self.like(high))

    def where(self, one: Value, other: Value | ArrayLike) -> Value:
        """Return ``one`` where this is true and ``other`` elsewhere, in the type of ``one``."""
        return self.then("Where", one, one.like(other), number=one.number)

    def reshape(self, *sizes: int) -> Value:
        """Return it under another shape; 0 keeps the size there is, first of all the batch."""
        return self.then("Reshape", self.scope.shape(*sizes))

    def gather(self, places: Value | Array, axis: int) -> Value:
        """Return elements along an axis."""
        if not isinstance(places, Value):
            places = self.scope.constant(places, Number.INT64)
        return self.then("Gather", places, axis=axis)

    def behind(self, places: int, axis: int) -> Value:
        """Return it without the first places of an axis."""
        end = self.scope.shape(np.iinfo(np.int64).max)
        return self.then("Slice", self.scope.shape(places), end, self.scope.shape(axis))

    def pad(self, before: list[int], after: list[int]) -> Value:
        """Return it with zeros around, so many on each axis."""
        return self.then("Pad", self.scope.shape(*before, *after))

    def batch(self) -> Value:
        """Return the size of its first axis, ``(1,)``."""
        return self.then("Shape", number=Number.INT64, start=0, end=1)


def total(values: list[Value], number: Number) -> Value:
    """Return the sum of values in one type, added from the first to the last."""
    first, *rest = (value.cast(number) for value in values)
    for value in rest:
        first = first + value
    return first
