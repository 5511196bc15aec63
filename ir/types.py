"""What travels along an edge: a shape and a kind of signal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""An array of any dtype: float where a graph is real-valued, integer where it is quantised."""


class Signal(Enum):
    """What one value on an edge means."""

    REAL = "real"
    """A real number without time: an ANN activation, a model input, a decoded output."""
    INTEGER = "integer"
    """An integer without time: a value of a quantised ANN, or a sum of such values."""
    SPIKES = "spikes"
    """The payload of an event at each time step; 0 means that there is no event."""
    CURRENT = "current"
    """A sum of weighted payloads at each time step; only a neuron may read it."""


@dataclass(frozen=True)
class TensorType:
    """The type of an edge, without batch and time axes.

    Attributes:
        shape: Sizes of the axes, channels first, e.g. ``(channels, height, width)``.
        signal: What a value on the edge means.
        payload: For ``SPIKES``, the smallest and the largest payload of an event, None for an
            analog payload: a real input that was not quantised. For ``INTEGER``, the bounds of
            a quantised value, None for a sum.
    """

    shape: tuple[int, ...]
    signal: Signal = Signal.REAL
    payload: tuple[int, int] | None = None

    def __str__(self) -> str:
        text = f"{self.signal.value}[{'x'.join(map(str, self.shape))}]"
        if self.signal is Signal.INTEGER and self.payload:
            text += f" {self.payload[0]}..{self.payload[1]}"
        if self.signal is Signal.SPIKES:
            text += f" {self.payload[0]}..{self.payload[1]}" if self.payload else " analog"
        return text

    @property
    def size(self) -> int:
        """Number of values on the edge."""
        return prod(self.shape)


def is_integer(array: Array) -> bool:
    """Whether an array holds integers: how quantised parameters are told from real ones."""
    return bool(np.issubdtype(array.dtype, np.integer))
