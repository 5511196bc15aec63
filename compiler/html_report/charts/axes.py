"""The frame of a chart: its place, and two axes with ticks and titles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..markup import Html, element
from .scale import Scale, px

LEFT, RIGHT, TOP, BOTTOM = 54, 14, 10, 40


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: What it measures, with the unit.
        scale: Its values and places.
        ticks: Values that are marked.
        write: How a tick is written.
    """

    title: str
    scale: Scale
    ticks: Iterable[float]
    write: Callable[[float], str]


@dataclass(frozen=True)
class Area:
    """The place of a chart, pixels.

    Attributes:
        width: Of the whole drawing.
        height: Likewise.
    """

    width: float = 420
    height: float = 260

    @property
    def bottom(self) -> float:
        """Where the horizontal axis lies."""
        return self.height - BOTTOM

    @property
    def right(self) -> float:
        """Where the horizontal axis ends."""
        return self.width - RIGHT

    def across(self, low: float, high: float, *, log: bool = False) -> Scale:
        """Return a scale over the whole width."""
        return Scale(low, high, LEFT, self.right, log)

    def up(self, low: float, high: float) -> Scale:
        """Return a scale that grows upwards over the whole height."""
        return Scale(low, high, self.bottom, TOP)

    def down(self, low: float, high: float) -> Scale:
        """Return a scale that grows downwards."""
        return Scale(low, high, TOP, self.bottom)

    def frame(self, x: Axis, y: Axis) -> Html:
        """Return grid lines, ticks and titles."""
        parts = []
        for tick in y.ticks:
            place = px(y.scale(tick))
            parts += [
                element("path", d=f"M{LEFT} {place}H{px(self.right)}", class_="rule"),
                element("text", y.write(tick), x=LEFT - 6, y=place, dy="0.35em", class_="end"),
            ]
        for tick in x.ticks:
            place = px(x.scale(tick))
            parts += [
                element("path", d=f"M{place} {px(self.bottom)}v4", class_="axis"),
                element("text", x.write(tick), x=place, y=px(self.bottom + 16), class_="middle"),
            ]
        middle = px((TOP + self.bottom) / 2)
        parts += [
            element("path", d=f"M{LEFT} {TOP}V{px(self.bottom)}H{px(self.right)}", class_="axis"),
            element(
                *("text", x.title),
                x=px((LEFT + self.right) / 2),
                y=px(self.height - 6),
                class_="middle title",
            ),
            element(
                *("text", y.title),
                class_="middle title",
                transform=f"translate(11 {middle}) rotate(-90)",
            ),
        ]
        return Html("".join(parts))
