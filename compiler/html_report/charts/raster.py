"""A raster: which neuron sent what at which step."""

from __future__ import annotations

import numpy as np

from ....ir import Array
from ..markup import Html, element
from .axes import BOTTOM, TOP, Area, Axis
from .figure import colour, svg
from .scale import Scale, px, ticks

WIDTH = 300
ROW = 2.6
"""Pixels of one neuron."""

SHADES = 3
"""Each is for a third of the largest payload."""


def raster(label: str, positive: Array, negative: Array, steps_a_column: int) -> Html:
    """Return the drawing of payloads: strong ones large, narrow ones negative.

    Args:
        label: What readers that cannot see it are told.
        positive: Sums of the positive payloads, ``(neurons, columns)``.
        negative: Of the magnitudes of the negative ones.
        steps_a_column: Time steps that a column stands for.
    """
    neurons, columns = positive.shape
    area = Area(WIDTH, TOP + BOTTOM + ROW * max(neurons, 8))
    last = columns * steps_a_column
    across = area.across(0.5, last + 0.5)
    down = area.down(0, neurons)
    most = max(int(positive.max(initial=0)), int(negative.max(initial=0)), 1)
    marks = []
    for series, payloads in enumerate((positive, negative)):
        shades = np.ceil(payloads * (SHADES / most)).astype(np.int64)
        for shade in range(1, SHADES + 1):
            path = _path(shades == shade, across, down, steps_a_column, narrow=series == 1)
            if path:
                marks.append(element("path", d=path, class_=f"{colour(series)} shade{shade}"))
    axes = area.frame(
        Axis("step", across, _steps(last), "{:g}".format), Axis("neuron", down, (), str)
    )
    return svg(area.width, area.height, label, axes, *marks)


def _steps(last: int) -> list[float]:
    """Return the steps that are marked: the first, and round ones behind it."""
    return [1.0, *(step for step in ticks(1, max(last, 2), 4, whole=True) if 1 < step <= last)]


def _path(where: Array, across: Scale, down: Scale, wide: int, *, narrow: bool) -> str:
    """Return one stroke for each payload."""
    cell = (across(wide) - across(0)) * (0.45 if narrow else 0.85)
    return "".join(
        f"M{px(across((column + 0.5) * wide + 0.5) - cell / 2)} {px(down(row + 0.5))}h{px(cell)}"
        for row, column in np.argwhere(where).tolist()
    )
