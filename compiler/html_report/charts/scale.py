"""From values to places on a chart."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log2, log10


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map of values to pixels.

    Attributes:
        low: Value at ``start``.
        high: Value at ``end``; more than ``low``.
        start: Pixels.
        end: Pixels; below ``start`` for an axis that grows upwards.
        log: Whether equal ratios are equal distances.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        if self.log:
            share = log2(value / self.low) / log2(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """Return round values between two others, about so many.

    >>> ticks(0, 1), ticks(-3, 17), ticks(0, 8, whole=True)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 5.0, 10.0, 15.0], [0.0, 2.0, 4.0, 6.0, 8.0])
    """
    rough = (high - low) / count
    if whole:
        rough = max(rough, 1.0)
    power = 10.0 ** floor(log10(rough))
    factors = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = next(factor * power for factor in factors if factor * power >= rough * (1 - 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def px(place: float) -> str:
    """Return a coordinate, to a tenth of a pixel.

    >>> px(3.04), px(12.26)
    ('3', '12.3')
    """
    return f"{place:.1f}".removesuffix(".0")
