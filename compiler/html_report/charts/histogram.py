"""A histogram: how many neurons have which rate."""

from __future__ import annotations

from collections.abc import Sequence

from ..markup import Html, element
from ..quantities import number, short
from .axes import Area, Axis
from .figure import colour, fill, svg
from .scale import px, ticks

AREA = Area(300, 140)


def histogram(
    label: str, edges: Sequence[float], counts: Sequence[float], *, x: str, y: str, series: int = 0
) -> Html:
    """Return the drawing of so many counts between one more edges."""
    across = AREA.across(edges[0], edges[-1])
    up = AREA.up(0, max(*counts, 1))
    bars = []
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        left, right, top = across(low), across(high), up(count)
        bars.append(
            element(
                "rect",
                element("title", f"{number(low)} to {number(high)}: {number(count)}"),
                x=px(left + 0.5),
                y=px(top),
                width=px(max(right - left - 1, 0.5)),
                height=px(up(0) - top),
                fill=fill(series),
            )
        )
    axes = AREA.frame(
        Axis(x, across, ticks(across.low, across.high, 4), number),
        Axis(y, up, ticks(0, up.high, 3), short),
    )
    return svg(AREA.width, AREA.height, label, axes, element("g", *bars, class_=colour(series)))
