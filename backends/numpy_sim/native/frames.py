"""Payloads as the compiled kernels read them: bytes, channels last, with a silent border."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ....ir import Array
from .library import EdgeLayout


@dataclass(frozen=True)
class FrameLayout:
    """Where the payloads of one edge lie in memory.

    Attributes:
        shape: Channels, height and width; a vector has height and width 1.
        border: Silent positions at top, left, bottom and right, so that windows may hang over.
        payload: Smallest and largest payload: a byte holds them.
    """

    shape: tuple[int, int, int]
    border: tuple[int, int, int, int] = (0, 0, 0, 0)
    payload: tuple[int, int] = (0, 255)

    @property
    def zero(self) -> int:
        """The byte of payload 0."""
        return 128 if self.payload[0] < 0 else 0

    @property
    def unary(self) -> bool:
        """Whether all payloads are 0 or 1."""
        return self.payload == (0, 1)

    @property
    def position(self) -> int:
        """Bytes of one position: channels, padded to groups of four."""
        return -(-self.shape[0] // 4) * 4

    @property
    def grid(self) -> tuple[int, int, int]:
        """Height and width with the border, and the bytes of a position."""
        top, left, bottom, right = self.border
        _, height, width = self.shape
        return top + height + bottom, left + width + right, self.position

    @property
    def first_byte(self) -> int:
        """Where in a frame position (0, 0) lies, behind the border."""
        return (self.border[0] * self.grid[1] + self.border[1]) * self.position

    def inside(self, frames: Array) -> Array:
        """Return what of ``(..., *grid)`` is no border or padding, a view ``(..., *shape)``."""
        top, left = self.border[:2]
        channels, height, width = self.shape
        view = frames[..., top : top + height, left : left + width, :channels]
        return view.swapaxes(-1, -2).swapaxes(-2, -3)


@dataclass(frozen=True)
class Frames:
    """The payloads of one edge, for some samples.

    Attributes:
        layout: Where each lies.
        data: ``(samples, steps, *layout.grid)``, uint8.
    """

    layout: FrameLayout
    data: Array

    @property
    def interior(self) -> Array:
        """The payloads without border and padding, a view ``(samples, steps, C, H, W)``, uint8."""
        return self.layout.inside(self.data)

    def payloads(self) -> Array:
        """Return the payloads, ``(steps, samples, C, H, W)``, int8 or, where too large, int16."""
        inside = self.interior.swapaxes(0, 1)
        if self.layout.payload[1] > 127:
            return np.array(inside, np.int16, order="C")
        signed: Array = np.subtract(inside, np.uint8(self.layout.zero), order="C").view(np.int8)
        return signed  # the difference wraps at 256, as int8 does

    @cached_property
    def told(self) -> EdgeLayout:
        """What a kernel is told; it is valid as long as these frames are."""
        layout = self.layout
        sample, step, row = self.data.strides[:3]
        start = self.data.ctypes.data + layout.first_byte
        sides = (layout.position, *layout.shape[1:])
        return EdgeLayout(start, sample, step, row, *sides, layout.zero, layout.unary)


@dataclass
class FramePool:
    """Frames to use again: their border is silent already, and the system need not clear them.

    One thread uses a pool; edges of a network are as large in each block of samples, but for the
    last one: what was kept for the others is then let go.
    """

    _free: dict[tuple[Any, ...], list[Frames]] = field(default_factory=lambda: defaultdict(list))
    _samples: int = 0

    def take(self, layout: FrameLayout, samples: int, steps: int) -> Frames:
        """Return frames whose interior is yet to be written, and whose border is silent."""
        if samples != self._samples:
            self._free.clear()
            self._samples = samples
        free = self._free[layout, samples, steps]
        if free:
            return free.pop()
        return Frames(layout, np.full((samples, steps, *layout.grid), layout.zero, np.uint8))

    def give_back(self, frames: Frames) -> None:
        """Let frames be used again."""
        samples, steps = frames.data.shape[:2]
        self._free[frames.layout, samples, steps].append(frames)


def filled(frames: Frames, payloads: Array) -> Frames:
    """Write payloads, ``(steps, samples, *shape)``, into frames, and return these."""
    source = payloads.swapaxes(0, 1).reshape(*frames.data.shape[:2], *frames.layout.shape)
    zero = np.int16(frames.layout.zero)  # 16 bits hold payload and shift, whatever their type
    np.add(source, zero, out=frames.interior, dtype=np.int16, casting="unsafe")
    return frames
