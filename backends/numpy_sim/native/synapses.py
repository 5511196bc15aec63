"""Synapses laid out for the compiled kernels, and the choice of a kernel by density."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....ir import Array, Conv, Linear
from . import library
from .frames import FrameLayout, Frames
from .library import (
    CHANNELWISE,
    DENSE,
    EVENTS,
    LANES,
    PopulationLayout,
    SynapseLayout,
    WindowLayout,
    address,
)
from .shared import shared_property

DENSE_RATE = 0.0028
"""Nanoseconds of a multiplication in a dense product, with AVX-512 VNNI."""
EVENT_COST = 7.0
"""Nanoseconds of an event, for each row of a kernel."""
EVENT_RATE, FAR_EVENT_RATE = 0.03, 0.045
"""Nanoseconds of one weight added for an event; weights that the cache of a core does not hold."""
CACHE = 1 << 20
REAL_DENSE_RATE, REAL_EVENT_RATE = 0.018, 0.06
"""Likewise with real weights, in double precision."""
LOOK_RATE = 0.15
"""Nanoseconds to see whether a payload is an event."""

MOST_RUNS = 1024
"""As in ``dense.h``."""


def padded_lanes(channels: int) -> int:
    """Return the currents of a position, padding included.

    >>> padded_lanes(10)
    16
    """
    return -(-channels // LANES) * LANES


@dataclass(frozen=True)
class NativeSynapse:
    """One synapse between two populations.

    Attributes:
        node: The synapse; a ``Linear`` is a convolution whose window is the whole image.
        source: Channels, height and width of what it reads.
        real: Whether its weights are real numbers.
    """

    node: Conv | Linear
    source: tuple[int, int, int]
    real: bool

    @property
    def border(self) -> tuple[int, int, int, int]:
        """How far windows reach beyond the image."""
        return self.node.padding if isinstance(self.node, Conv) else (0, 0, 0, 0)

    @cached_property
    def weight(self) -> Array:
        """The weights as of a convolution, ``(out, in / groups, height, width)``."""
        weight = self.node.weight
        return weight if weight.ndim == 4 else weight.reshape(len(weight), *self.source)

    @property
    def groups(self) -> int:
        """Number of independent channel groups."""
        return self.node.groups if isinstance(self.node, Conv) else 1

    @property
    def lanes(self) -> int:
        """Currents of a position, padding included."""
        return padded_lanes(len(self.weight))

    @property
    def fits(self) -> bool:
        """Whether the kernels can hold its weights."""
        low, high = self.node.weight.min(initial=0), self.node.weight.max(initial=0)
        return self.real or bool(low >= -128 and high <= 127)

    @property
    def is_channelwise(self) -> bool:
        """Whether each channel is computed from itself only."""
        return self.groups == self.source[0] == len(self.weight) and self.node.copies == 1

    @cached_property
    def can_be_dense(self) -> bool:
        """Whether it can be one product of all payloads on this machine."""
        rows, columns = self.weight.shape[2:]
        return self.groups == 1 and rows * columns <= MOST_RUNS and library.level() == 2

    def method(self, density: float) -> int | None:
        """Return how to compute it, or None where a product of floats is better.

        Args:
            density: The share of payloads that are not 0.
        """
        if self.is_channelwise:
            return CHANNELWISE
        dense = self._dense_seconds
        if dense is not None:
            return EVENTS if self._event_seconds(density) < dense else DENSE
        return EVENTS if density < 0.5 else None

    @cached_property
    def _dense_seconds(self) -> float | None:
        """Estimated nanoseconds of a dense product for each place of the source."""
        if not self.can_be_dense:
            return None
        rate = REAL_DENSE_RATE if self.real else DENSE_RATE
        return float(rate * self.lanes * self.weight[0, 0].size / self._windows)

    def _event_seconds(self, density: float) -> float:
        window = self.weight.shape[2:]
        near = self.weight.size < CACHE
        rate = REAL_EVENT_RATE if self.real else EVENT_RATE if near else FAR_EVENT_RATE
        each = EVENT_COST * window[0] + rate * self.lanes / self.groups * np.prod(window)
        return float(LOOK_RATE + density * each / self._windows)

    @property
    def _windows(self) -> float:
        return float(np.prod(self.node.stride)) if isinstance(self.node, Conv) else 1.0

    def describe(self, method: int, frames: Frames) -> SynapseLayout:
        """Return what a kernel is told; it is valid as long as this and the frames are."""
        conv = self.node if isinstance(self.node, Conv) else None
        signed = frames.layout.zero != 0
        return SynapseLayout(
            frames.describe(),
            method,
            WindowLayout(
                *self.weight.shape[2:],
                *(conv.stride if conv else (1, 1)),
                *(conv.dilation if conv else (1, 1)),
                *self.border[:2],
            ),
            self.source[0],
            self.groups,
            self.node.copies,
            address(self.dense) if method == DENSE else None,
            address(self.correction) if method == DENSE and signed and not self.real else None,
            address(self.scatter) if method == EVENTS else None,
            address(self.channel) if method == CHANNELWISE else None,
        )

    @shared_property
    def dense(self) -> Array:
        """``[out / 16][height][width][in / 4][16][4]``, int8; ``[..][in][16]`` for real numbers."""
        out, inputs, rows, columns = self.weight.shape
        position = FrameLayout(self.source).position
        if self.real:
            numbers = np.zeros((self.lanes, position, rows, columns))
            numbers[:out, :inputs] = self.weight * self.node.copies
            by_lane = numbers.reshape(-1, LANES, position, rows, columns)
            return np.ascontiguousarray(by_lane.transpose(0, 3, 4, 2, 1))
        full = np.zeros((self.lanes, position, rows, columns), np.int8)
        full[:out, :inputs] = self.weight
        blocks = full.reshape(self.lanes // 16, 16, position // 4, 4, rows, columns)
        return np.ascontiguousarray(blocks.transpose(0, 4, 5, 2, 1, 3))

    @shared_property
    def correction(self) -> Array:
        """What the byte of payload 0, 128, adds to a dense product, negated; int32."""
        sums = np.zeros(self.lanes, np.int64)
        sums[: len(self.weight)] = self.weight.astype(np.int64).sum(axis=(1, 2, 3))
        return (-128 * self.node.copies * sums).astype(np.int32)

    @shared_property
    def scatter(self) -> Array:
        """``[height][in][width, last first][out of a group]``, int8 or float64."""
        out, inputs, rows, columns = self.weight.shape
        kind = np.float64 if self.real else np.int8
        position = FrameLayout(self.source).position
        if self.groups == 1:
            full = np.zeros((rows, position, columns, self.lanes), kind)
            full[:, :inputs, :, :out] = self.weight.transpose(2, 1, 3, 0)[:, :, ::-1]
            return full
        each = out // self.groups
        full = np.zeros((rows, position, columns, each), kind)
        by_group = self.weight.reshape(self.groups, each, inputs, rows, columns)
        by_place = by_group.transpose(3, 0, 2, 4, 1).reshape(rows, -1, columns, each)
        full[:, : by_place.shape[1]] = by_place[:, :, ::-1]
        return full

    @shared_property
    def channel(self) -> Array:
        """``[height][width][out]``, int8 or float64."""
        rows, columns = self.weight.shape[2:]
        full = np.zeros((rows, columns, self.lanes), np.float64 if self.real else np.int8)
        full[..., : len(self.weight)] = self.weight[:, 0].transpose(1, 2, 0)
        return full

    def currents(self, method: int, frames: Frames, shape: tuple[int, int, int]) -> Array:
        """Return ``summed``, contiguous."""
        return np.ascontiguousarray(self.summed(method, frames, shape))

    def summed(self, method: int, frames: Frames, shape: tuple[int, int, int]) -> Array:
        """Return what integer synapses deliver, before their biases.

        Args:
            method: How to compute it.
            frames: What they read.
            shape: Channels, height and width of the result.

        Returns:
            ``(steps, samples, *shape)``, int32; in memory channels come last.
        """
        channels, height, width = shape
        samples, steps = frames.data.shape[:2]
        if steps == 1:  # all samples are then read like the steps of one, and weights only once
            frames = Frames(frames.layout, frames.data.swapaxes(0, 1))
        told = self.describe(method, frames)
        base = np.zeros((height, width, self.lanes), np.int32)
        summed = library.currents(
            PopulationLayout(
                *(height, width, channels, self.lanes, 1),
                ctypes.addressof(told),
                address(base),
            ),
            *frames.data.shape[:2],
        )
        by_step = summed.reshape(samples, steps, *summed.shape[2:])[..., :channels]
        return np.asarray(by_step.transpose(1, 0, 4, 2, 3))
