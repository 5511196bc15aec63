"""Synapses laid out for the compiled kernels, and the choice of a kernel by density."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....ir import Array, Conv, Linear
from . import library, vector_costs
from .aligned import aligned
from .frames import FrameLayout, Frames
from .library import (
    CHANNELWISE,
    DENSE,
    EVENTS,
    LANES,
    EdgeLayout,
    PopulationLayout,
    SynapseLayout,
    WindowLayout,
    address,
)
from .shared import shared_property
from .spread import Spreading

DENSE_RATE = 0.0022
"""Nanoseconds of a multiplication in a dense product, with AVX-512 VNNI; this and what follows was
measured on one core of Zen 5, and only decides which kernel is used."""
EVENT_COST = 7.0
"""Nanoseconds of an event, for each row of a kernel."""
EVENT_RATE, FAR_EVENT_RATE = 0.03, 0.045
"""Nanoseconds of one weight added for an event; weights that the cache of a core does not hold."""
CACHE = 1 << 20
REAL_DENSE_RATE, REAL_EVENT_RATE = 0.018, 0.06
"""Likewise with real weights, in double precision."""
LOOK_RATE = 0.15
"""Nanoseconds to see whether a payload is an event."""

INTEGER_BLOCK, REAL_BLOCK = 64, 16
"""Channels of a block where there is one position; as in ``vectors.h``."""

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
        one_position: Whether it ends at a single position: one window is all it has.
    """

    node: Conv | Linear
    source: tuple[int, int, int]
    real: bool
    one_position: bool = False

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
        return self.groups == self.source[0] == len(self.weight)

    def is_even(self, least: int, most: int) -> bool:
        """Whether payloads of a window can be summed, as bytes, before they are weighted.

        Args:
            least: The smallest payload.
            most: The largest.
        """
        return self._is_average and (max(0, most) - min(0, least)) * self.weight[0].size < 256

    @cached_property
    def _is_average(self) -> bool:
        return self.is_channelwise and bool(np.all(self.weight == self.weight[..., :1, :1]))

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

    def summing_method(self, density: float) -> int | None:
        """Likewise where no neurons follow: events of images are then added row by row."""
        dense = self._dense_seconds
        if self.spreading is None or dense is None:
            return self.method(density)
        return EVENTS if self._listed_seconds(density) < dense else DENSE

    @cached_property
    def row_methods(self) -> tuple[tuple[int, int], int]:
        """How to compute a frame row by row: with many events, with few, and what few are."""
        dense = self._dense_seconds
        if self.is_channelwise:
            return (CHANNELWISE, CHANNELWISE), 0
        if dense is None:
            return (EVENTS, EVENTS), 0
        silent = self._listed_seconds(0)
        each = self._listed_seconds(1) - silent
        return (DENSE, EVENTS), round(float(np.prod(self.source)) * max(0, dense - silent) / each)

    @cached_property
    def _dense_seconds(self) -> float | None:
        """Estimated nanoseconds of a dense product for each place of the source."""
        if not self.can_be_dense:
            return None
        if self.one_position:
            inputs = self._inputs
            return vector_costs.dense(inputs, self.lanes, real=self.real) / inputs
        rate = REAL_DENSE_RATE if self.real else DENSE_RATE
        return float(rate * self.lanes * self.weight[0, 0].size / self._windows)

    @property
    def _inputs(self) -> int:
        """Payloads of one window, with those that only pad."""
        return FrameLayout(self.source).position * int(np.prod(self.weight.shape[2:]))

    def _event_seconds(self, density: float) -> float:
        if self.one_position:
            blocks = -(-self.lanes // (REAL_BLOCK if self.real else INTEGER_BLOCK))
            inputs = self._inputs
            return vector_costs.events(inputs, blocks, density, real=self.real) / inputs
        if self.spreading is not None:
            return self.spreading.seconds(density)
        return self._listed_seconds(density)

    def _listed_seconds(self, density: float) -> float:
        window = self.weight.shape[2:]
        near = self.weight.size < CACHE
        rate = REAL_EVENT_RATE if self.real else EVENT_RATE if near else FAR_EVENT_RATE
        each = EVENT_COST * window[0] + rate * self.lanes / self.groups * np.prod(window)
        return float(LOOK_RATE + density * each / self._windows)

    @property
    def _windows(self) -> float:
        return float(np.prod(self.node.stride)) if isinstance(self.node, Conv) else 1.0

    def describe(self, method: int, frames: Frames, *, row_by_row: bool = False) -> SynapseLayout:
        """Return what a kernel is told; it is valid as long as this and the frames are.

        Args:
            method: How to compute it.
            frames: What it reads.
            row_by_row: Whether currents are summed a row at a time, whatever the method.
        """
        template = self._templates.get((method, frames.layout, row_by_row))
        if template is None:
            template = self._template(method, frames.layout, None if row_by_row else self.spreading)
            self._templates[method, frames.layout, row_by_row] = template
        told = SynapseLayout.from_buffer_copy(template)
        told.source = frames.told
        return told

    @shared_property
    def _templates(self) -> dict[tuple[int, FrameLayout, bool], SynapseLayout]:
        """What kernels have been told, but for what they read."""
        return {}

    def _template(
        self, method: int, layout: FrameLayout, spread: Spreading | None
    ) -> SynapseLayout:
        conv = self.node if isinstance(self.node, Conv) else None
        signed = layout.zero != 0
        return SynapseLayout(
            EdgeLayout(),
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
            address(self.correction) if method != EVENTS and signed and not self.real else None,
            address(self.scatter) if method == EVENTS and not spread else None,
            address(self.taps) if method == EVENTS and spread else None,
            spread.block if spread else 0,
            spread.stacked if spread else 0,
            address(self.channel) if method == CHANNELWISE else None,
            method == CHANNELWISE and self.is_even(*layout.payload),
            layout.zero + min(0, layout.payload[0]),
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
            return aligned(by_lane.transpose(0, 3, 4, 2, 1))
        full = np.zeros((self.lanes, position, rows, columns), np.int8)
        full[:out, :inputs] = self.weight
        blocks = full.reshape(self.lanes // 16, 16, position // 4, 4, rows, columns)
        return aligned(blocks.transpose(0, 4, 5, 2, 1, 3))

    @shared_property
    def correction(self) -> Array:
        """What the byte of payload 0, 128, adds to a dense product, negated; int32."""
        sums = np.zeros(self.lanes, np.int64)
        sums[: len(self.weight)] = self.weight.astype(np.int64).sum(axis=(1, 2, 3))
        return (-128 * self.node.copies * sums).astype(np.int32)

    @shared_property
    def scatter(self) -> Array:
        """``[height][in][width, last first][out of a group]``, int8 or float64.

        Where there is one position: ``[block of channels][height][width][in][channel]``.
        """
        if self.one_position:
            return self._in_blocks
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

    @property
    def _in_blocks(self) -> Array:
        """The weights as ``vectors.inc`` wants them, one block after the other."""
        out, inputs, rows, columns = self.weight.shape
        each, position = out // self.groups, FrameLayout(self.source).position
        block = REAL_BLOCK if self.real else INTEGER_BLOCK
        lanes = -(-self.lanes // block) * block
        full = np.zeros((lanes, rows, columns, position), np.float64 if self.real else np.int8)
        for group in range(self.groups):
            outputs = slice(group * each, (group + 1) * each)
            reads = slice(group * inputs, (group + 1) * inputs)
            full[outputs, ..., reads] = self.weight[outputs].transpose(0, 2, 3, 1)
        by_block = full.reshape(lanes // block, block, -1)
        return aligned(by_block.transpose(0, 2, 1))

    @cached_property
    def spreading(self) -> Spreading | None:
        """How events are spread between images; None where they are added row by row."""
        number = np.float64 if self.real else np.int32
        spreading = Spreading(self.node, self.source, self.lanes, number)
        return spreading if spreading.possible else None

    @shared_property
    def taps(self) -> Array:
        """As ``spread.inc`` reads weights."""
        assert self.spreading is not None
        return self.spreading.taps

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
        none = np.zeros((height, width, self.lanes), np.int32)
        by_step = self.added(method, frames, none)[..., :channels]
        return np.asarray(by_step.transpose(1, 0, 4, 2, 3))

    def added(self, method: int, frames: Frames, base: Array) -> Array:
        """Return what integer synapses deliver on top of something, as the kernels lay it out.

        Args:
            method: How to compute it.
            frames: What they read.
            base: What to add it to, ``(height, width, lanes)``, int32.

        Returns:
            ``(samples, steps, height, width, lanes)``, int32.
        """
        samples, steps = frames.data.shape[:2]
        if steps == 1:  # all samples are then read like the steps of one, and weights only once
            frames = Frames(frames.layout, frames.data.swapaxes(0, 1))
        told = self.describe(method, frames, row_by_row=True)
        height, width, lanes = base.shape
        summed = library.currents(
            PopulationLayout(
                *(height, width, len(self.weight), lanes, 1),
                ctypes.addressof(told),
                address(base),
            ),
            *frames.data.shape[:2],
        )
        return summed.reshape(samples, steps, *base.shape)
