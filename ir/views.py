"""Stateless nodes that move values and compute nothing: real ones, integers and payloads alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

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

    def moved(self, x: Array, leading: int = 1) -> Array:
        """Return values, ``(..., *input shape)`` with so many leading axes, in the new order."""
        first = x.shape[:leading]
        order = (*range(leading), *(leading + axis for axis in self.order))
        return x.reshape(*first, *self.split).transpose(order).reshape(*first, *self.shape)


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
