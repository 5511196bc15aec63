"""Stateless nodes that move values and compute nothing: real ones, integers and payloads alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np

from .errors import ShapeError
from .node import Node
from .shapes import expect_inputs, expect_signal
from .types import Array, Signal, TensorType


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Node):
    """The same values in row-major order under another shape; ONNX ``Flatten`` and ``Reshape``.

    Attributes:
        shape: The new shape, without the batch axis.
    """

    shape: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL, Signal.INTEGER, Signal.SPIKES)
        if prod(self.shape) != inputs[0].size:
            raise ShapeError(f"{self.name}: cannot view {inputs[0]} as {self.shape}")
        return TensorType(self.shape, inputs[0].signal, inputs[0].payload)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Rearrange(Node):
    """The same values in another order; ONNX ``Transpose`` and ``DepthToSpace``.

    Attributes:
        split: The shape the input is viewed under first, without the batch axis.
        order: The axes of ``split`` in their new order.
        shape: The shape the result is viewed under.
    """

    split: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL, Signal.INTEGER, Signal.SPIKES)
        if sorted(self.order) != list(range(len(self.split))):
            raise ShapeError(f"{self.name}: {self.order} is no order of {len(self.split)} axes")
        if not prod(self.split) == inputs[0].size == prod(self.shape):
            raise ShapeError(f"{self.name}: cannot view {inputs[0]} as {self.split}")
        return TensorType(self.shape, inputs[0].signal, inputs[0].payload)

    def moved(self, x: Array, leading: int = 1, blank: int = 0) -> Array:
        """Return values, ``(..., *input shape)`` with so many leading axes, in the new order.

        Every place of the result comes from one of the input: there are no blanks.
        """
        first = x.shape[:leading]
        order = (*range(leading), *(leading + axis for axis in self.order))
        return x.reshape(*first, *self.split).transpose(order).reshape(*first, *self.shape)

    def spread(self, x: Array) -> Array:
        """Return what each value has, ``input shape``, where the values are then."""
        return self.moved(x, leading=0)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Gather(Node):
    """Values at chosen places along one axis: some left out, some repeated, zeros between them.

    ONNX ``Gather``, ``Slice``, ``Split``, ``Tile``, ``Expand``, ``Pad`` and ``Resize`` with mode
    nearest are one of these for each axis they change; so is the image full of zeros that a
    transposed convolution slides over.

    Attributes:
        axis: The axis, 0 for the channels.
        places: Along that axis, for each place of the result the one of the input it reads, -1
            for none: there stands 0. Integers, ``(size,)``.
    """

    axis: int
    places: Array

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.REAL, Signal.INTEGER, Signal.SPIKES)
        shape = inputs[0].shape
        if not 0 <= self.axis < len(shape):
            raise ShapeError(f"{self.name}: there is no axis {self.axis} in {inputs[0]}")
        if self.places.ndim != 1 or self.places.dtype.kind != "i" or not len(self.places):
            raise ShapeError(f"{self.name}: its places are not a list of integers")
        if self.places.min() < -1 or self.places.max() >= shape[self.axis]:
            raise ShapeError(f"{self.name}: reads places that {inputs[0]} does not have")
        payload = inputs[0].payload
        if payload and self.blanks:
            payload = min(payload[0], 0), max(payload[1], 0)
        gathered = (*shape[: self.axis], len(self.places), *shape[self.axis + 1 :])
        return TensorType(gathered, inputs[0].signal, payload)

    @property
    def blanks(self) -> bool:
        """Whether there are places that read nothing."""
        return bool((self.places < 0).any())

    def moved(self, x: Array, leading: int = 1, blank: int = 0) -> Array:
        """Return values, ``(..., *input shape)`` with so many leading axes, at their places.

        Args:
            x: The values.
            leading: Number of axes before those of the shape.
            blank: What stands where nothing is read.
        """
        axis = leading + self.axis
        gathered = np.take(x, np.maximum(self.places, 0), axis)
        if self.blanks:
            gathered[(slice(None),) * axis + (self.places < 0,)] = blank
        return gathered

    def spread(self, x: Array) -> Array:
        """Return what each value has, ``input shape``, where the values are then.

        It stands for nothing where nothing is read, and is there that of the first place.
        """
        return np.take(x, np.maximum(self.places, 0), self.axis)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Node):
    """Its inputs one behind the other along the first axis, the channels; ONNX ``Concat``."""

    def infer(self, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise ShapeError(f"{self.name}: joins nothing")
        first = inputs[0]
        for type in inputs:
            expect_signal(self.name, type, Signal.REAL, Signal.INTEGER, Signal.SPIKES)
            if type.shape[1:] != first.shape[1:] or type.signal is not first.signal:
                raise ShapeError(f"{self.name}: cannot join {first} and {type}")
        payloads = [type.payload for type in inputs if type.payload]
        payload = None
        if len(payloads) == len(inputs):
            payload = min(low for low, _ in payloads), max(high for _, high in payloads)
        channels = sum(type.shape[0] for type in inputs)
        return TensorType((channels, *first.shape[1:]), first.signal, payload)


MOVES = (Gather, Rearrange)
"""Views that give values another place."""

VIEWS = (Gather, Rearrange, Reshape)
"""Views of one edge."""
