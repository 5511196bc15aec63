"""Threshold rules: the full scale ``lam`` of an activation, from its statistics.

- ``max``: the largest magnitude seen (Diehl et al., IJCNN 2015).
- ``percentile``: the given percentile of the magnitudes of all values
  (Rueckauer et al., *Front. Neurosci.* 11:682, 2017, use 99.9); ``max`` where that is 0.
- ``mmse``: the grid point ``lam = c * max`` with ``c`` in 1.00, 0.99, ..., 0.06 that least
  distorts the activations, ``mean((q(a) - a)**2)`` with
  ``q(a) = theta / T * clip(round(a T / theta), 0, max_positive T)`` (Li et al., ICML 2021;
  the grid is that of their code; here with rounding, because the membrane starts at half a
  threshold).
- ``bound``: the upper bound of a clip, which training or the design of the network chose (Ding
  et al., IJCAI 2021: the threshold of a rate norm layer; Deng and Gu, ICLR 2021: that of their
  ReLU); ``max`` where there is none.

No rule gives more than the bound of a clip, for all start from the largest value seen. Behind a
staircase none is asked (``pipeline.trained_full_scale``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Array
from ..ir.errors import OptionError
from .calibration import Statistics

RULES = ("max", "percentile", "mmse", "bound")
FEWEST = 1000
"""Values of a channel that an estimate of its own needs: fewer say too little of its tail."""

GRID = np.arange(100, 5, -1) / 100


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

    def full_scale(self, statistics: Statistics, timesteps: int, max_positive: int) -> Array:
        """Return ``lam`` of one activation, ``(1,)`` or ``(channels,)``, ANN units, > 0.

        Channels that were never active, and all channels where there are fewer than ``FEWEST``
        values of each, get the value of the whole population.

        Args:
            statistics: Histogram of the activation's magnitudes.
            timesteps: T.
            max_positive: Largest payload of an event.
        """
        whole = self._estimate(statistics.pooled(), statistics.edges, timesteps, max_positive)
        whole = whole if whole > 0 else 1.0
        if not self.per_channel or statistics.counts[0].sum() < FEWEST:
            return np.full(1, whole)
        each = [
            self._estimate(counts, statistics.edges, timesteps, max_positive)
            for counts in statistics.counts
        ]
        return np.array([value if value > 0 else whole for value in each])

    def _estimate(self, counts: Array, edges: Array, timesteps: int, max_positive: int) -> float:
        """Return ``lam`` from counts of zeros (first) and of magnitudes between edges."""
        filled = np.flatnonzero(counts[1:])
        if not len(filled):
            return 0.0
        largest = float(edges[filled[-1] + 1])
        if self.name in ("max", "bound"):
            return largest
        if self.name == "percentile":
            share = np.cumsum(counts) / counts.sum()
            index = int(np.searchsorted(share, self.percentile / 100))
            return float(edges[index]) if index else largest  # more zeros than the percentile
        return _least_error(counts[1:], edges, largest, timesteps, max_positive)


def _least_error(
    counts: Array, edges: Array, largest: float, timesteps: int, max_positive: int
) -> float:
    filled = counts > 0
    centre = ((edges[:-1] + edges[1:]) / 2)[filled]
    weight = counts[filled]
    levels = max_positive * timesteps
    best, least = largest, np.inf
    for share in GRID:
        step = share * largest / levels
        error = np.sum(weight * (step * np.clip(np.rint(centre / step), 0, levels) - centre) ** 2)
        if error < least:
            best, least = share * largest, error
    return float(best)
