"""Counting events: the fan-outs of an edge as the compiled kernels read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....ir import Array
from . import library
from .frames import FrameLayout, Frames
from .library import FanOutLayout, address

BASE = 128
"""Fan-outs are written in digits that a signed byte holds, for products of bytes."""


class Traffic:
    """What is counted on one edge.

    Args:
        layout: How its payloads lie.
        reaches: For each reader its fan-out, of the shape of the edge or flat.
        graded: Whether a payload may be more than one unit.
    """

    def __init__(self, layout: FrameLayout, reaches: Sequence[Array], *, graded: bool) -> None:
        self._graded = graded
        self._digits = [_digits(layout, reach) for reach in reaches]
        self._told = (FanOutLayout * max(1, len(reaches)))(
            *(
                _described(layout, reach, digits)
                for reach, digits in zip(reaches, self._digits, strict=True)
            )
        )

    def count(self, frames: Frames) -> Array:
        """Count the events of frames.

        Returns:
            ``(1 + readers, 2, samples, steps)``, int64: events and units, then for each reader
            the synaptic operations by event and by unit.
        """
        samples, steps = frames.data.shape[:2]
        out = np.empty((samples, steps, 1 + len(self._digits), 2), np.int64)
        library.count(frames.told, self._told, len(self._digits), out, graded=self._graded)
        return np.ascontiguousarray(out.transpose(2, 3, 0, 1))


def _digits(layout: FrameLayout, reach: Array) -> Array:
    """Return fan-outs as digits, lowest first, ``(digits, *layout.grid)``, int8.

    There are none where all fan-outs are alike.
    """
    rest = np.zeros(layout.grid, np.int64)
    layout.inside(rest)[...] = reach.reshape(layout.shape)
    digits = []
    while rest.any() and reach.min() != reach.max():
        digits.append((rest % BASE).astype(np.int8))
        rest //= BASE
    return np.stack(digits) if digits else np.zeros((0, *layout.grid), np.int8)


def _described(layout: FrameLayout, reach: Array, digits: Array) -> FanOutLayout:
    if len(digits) == 0:
        return FanOutLayout(None, 0, int(reach.flat[0]) if reach.size else 0, 0)
    begin = address(digits)
    assert begin is not None
    return FanOutLayout(begin + layout.first_byte, digits[0].size, 0, len(digits))
