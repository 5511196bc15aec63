"""Threshold rules: the full scale ``lam`` of an activation, from its statistics.

- ``max``: the largest magnitude seen (Diehl et al., IJCNN 2015).
- ``percentile``: the given percentile of the magnitudes of all values
  (Rueckauer et al., *Front. Neurosci.* 11:682, 2017, use 99.9); ``max`` where that is 0.
- ``mmse``: the grid point ``lam = c * max`` with ``c`` in 1.00, 0.99, ..., 0.06 that least
  distorts the activations, ``mean((q(a) - a)**2)`` with
  ``q(a) = theta / T * clip(round(a T / theta), 0, max_positive T)`` (Li et al., ICML 2021;
  the grid is that of their code; here with rounding, because the membrane starts at half a
  threshold).
- ``local``: local threshold balancing. From 0, ``lam`` follows the gradient of the squared
  error of clipping, ``lam <- lam + 2 mean(max(a - lam, 0))``, for ``ITERATIONS`` steps: it
  comes near the maximum from below (Bu et al., CVPR 2025; here with the mean over all
  calibration data at every step instead of one batch after the other, and never above the
  maximum, which a step may overshoot where most activations are near it).
- ``iteration``: threshold iteration for clipped staircases. The pre-activation is taken for
  normal with its mean and deviation; with ``q`` the activation rounded to ``max_positive T``
  levels, ``lam`` is where ``k = E[q a] / E[q**2]`` is 1: the full scale of least squared error
  (Huang et al., ICML 2025, who repeat ``lam <- k lam``; here the fixed point is found by
  bisection, for with many levels the repetition hardly moves). A normal value has no largest
  one, so ``lam`` is kept at or below the largest magnitude seen, which a clip bounds.
- ``spike-norm``: thresholds from the currents of the spiking network, found later
  (``passes.spike_norm``); until then as ``max``.
- ``bound``: the upper bound of a clip, which training or the design of the network chose (Ding
  et al., IJCAI 2021: the threshold of a rate norm layer; Deng and Gu, ICLR 2021: that of their
  ReLU); ``max`` where there is none.

No rule gives more than the bound of a clip, for all start from the largest value seen. Behind a
staircase none is asked (``pipeline.trained_full_scale``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, pi, sqrt

import numpy as np

from ..backends.numpy_sim.least_error import least_error
from ..ir import Array
from ..ir.errors import OptionError
from .calibration import Moments, Statistics

RULES = ("max", "percentile", "mmse", "local", "iteration", "spike-norm", "bound")
FEWEST = 1000
"""Values of a channel that an estimate of its own needs: fewer say too little of its tail."""

GRID = np.arange(100, 5, -1) / 100

ACCURACY = 1e-6
"""Relative, of the fixed point of ``iteration``."""

ITERATIONS = 1000
"""Steps of ``local``: as many batches as Bu et al. (CVPR 2025) take at least."""


@dataclass(frozen=True)
class ThresholdRule:
    """How the full scale is estimated.

    Attributes:
        name: One of ``RULES``.
        percentile: For the rule of that name, in (0, 100].
        per_channel: One value for each channel instead of one for the population.
    """

    name: str = "mmse"
    percentile: float = 99.9
    per_channel: bool = False

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise OptionError(
                f"unknown threshold rule {self.name!r}", hint=f"choose one of: {', '.join(RULES)}"
            )
        if not 0 < self.percentile <= 100:
            raise OptionError(
                f"--percentile {self.percentile} is out of range",
                hint="give a value above 0 and up to 100; 99.9 is usual",
            )

    def full_scale(
        self,
        statistics: Statistics,
        timesteps: int,
        max_positive: int,
        moments: Moments | None = None,
    ) -> Array:
        """Return ``lam`` of one activation, ``(1,)`` or ``(channels,)``, ANN units, > 0.

        Channels that were never active, and all channels where there are fewer than ``FEWEST``
        values of each, get the value of the whole population.

        Args:
            statistics: Histogram of the activation's magnitudes.
            timesteps: T.
            max_positive: Largest payload of an event.
            moments: Of the pre-activation, for ``iteration``.
        """
        if self.name == "iteration" and moments is not None:
            return self._iterated(statistics, moments, timesteps * max_positive)
        each = np.zeros(1)
        if self.per_channel and statistics.counts[0].sum() >= FEWEST:
            each = self._estimates(
                statistics.counts, statistics.edges, statistics.largest, timesteps, max_positive
            )
        if (each > 0).all():
            return each
        pooled = statistics.pooled()[None], statistics.edges, statistics.largest.max(keepdims=True)
        whole = self._estimates(*pooled, timesteps, max_positive)
        return np.where(each > 0, each, np.where(whole > 0, whole, 1.0))

    def _iterated(self, statistics: Statistics, moments: Moments, levels: int) -> Array:
        if not self.per_channel or statistics.counts[0].sum() < FEWEST:
            moments = moments.pooled()
        largest = float(statistics.edges[-1])
        found = [
            iterated(mean, deviation, levels, largest) if deviation > 0 else largest
            for mean, deviation in zip(moments.mean, moments.deviation, strict=True)
        ]
        return np.minimum(found, largest)

    def _estimates(
        self, counts: Array, edges: Array, largest: Array, timesteps: int, max_positive: int
    ) -> Array:
        """Return ``lam`` of each row of counts, 0 where a row has zeros only."""
        most = largest.astype(np.float64)
        if self.name == "mmse":
            return least_error(counts[:, 1:], edges, most, timesteps * max_positive, GRID)
        if self.name not in ("local", "percentile"):
            return most
        if self.name == "percentile" and self.percentile == 100:
            return most  # of all values, where the counts may be those of a part
        rows = zip(counts, most, strict=True)
        return np.array([self._estimate(row, edges, peak) if peak else 0.0 for row, peak in rows])

    def _estimate(self, counts: Array, edges: Array, largest: float) -> float:
        """Return ``lam`` from counts of zeros (first) and of magnitudes between edges."""
        if self.name == "local":
            return min(_locally_balanced(counts, edges), largest)
        share = np.cumsum(counts) / counts.sum()
        index = int(np.searchsorted(share, self.percentile / 100))
        return min(float(edges[index]), largest) if index else largest  # else more zeros than that


def _locally_balanced(counts: Array, edges: Array) -> float:
    centre = (edges[:-1] + edges[1:]) / 2
    share = counts[1:] / counts.sum()
    full_scale = 0.0
    for _ in range(ITERATIONS):
        full_scale += 2 * float(share @ np.maximum(centre - full_scale, 0))
    return full_scale


def iterated(mean: float, deviation: float, levels: int, start: float) -> float:
    """Return the full scale at which rounding a rectified normal value loses least.

    With steps ``s = lam / levels``, ``q`` is ``s`` times the number of edges ``(i - 1/2) s``,
    ``i = 1..levels``, below the value ``x``, so with ``P_i`` the probability and ``M_i`` the
    mean of ``x`` beyond edge i: ``E[q x] = s sum M_i`` and ``E[q**2] = s**2 sum (2i - 1) P_i``.

    Args:
        mean: Of the pre-activation.
        deviation: Of the pre-activation, > 0.
        levels: Levels above 0.
        start: First guess, > 0.
    """
    order = np.arange(1, levels + 1)

    def too_small(full_scale: float) -> bool:
        """Whether k > 1."""
        step = full_scale / levels
        edge = ((order - 0.5) * step - mean) / deviation
        density = np.exp(-np.square(edge) / 2) / sqrt(2 * pi)
        beyond = np.interp(edge, *_TAIL, left=1.0, right=0.0)
        product = step * float(np.sum(mean * beyond + deviation * density))
        square = step * step * float(np.sum((2 * order - 1) * beyond))
        return product > square

    if not np.interp(-mean / deviation, *_TAIL, left=1.0, right=0.0) > 0:
        return start  # practically never active
    low = high = start
    while too_small(high):
        high *= 2
    while not too_small(low):
        low /= 2
    while high / low > 1 + ACCURACY:
        middle = sqrt(low * high)
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return low


def _tail_table() -> tuple[Array, Array]:
    """Return points and the share of a standard normal value beyond them, to 1e-8."""
    points = np.linspace(-9, 9, 36001)
    return points, np.array([erfc(point / sqrt(2)) / 2 for point in points.tolist()])


_TAIL = _tail_table()
