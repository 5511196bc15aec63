"""Weights as ``spread.inc`` reads them: those that one event adds lie side by side.

What it costs was measured on one core of Zen 5; it only decides which kernel is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....ir import Array, Conv, Linear
from .aligned import aligned
from .frames import FrameLayout

REGISTER_BYTES = 64
"""Of currents that are computed at once; AVX-512 has registers as long."""
DEPTHS = {
    (1, 1, 1): (4, 2, 1),
    (1, 3, 1): (4, 2, 1),
    (1, 5, 1): (4, 2, 1),
    (2, 2, 1): (2, 1),
    (3, 3, 1): (2, 1),
    (5, 5, 1): (1,),
    (1, 1, 2): (4, 2, 1),
    (1, 2, 2): (2, 1),
    (1, 3, 2): (4, 2, 1),
    (2, 3, 2): (2, 1),
}
"""The kernels of ``spread.inc``: for each number of rows of windows that an event may reach, and
width and stride of these, how many registers of channels are computed at once."""
CHANNELS = 64
"""Of a source whose events are marked in one word."""
NEAR = 40 << 10
"""Bytes of weights that stay in the fastest cache."""
VISIT_COST = 4.0
"""Nanoseconds to go to one position of the source."""
GUESS_COST = 5.0
"""Nanoseconds that are lost where the processor guesses wrongly how many events it has, ..."""
SURE = 3.0
"""... as it does the more often, the more there are: every other time, if there are so many."""
FIRE_COST = 0.15
"""Nanoseconds that an integer neuron takes longer than after dense products."""
ADD_RATE = 0.13
"""Nanoseconds to add one register of weights."""


@dataclass(frozen=True, eq=False)
class Spreading:
    """How the events of one synapse between images are spread.

    Attributes:
        node: The synapse.
        source: Channels, height and width of what it reads.
        lanes: Currents of a position, padding included.
        number: The type of currents.
    """

    node: Conv | Linear
    source: tuple[int, int, int]
    lanes: int
    number: type[np.generic]

    @cached_property
    def possible(self) -> bool:
        """Whether there are kernels for it; populations of one position have others."""
        node = self.node
        if not isinstance(node, Conv) or node.groups > 1 or node.dilation != (1, 1):
            return False
        top, left, bottom, right = node.padding
        kernel, stride = node.weight.shape[2:], node.stride
        room = self.source[1] + top + bottom - kernel[0], self.source[2] + left + right - kernel[1]
        is_image = room[0] >= stride[0] or room[1] >= stride[1]
        return is_image and all(shape in DEPTHS for shape in self._shapes)

    @property
    def stacked(self) -> bool:
        """Whether one word marks the events of all rows that a window reads."""
        rows, columns = self.node.weight.shape[2:]
        known = (1, columns, self._stride[1]) in DEPTHS
        return known and rows * self._position <= CHANNELS

    @cached_property
    def block(self) -> int:
        """Channels that are computed at once."""
        size = np.dtype(self.number).itemsize
        wide = REGISTER_BYTES // size
        depths = set.intersection(*(set(DEPTHS[shape]) for shape in self._shapes))
        able = [depth for depth in sorted(depths) if self.lanes % (depth * wide) == 0]
        each = self.node.weight[0, :CHANNELS].size * wide * size
        near = [depth for depth in able if depth * each <= NEAR]
        return wide * (near[-1] if near else able[0])

    def seconds(self, density: float) -> float:
        """Estimate the nanoseconds that events take for each place of the source.

        Args:
            density: The share of places that send an event.
        """
        kernel, stride = self.node.weight.shape[2:], self._stride
        words = -(-self._position // CHANNELS)
        events = density * self._position * (kernel[0] if self.stacked else 1) / words
        visit = VISIT_COST + GUESS_COST * events / (events + SURE)
        rows = 1 if self.stacked else min(kernel[0], stride[0])  # of so many: others are not read
        visited = rows * min(kernel[1], stride[1]) / np.prod(stride)
        visits = visited * words * self.lanes / self.block / self._position
        windows = self.node.weight[0, 0].size / np.prod(stride)
        adds = windows * self.lanes * np.dtype(self.number).itemsize / REGISTER_BYTES
        neurons = self.lanes / self._position / np.prod(stride)
        fire = 0.0 if self.number is np.float64 else FIRE_COST * neurons
        return float(visits * visit + density * adds * ADD_RATE + fire)

    @property
    def taps(self) -> Array:
        """Weights times copies.

        ``[lanes / block]``, then for each 64 channels and each place of the stride's grid
        ``[channel][rows][columns][block]``, flattened, last row and column first, and zeros for one
        channel more. Where rows are stacked they are channels.
        """
        out, inputs, rows, columns = self.node.weight.shape
        full = np.zeros((self.lanes, rows, self._position, columns), self.number)
        full[:out, :, :inputs] = self.node.weight.transpose(0, 2, 1, 3)
        full[...] = full * np.array(self.node.copies, self.number)
        (stride_y, stride_x), block, parts = self._stride, self.block, []
        if self.stacked:
            full, stride_y = full.reshape(self.lanes, 1, -1, columns), 1
        for first in range(0, full.shape[2], CHANNELS):
            channels = full[:, :, first : first + CHANNELS]
            channels = np.concatenate([channels, np.zeros_like(channels[:, :, :1])], axis=2)
            for y in range(min(full.shape[1], stride_y)):
                for x in range(min(columns, stride_x)):
                    grid = channels[:, y::stride_y, :, x::stride_x][:, ::-1, :, ::-1]
                    by_block = grid.reshape(self.lanes // block, block, *grid.shape[1:])
                    by_channel = by_block.transpose(0, 3, 2, 4, 1)
                    parts.append(by_channel.reshape(self.lanes // block, -1))
        return aligned(np.concatenate(parts, axis=1))

    @property
    def _shapes(self) -> set[tuple[int, int, int]]:
        """Under what its kernels are in ``DEPTHS``; it may take another for another row."""
        rows, columns = self.node.weight.shape[2:]
        stride = self._stride
        if self.stacked:
            return {(1, columns, stride[1])}
        first = range(min(rows, stride[0]))
        return {(len(range(y, rows, stride[0])), columns, stride[1]) for y in first}

    @property
    def _position(self) -> int:
        """Places of a position of the source, padding included."""
        return FrameLayout(self.source).position

    @property
    def _stride(self) -> tuple[int, int]:
        return self.node.stride if isinstance(self.node, Conv) else (1, 1)
