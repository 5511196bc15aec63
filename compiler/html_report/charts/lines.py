"""Lines over a common axis: each has a colour, a dash and a marker of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..markup import Html, element
from .axes import Area, Axis
from .figure import DASHES, SERIES, colour, legend, marker, stroke, svg
from .scale import Scale, px, ticks

AREA = Area()


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        name: What it shows.
        xs: Places of its points.
        ys: Values of its points; one without a place is drawn across the whole chart.
        low: Lower edges of a band around it, or empty.
        high: Upper edges.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def line_chart(
    label: str,
    lines: Sequence[Line],
    *,
    x: str,
    y: str,
    write: Callable[[float], str],
    write_x: Callable[[float], str],
    steps: Sequence[float] = (),
    bottom: float | None = None,
) -> tuple[Html, Html]:
    """Return the drawing and its legend.

    Args:
        label: What readers that cannot see it are told.
        lines: The lines.
        x: Title of the horizontal axis.
        y: Title of the vertical axis.
        write: How values are written.
        write_x: How places are written.
        steps: Time steps to mark on a logarithmic axis; by default the axis is linear from 0.
        bottom: Where the vertical axis begins; by default just below the lowest value.
    """
    heights = [v for line in lines for v in (*line.ys, *line.low, *line.high)]
    least, most = min(heights), max(heights)
    room = 0.06 * (most - least) or 0.05 * abs(most) or 1.0
    up = AREA.up(least - room if bottom is None else bottom, most + room)
    places = [place for line in lines for place in line.xs]
    across, marks = _across(places, steps)
    content = [
        AREA.frame(Axis(x, across, marks, write_x), Axis(y, up, ticks(up.low, up.high, 5), write)),
        *(_draw(line, index, across, up, write, write_x) for index, line in enumerate(lines)),
    ]
    entries = legend(
        (stroke(index, marked=bool(line.xs)), line.name) for index, line in enumerate(lines)
    )
    return svg(AREA.width, AREA.height, label, *content), entries


def _across(places: Sequence[float], steps: Sequence[float]) -> tuple[Scale, list[float]]:
    """Return the horizontal scale and its ticks."""
    if len(steps) > 1:
        return AREA.across(min(steps), max(steps), log=True), _apart(steps)
    if steps:
        return AREA.across(steps[0] - 1, steps[0] + 1), list(steps)
    most = max(places, default=1.0) or 1.0
    scale = AREA.across(0, 1.04 * most)
    return scale, ticks(scale.low, scale.high, 4, whole=most > 4)


def _apart(steps: Sequence[float]) -> list[float]:
    """Return the steps whose labels do not touch, the last of them always."""
    kept = [max(steps)]
    for step in sorted(steps, reverse=True):
        if step <= kept[-1] / 1.3:
            kept.append(step)
    return kept


def _draw(
    line: Line,
    index: int,
    across: Scale,
    up: Scale,
    write: Callable[[float], str],
    write_x: Callable[[float], str],
) -> Html:
    dash = DASHES[index % SERIES]
    if len(line.ys) == 1 and not line.xs:
        level = px(up(line.ys[0]))
        path = f"M{px(across.start)} {level}H{px(across.end)}"
        title = element("title", f"{line.name}: {write(line.ys[0])}")
        drawn = element("path", title, d=path, class_="line", stroke_dasharray=dash)
        return element("g", drawn, class_=colour(index))
    points = [f"{px(across(x))} {px(up(y))}" for x, y in zip(line.xs, line.ys, strict=True)]
    parts = []
    if line.low:
        there = [f"{px(across(x))} {px(up(v))}" for x, v in zip(line.xs, line.high, strict=True)]
        back = [f"{px(across(x))} {px(up(v))}" for x, v in zip(line.xs, line.low, strict=True)]
        around = f"M{'L'.join(there)}L{'L'.join(reversed(back))}z"
        parts.append(element("path", d=around, class_="band" if len(there) > 1 else "interval"))
    parts.append(element("path", d=f"M{'L'.join(points)}", class_="line", stroke_dasharray=dash))
    parts += [
        marker(index, across(x), up(y), f"{line.name}, {write_x(x)}: {write(y)}")
        for x, y in zip(line.xs, line.ys, strict=True)
    ]
    return element("g", *parts, class_=colour(index))
