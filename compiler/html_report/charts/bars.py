"""Horizontal bars of stacked parts, one bar a layer; parts below 0 stack to the left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..markup import Html, element
from ..naming import clipped
from .figure import colour, fill, legend, svg, swatch
from .scale import Scale, px, ticks

WIDTH, LABELS, RIGHT, ROW, FOOT = 420, 128, 18, 19, 38
GAP = 6
"""Pixels between what stands beside a bar and the bars."""

CHARACTER = 8
"""Pixels of one in the mean, in the widest of the page's fonts."""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        name: Whose it is, in full.
        title: What stands beside it.
        parts: For each part its size.
    """

    name: str
    title: str
    parts: Mapping[str, float]


def stacked_bars(
    label: str,
    bars: Sequence[Bar],
    parts: Mapping[str, int],
    *,
    x: str,
    write: Callable[[float], str],
    labels: int = LABELS,
    level: float | None = None,
) -> tuple[Html, Html]:
    """Return the drawing and its legend.

    Args:
        label: What readers that cannot see it are told.
        bars: The bars, from the top.
        parts: For each part its series, in the order in which they are stacked.
        x: Title of the axis.
        write: How values are written.
        labels: Pixels for what stands beside the bars.
        level: A value that is marked across all bars.
    """
    across = _across(bars, labels)
    foot = ROW * len(bars) + 6
    content = [
        part
        for tick in ticks(across.low, across.high, 4)
        for part in (
            element("path", d=f"M{px(across(tick))} 2V{foot}", class_="rule"),
            element("text", write(tick), x=px(across(tick)), y=foot + 14, class_="middle"),
        )
    ]
    for row, bar in enumerate(bars):
        content += _draw(bar, parts, across, 4 + ROW * row, write)
    if level is not None:
        content.append(element("path", d=f"M{px(across(level))} 2V{foot}", class_="level"))
    content += [
        element("path", d=f"M{px(across(0))} 2V{foot}", class_="axis"),
        element(*("text", x), x=(labels + WIDTH) / 2, y=foot + FOOT - 8, class_="middle title"),
    ]
    used = [(swatch(series), part) for part, series in parts.items()]
    return svg(WIDTH, foot + FOOT, label, *content), legend(used)


def _across(bars: Sequence[Bar], labels: int) -> Scale:
    most = max((sum(max(v, 0) for v in bar.parts.values()) for bar in bars), default=0)
    least = min((sum(min(v, 0) for v in bar.parts.values()) for bar in bars), default=0)
    return Scale(least, most if most > least else least + 1, labels, WIDTH - RIGHT)


def _draw(
    bar: Bar, parts: Mapping[str, int], across: Scale, top: float, write: Callable[[float], str]
) -> list[Html]:
    """Return a bar with what stands beside it."""
    label = element(
        "text",
        element("title", bar.name),
        clipped(bar.title, int((across.start - GAP) / CHARACTER)),
        x=across.start - GAP,
        y=px(top + ROW / 2),
        dy="0.35em",
        class_="end",
    )
    drawn, above, below = [label], 0.0, 0.0
    for part, series in parts.items():
        size = bar.parts.get(part, 0.0)
        start = above if size > 0 else below
        left, right = sorted((across(start), across(start + size)))
        if right - left >= 0.05:
            drawn.append(
                element(
                    "rect",
                    element("title", f"{bar.name}, {part}: {write(size)}"),
                    x=px(left),
                    y=px(top + 2),
                    width=f"{right - left:.2f}",
                    height=ROW - 5,
                    fill=fill(series),
                    class_=f"{colour(series)} outlined",
                )
            )
        above, below = above + max(size, 0), below + min(size, 0)
    return drawn
