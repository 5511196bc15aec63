"""How much accuracy a spiking network loses, from few samples, and how sure that is.

Two views of the same held-back samples:

**Counted.** The ANN is right and the spiking network wrong on ``lost`` samples, the other way
round on ``gained``; the drop is ``(lost - gained) / n``. Honest and coarse: of 256 samples one
is 0.4 points. Its interval is the one for paired proportions of R. G. Newcombe, *Statistics in
Medicine* 17 (1998) 2635-2650, method 10.

**Predicted.** An answer changes where the ANN nearly changed it itself. The margin of a sample
is the score of its right class minus the best other score, so it is right where that is above
0. The spiking network turns the ANN's margin ``m`` into

    m' = m + shift + slope * m + spread(m) * e,    spread(m) = base + growth * |m|

with an ``e`` that does not depend on ``m``: least squares on the samples nearest to the
boundary, where answers change. The drop is the mean over all samples of ``[m > 0] - P(m' > 0)``.
This is the steadier of the two, with half the deviation or less where drops are small: every
sample near the boundary counts with a probability instead of a yes or no, and since calibration
does not touch the ANN its margins are taken from all calibration samples; only what is fitted to
``m'`` has to come from samples that calibration has not seen. How far the prediction may be off
is estimated by bootstrap percentiles (B. Efron, *Annals of Statistics* 7 (1979) 1-26).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np

from ...ir import Array
from ..evaluate import wilson

NEAREST = 0.5
"""Share of the held-back samples, nearest to the boundary, that the model is fitted to."""

LEAST_SPREAD = 0.1
"""Smallest spread at any margin, relative to its mean: a line may fall below zero."""

CONFIDENCE = 0.9
"""How sure it is that the drop is at most ``Drop.limit``."""

DRAWS = 400
"""Bootstrap samples; the 90 % point of so many is itself sure to about 1.5 %."""


@dataclass(frozen=True)
class Drop:
    """A drop in accuracy, as fractions of samples.

    Attributes:
        samples: Held-back samples it was counted on.
        lost: Samples on which only the ANN is right.
        gained: Samples on which only the spiking network is right.
        interval: 95 % confidence interval of the counted drop.
        predicted: The drop that the margins predict.
        predicted_limit: What the predicted drop is below with a confidence of ``CONFIDENCE``.
    """

    samples: int
    lost: int
    gained: int
    interval: tuple[float, float]
    predicted: float
    predicted_limit: float

    @property
    def counted(self) -> float:
        """The drop on the held-back samples."""
        return (self.lost - self.gained) / self.samples

    @property
    def limit(self) -> float:
        """The drop to reckon with: that of the prediction, unless the count refutes it."""
        return max(self.predicted_limit, self.interval[0])

    def to_json(self) -> dict[str, Any]:
        """Return the drop as it goes into a report."""
        return asdict(self) | {"counted": self.counted, "limit": self.limit}


def margins(scores: Array, classes: Array) -> Array:
    """Return the score of each sample's class minus the best other score.

    Args:
        scores: ``(samples, classes)``.
        classes: ``(samples,)``.

    Returns:
        ``(samples,)``.
    """
    rows = np.arange(len(scores))
    others = scores.astype(np.float64)
    own = others[rows, classes]
    others[rows, classes] = -np.inf
    return np.asarray(own - others.max(axis=1))


def measure(before: Array, after: Array, others: Array, seed: int = 0) -> Drop:
    """Return the drop from margins.

    Args:
        before: The ANN's margins on the held-back samples, ``(held,)``.
        after: The spiking network's margins on them, ``(held,)``.
        others: The ANN's margins on the samples that calibrated the network, ``(others,)``.
        seed: Of the bootstrap.
    """
    right, kept = before > 0, after > 0
    lost, gained = int(np.sum(right & ~kept)), int(np.sum(~right & kept))
    both = int(np.sum(right & kept))
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(DRAWS):
        drawn = rng.integers(len(before), size=len(before))
        margins = np.concatenate([before[drawn], rng.choice(others, len(others))])
        draws.append(_predicted(margins, before[drawn], after[drawn]))
    return Drop(
        samples=len(before),
        lost=lost,
        gained=gained,
        interval=newcombe(both, lost, gained, len(before) - both - lost - gained),
        predicted=_predicted(np.concatenate([before, others]), before, after),
        predicted_limit=float(np.quantile(draws, CONFIDENCE)),
    )


def newcombe(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of the difference of two paired proportions.

    Args:
        both: Samples on which both networks are right.
        first: Samples on which only the first is.
        second: Samples on which only the second is.
        neither: Samples on which none is.

    Returns:
        Low and high end of the accuracy of the first minus that of the second.

    >>> low, high = newcombe(14, 5, 0, 22)
    >>> round(low, 4), round(high, 4)
    (0.0115, 0.2265)
    """
    n = both + first + second + neither
    p, q = (both + first) / n, (both + second) / n
    (p_low, p_high), (q_low, q_high) = wilson(p, n), wilson(q, n)
    excess = float(both * neither - first * second)
    if excess > 0:  # continuity correction
        excess = max(excess - n / 2, 0)
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    correlation = excess / sqrt(product) if product else 0.0

    def reach(a: float, b: float) -> float:
        return sqrt(max(a * a - 2 * correlation * a * b + b * b, 0))

    return p - q - reach(p - p_low, q_high - q), p - q + reach(p_high - p, q - q_low)


def _predicted(margins: Array, before: Array, after: Array) -> float:
    """Return the drop over all margins under the model fitted to ``before`` and ``after``."""
    near = np.abs(before) <= np.quantile(np.abs(before), NEAREST)
    m, moved = before[near], after[near] - before[near]
    ones = np.ones(len(m))
    shift, slope = _line(ones, m, moved)
    rest = moved - shift - slope * m
    base, growth = _line(ones, np.abs(m), np.abs(rest))
    least = LEAST_SPREAD * np.abs(rest).mean() + np.finfo(float).eps  # no answer moved at all

    def spread(m: Array) -> Array:
        return np.maximum(base + growth * np.abs(m), least)

    e = np.sort(rest / spread(m))
    crossing = -(margins + shift + slope * margins) / spread(margins)
    still_right = 1 - np.searchsorted(e, crossing, side="right") / len(e)
    return float(np.mean((margins > 0) - still_right))


def _line(ones: Array, x: Array, y: Array) -> tuple[float, float]:
    """Return offset and slope of the least-squares line."""
    (offset, slope), *_ = np.linalg.lstsq(np.stack([ones, x], axis=1), y, rcond=None)
    return float(offset), float(slope)
