"""One ONNX node as its handler sees it: attributes read once, inputs looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy

import numpy as np
from onnx import AttributeProto, NodeProto, helper

from ...ir import Array, Node
from ...ir.compact import compact, elementwise
from ...ir.extent import MOST_ELEMENTS
from .values import Activation, Constant, Directed, Elements, Listed, RefusalError, Value

MOST_LISTED = 4096
"""Numbers of a shape, of paddings or parts: a constant of a few bytes can stand for millions."""


ROUNDING = 1e-6
"""By how much rows of a folded constant may differ, of the largest number: a product of matrices
in float32 rounds otherwise for one sample than for two."""

TOO_MUCH = (
    "with it the weights of the network have many times the numbers of the file",
    "export a part of the network, or each weight that is used twice as two",
)
"""Why, and the way round, where few bytes of a file become many weights."""


def shown(numbers: Sequence[int]) -> str:
    """Return numbers for a message: those that some axes have, and no thousands.

    >>> shown((1, 2))
    '[1, 2]'
    """
    return str(list(numbers)) if len(numbers) <= 16 else f"[{len(numbers)} numbers]"


class Operation:
    """One ONNX node.

    Attributes that no getter asked for are reported by ``unread``, so that none is ignored.

    Args:
        proto: The ONNX node.
        opset: Version of the standard operators.
        inputs: What its inputs are.
        fresh: Returns a name that no node has, made from the one given.
        lookup: Returns the activation of a node's name.
        emit: Adds nodes to the graph and returns the last one's activation.
        readers: The operators that read the output; None among them for a graph output.
        batch: The batch size the file is fixed to; 1 where it is symbolic, because a constant
            shape that begins with 1 was then exported for one sample.
        single: Whether the file is fixed to one sample.
        room: Numbers that the weights of the network may still have.
        rest: Numbers that all its other parameters may still have.
    """

    def __init__(
        self,
        proto: NodeProto,
        opset: int,
        inputs: Sequence[Value],
        *,
        fresh: Callable[[str], str],
        lookup: Callable[[str], Activation],
        emit: Callable[[tuple[Node, ...]], Activation],
        readers: frozenset[str | None],
        batch: int,
        single: bool = False,
        room: int = MOST_ELEMENTS,
        rest: int = MOST_ELEMENTS,
    ) -> None:
        self.type: str = proto.op_type
        self.outputs: tuple[str, ...] = tuple(name for name in proto.output if name)
        self.output: str = next(name for name in proto.output if name)
        self.opset = opset
        self.inputs = tuple(inputs)
        self.lookup = lookup
        self.emit = emit
        self.readers = readers
        self.batch = batch
        self.single = single
        self.room = room
        self.rest = rest
        self._fresh = fresh
        self._attributes: Mapping[str, AttributeProto] = {a.name: a for a in proto.attribute}
        self._unread = set(self._attributes)

    @property
    def unread(self) -> list[str]:
        """Names of the attributes the handler did not look at."""
        return sorted(self._unread)

    def part(self, suffix: str) -> str:
        """Return the name of an extra node that computes a part of this one."""
        return self._fresh(f"{self.output}.{suffix}")

    def reading(self, *inputs: Value, name: str | None = None) -> Operation:
        """Return this node as it would be with other inputs, under a name of its own."""
        other = copy(self)  # the attributes it reads count as read here too
        other.inputs, other.output = inputs, name or self.part("real")
        return other

    def altered(
        self, inputs: Sequence[Value] | None = None, **attributes: int | Sequence[int]
    ) -> Operation:
        """Return this node with other attributes and inputs; one input replaces no attribute."""
        other = copy(self)
        other.inputs = self.inputs if inputs is None else tuple(inputs)
        made = {name: helper.make_attribute(name, value) for name, value in attributes.items()}
        other._attributes = {**self._attributes, **made}
        self.ignore(*attributes)
        return other

    # attributes

    def _attribute(self, name: str, kind: int) -> AttributeProto | None:
        self._unread.discard(name)
        attribute = self._attributes.get(name)
        if attribute is not None and attribute.type != kind:
            raise RefusalError(f"attribute {name} has a wrong type", "export the model again")
        return attribute

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        attribute = self._attribute(name, AttributeProto.INT)
        return default if attribute is None else int(attribute.i)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Return an attribute of several integers, or None."""
        attribute = self._attribute(name, AttributeProto.INTS)
        return None if attribute is None else tuple(int(i) for i in attribute.ints)

    def number(self, name: str, default: float) -> float:
        """Return a float attribute."""
        attribute = self._attribute(name, AttributeProto.FLOAT)
        return default if attribute is None else float(attribute.f)

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """Return an attribute of several floats, or None."""
        attribute = self._attribute(name, AttributeProto.FLOATS)
        return None if attribute is None else tuple(float(f) for f in attribute.floats)

    def text(self, name: str, default: str) -> str:
        """Return a string attribute."""
        attribute = self._attribute(name, AttributeProto.STRING)
        return default if attribute is None else attribute.s.decode(errors="replace")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an attribute of several strings, () where it is missing."""
        attribute = self._attribute(name, AttributeProto.STRINGS)
        found = () if attribute is None else attribute.strings
        return tuple(text.decode(errors="replace") for text in found)

    def ignore(self, *names: str) -> None:
        """Mark attributes that do not matter as read."""
        self._unread.difference_update(names)

    # inputs

    def given(self, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def is_constant(self, index: int) -> bool:
        """Whether an input is known at compile time."""
        return self.given(index) and isinstance(self.inputs[index], Constant)

    def tensor(self, index: int = 0) -> Activation:
        """Return an input that depends on the model's input, of real numbers or of integers."""
        value = self.inputs[index] if self.given(index) else None
        if isinstance(value, Directed):
            raise RefusalError(
                "reads the output of a recurrent layer with its axis of directions",
                "take that axis away with Squeeze, then the last element with Gather",
            )
        if isinstance(value, Elements):
            raise RefusalError(
                "reads all elements of a sequence at once",
                "put the operator into the body of the Scan, which sees one after the other",
            )
        if isinstance(value, Listed):
            raise RefusalError(
                "reads a list of tensors, or what all trips of a loop wrote",
                "join the list with ConcatFromSequence; bring the batch of what a loop wrote to "
                "the front with Transpose",
            )
        if not isinstance(value, Activation):
            raise RefusalError(
                f"its input {index} is not an activation", "swap or fold the constant input"
            )
        return value

    def activation(self, index: int = 0) -> Activation:
        """Return an input of real numbers that depends on the model's input."""
        value = self.tensor(index)
        if value.grid is not None:
            raise RefusalError(
                f"its input {index} holds quantised integers",
                "put a DequantizeLinear before it, or leave it out",
            )
        return value

    def image(self, index: int = 0) -> Activation:
        """Return an activation that has channels, height and width."""
        source = self.activation(index)
        if len(source.type.shape) != 3:
            raise RefusalError(
                f"needs batch x channels x height x width but reads batch and {source.type.shape}",
                "use the two-dimensional form of the layer, with an axis of size 1 where needed",
            )
        return source

    def either(self, index: int) -> Constant:
        """Return a constant input, whether or not it depends on the batch size."""
        value = self.inputs[index] if self.given(index) else None
        if not isinstance(value, Constant):
            raise RefusalError(
                f"its input {index} is computed while the model runs",
                "export the model with constant parameters",
            )
        if value.value.dtype.kind in "OSU":
            raise RefusalError(f"its input {index} holds text", "export the model again")
        return value

    def constant(self, index: int) -> Array:
        """Return a constant input that does not depend on the batch size."""
        value = self.either(index)
        if not value.fixed:
            raise RefusalError(
                f"its input {index} depends on the batch size",
                "export the model so that each sample is computed for itself",
            )
        return value.value

    def parameter(self, index: int) -> Array:
        """Return a constant input of real numbers, float64; read-only where it repeats some."""
        value, multiple = self.constant(index), self.either(index).multiple
        if value.size > self.room:
            raise RefusalError(*TOO_MUCH)
        if multiple is not None:
            return multiple.product
        if value.dtype.kind != "f":
            raise RefusalError(
                f"its input {index} holds {value.dtype}, not float", "export the model in float32"
            )
        return elementwise(lambda part: part.astype(np.float64), value)

    def shared(self, index: int, rank: int) -> Array:
        """Return a constant input of real numbers as every sample has it, without batch axis.

        Args:
            index: The input.
            rank: Axes of a tensor with its batch axis; a constant may be without one.
        """
        found = self.either(index)
        both = (found.value, found.other)
        batches = found.value.ndim == rank and len(found.value) in (1, self.batch)
        if found.value is found.other and (not batches or len(found.value) == 1):
            value = self.parameter(index)
            return np.asarray(value[0]) if batches else value
        if not batches or found.value.dtype.kind != "f" or found.value.size > self.room:
            return self.parameter(index)  # which says what is wrong
        rows = both[0][:1].astype(np.float64)
        near = ROUNDING * np.abs(rows).max(initial=0)
        if any(np.abs(side - rows).max(initial=0) > near for side in both):
            raise RefusalError(
                f"its input {index} differs from sample to sample", "use one value for all samples"
            )
        return np.asarray(rows[0])

    def unit(self, index: int, axis: int) -> Array | None:
        """Return what a constant input is a whole multiple of, if it was quantised.

        Args:
            index: The input.
            axis: The axis along which it may differ.

        Returns:
            ``(1,)`` or one number for each place along the axis, or None.
        """
        multiple = self.either(index).multiple
        if multiple is None:
            return None
        scale = np.moveaxis(compact(multiple.scale), axis, 0)
        rows = scale.reshape(len(scale), -1)
        if not np.all(rows == rows[:, :1]):
            return None
        return rows[:1, 0].copy() if np.all(rows == rows[0, 0]) else rows[:, 0].copy()

    def axes(self, index: int, name: str) -> tuple[int, ...] | None:
        """Return integers that older opsets give as an attribute and newer ones as an input."""
        listed = self.integers(name)
        if listed is not None or not self.given(index):
            return listed
        value = self.constant(index)
        if value.dtype.kind not in "iu" or value.ndim > 1:
            raise RefusalError(f"its input {index} is not a list of integers", "export it again")
        return self._few(index, value)

    def sizes(self, index: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return a constant input of a few integers, for a batch of one sample and of two."""
        found = self.either(index)
        if found.value.dtype.kind not in "iu":
            raise RefusalError(f"its input {index} is not a list of integers", "export it again")
        return self._few(index, found.value), self._few(index, found.other)

    def _few(self, index: int, value: Array) -> tuple[int, ...]:
        if value.size > MOST_LISTED:
            raise RefusalError(
                f"its input {index} lists {value.size} integers, more than {MOST_LISTED}",
                "export the model again",
            )
        return tuple(int(i) for i in value.reshape(-1))
