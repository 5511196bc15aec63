"""Nodes that bring what was sent in earlier time steps: loops and delays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from .errors import ShapeError
from .node import Node
from .ops import broadcasts_to
from .shapes import expect_inputs, expect_signal
from .types import Array, Signal, TensorType, is_integer

MOST_STEPS = 1 << 20
"""Longest delay."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Feedback(Node):
    """What a later node had at the time step before, and 0 at the first: a recurrent edge.

    ``Previous`` carries values between the elements of a sequence; this between time steps.

    Attributes:
        source: Name of that node; it sends events or a current.
        type: Type of that node; bounds of payloads may be wider, and hold 0.
    """

    source: str
    type: TensorType

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 0)
        expect_signal(self.name, self.type, Signal.SPIKES, Signal.CURRENT)
        return self.type

    def carries(self, found: TensorType) -> bool:
        """Whether what a node of some type sends is what this declares."""
        if (found.shape, found.signal) != (self.type.shape, self.type.signal):
            return False
        if found.payload is None or self.type.payload is None:
            return found.payload == self.type.payload
        (low, high), (least, most) = found.payload, self.type.payload
        return least <= min(low, 0) and max(high, 0) <= most


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Delay(Node):
    """Events, or a current, some time steps late; 0 before.

    Attributes:
        steps: How many, for all or for each neuron: integers broadcastable to the shape.
    """

    steps: int | Array

    def infer(self, *inputs: TensorType) -> TensorType:
        expect_inputs(self.name, inputs, 1)
        expect_signal(self.name, inputs[0], Signal.SPIKES, Signal.CURRENT)
        steps = np.asarray(self.steps)
        if not is_integer(steps) or not broadcasts_to(steps.shape, inputs[0].shape):
            raise ShapeError(f"{self.name}: {steps.shape} is no delay for each of {inputs[0]}")
        if steps.min() < 0 or steps.max() > MOST_STEPS:
            raise ShapeError(
                f"{self.name}: delays of {steps.min()} to {steps.max()} steps, beyond 0 to "
                f"{MOST_STEPS}"
            )
        payload = inputs[0].payload
        if payload:
            payload = min(payload[0], 0), max(payload[1], 0)
        return TensorType(inputs[0].shape, inputs[0].signal, payload)

    @property
    def longest(self) -> int:
        """The most steps that anything waits."""
        return int(np.max(self.steps))
