"""Histograms of the magnitudes of a value, channel by channel, filled batch after batch.

The range of a channel is a power of two and grows with the values: pairs of bins then become one,
which is exact. So one look at the data is enough, and what comes out does not depend on the size
of the batches.

The largest magnitude is that of all values. What is counted is a fixed part of them where there
are very many: of every sample a band of so many places that each channel has ``ENOUGH`` counts.
Bands follow each other from sample to sample and begin again behind the last place, so every place
is counted equally often, up to one. Neighbours in a band are correlated, so the standard error is
not that of as many independent values.

Measured on ResNet-20, on four sets of 512 training images of CIFAR-10: full scales of rule
``mmse`` for 8 levels, in the 304 of 688 channels of which a part is counted, differ from those of
all values by 1.4 % on average, by at most 4.3 % in 95 of 100 cases, and by 21 % in the worst. From
one set to another, all values counted, they differ by 1.9 %, 5.4 % and 49 %.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from ctypes import byref, c_float, c_int, c_int64, c_void_p
from functools import partial
from typing import Any

import numpy as np

from ...ir import Array
from .native import library

BINS = 4096
"""Bins up to the range: more than half of them lie below the largest magnitude."""

SMALLEST = 2.0**-100
LARGEST = 2.0**127
"""Of ranges: powers of two that a float32 holds together with their multiples."""

ENOUGH = 1 << 16
"""Values of a channel that are counted, at least, where there are as many."""


class Histogram:
    """Counts of one value's magnitudes.

    Args:
        channels: Of the value.
        places: Values of a channel in one sample.
        samples: How many there will be.

    Attributes:
        counts: ``(channels, 1 + BINS)``: zeros first, then magnitudes up to ``range``; one on a
            border belongs to the bin below.
        range: ``(channels,)``, float32: powers of two, 0 where there were zeros only.
        largest: ``(channels,)``, float32: infinite where a value was no finite number.
        seen: Samples added until now.
        band: Places of a sample that are counted.
    """

    def __init__(self, channels: int, places: int, samples: int) -> None:
        self.counts: Array = np.zeros((channels, 1 + BINS), np.uint32)
        self.range = np.zeros(channels, np.float32)
        self.largest = np.zeros(channels, np.float32)
        self.seen = 0
        self.places = places
        self.band = min(places, -(-ENOUGH // max(1, samples)))

    def add(self, values: Array) -> None:
        """Count values, ``(samples, channels, *places)``, float32."""
        magnitude = np.abs(values.reshape(len(values), len(self.range), self.places))
        most = magnitude.max(axis=(0, 2), initial=0)
        self.largest = np.maximum(self.largest, np.where(most <= LARGEST, most, np.inf))
        if not np.isfinite(self.largest).all():
            return
        self.widen(_above(float(self.largest.max())))
        sample = np.arange(self.seen, self.seen + len(values))
        place = (sample[:, None] * self.band + np.arange(self.band)) % self.places
        counted = np.take_along_axis(magnitude, place[:, None], axis=2)
        with np.errstate(under="ignore"):
            bins = np.ceil(counted * (np.float32(BINS) / self.range[:, None])).astype(np.int64)
        bins += np.arange(len(self.range))[:, None] * (BINS + 1)
        found = np.bincount(bins.ravel(), minlength=self.counts.size)
        self.counts += found.reshape(self.counts.shape).astype(self.counts.dtype)
        self.seen += len(values)

    def told(self, values: Array) -> library.HistogramLayout:
        """Return what the kernels are told of this histogram and of values to add."""
        sizes = len(self.range), self.places, self.band
        arrays = values, self.range, self.largest, self.counts
        data, *own = (array.ctypes.data for array in arrays)
        return library.HistogramLayout(data, *sizes, *own)

    def widen(self, wanted: float) -> None:
        """Bring all channels to one range, not below any of theirs."""
        kernels = _kernels()
        if kernels:
            where = c_void_p(self.range.ctypes.data), c_float(wanted)
            counts = c_void_p(self.counts.ctypes.data)
            kernels.snnc_widen(c_int64(len(self.range)), BINS, *where, counts)
            return
        self.range[self.range == 0] = wanted
        while (low := self.range < wanted).any():
            rows = self.counts[low]
            rows[:, 1 : 1 + BINS // 2] = rows[:, 1:].reshape(len(rows), -1, 2).sum(axis=2)
            rows[:, 1 + BINS // 2 :] = 0
            self.counts[low] = rows
            self.range[low] *= 2

    def in_common(self) -> tuple[Array, Array]:
        """Return counts up to the largest magnitude of all channels, and the edges of the bins.

        Returns:
            ``(channels, 1 + bins)`` with zeros first, and ``(1 + bins,)``, from 0 to the largest
            magnitude: the last bin ends there.
        """
        largest = float(self.largest.max(initial=0))
        wanted = _above(largest)
        self.widen(wanted)
        used = max(1, int(np.ceil(largest / wanted * BINS)))
        edges = np.arange(used + 1) * (wanted / BINS)
        edges[-1] = largest or 1.0
        return self.counts[:, : 1 + used], edges


def add_all(histograms: Sequence[Histogram], values: Sequence[Array], pool: Executor) -> None:
    """Let each histogram count its values, on all threads of a pool.

    Args:
        histograms: One for each value.
        values: Of equally many samples, ``(samples, channels, *places)``, float32.
        pool: Of ``threads()`` threads.
    """
    kernels = _kernels()
    if kernels is None:
        _all_done(
            pool.submit(histogram.add, x) for histogram, x in zip(histograms, values, strict=True)
        )
        return
    held = [np.ascontiguousarray(x, np.float32) for x in values]
    told = (library.HistogramLayout * len(held))(
        *(histogram.told(x) for histogram, x in zip(histograms, held, strict=True))
    )
    samples, seen, following = len(held[0]), histograms[0].seen, c_int64(0)
    sizes = c_int(len(told)), c_int64(samples), c_int64(seen), c_int(BINS)
    fill = partial(kernels.snnc_histograms, library.level(), told, *sizes, byref(following))
    _all_done(pool.submit(fill) for _ in range(threads()))
    for histogram in histograms:
        histogram.seen += samples


def threads() -> int:
    """Return how many threads count."""
    return os.cpu_count() or 1


def _all_done(tasks: Iterable[Future[Any]]) -> None:
    for task in list(tasks):
        task.result()


def _kernels() -> Any | None:
    """Return the compiled kernels, if they have the ones used here."""
    kernels = library.library()
    return kernels if kernels and hasattr(kernels, "snnc_histograms") else None


def _above(value: float) -> float:
    """Return the smallest range that holds a magnitude."""
    mantissa, exponent = np.frexp(max(value, SMALLEST))
    return float(np.ldexp(1.0, int(exponent) - bool(mantissa == 0.5)))
