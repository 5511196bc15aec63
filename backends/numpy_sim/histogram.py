"""Histograms of the magnitudes of a value, channel by channel, filled batch after batch.

The range of a channel is a power of two and grows with the values: pairs of bins then become one,
which is exact. So one look at the data is enough, and what comes out depends neither on the order
nor on the size of the batches.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor, wait
from ctypes import c_float, c_int, c_int64, c_void_p
from math import prod
from typing import Any

import numpy as np

from ...ir import Array
from .native import library

BINS = 4096
"""Bins up to the range: more than half of them lie below the largest magnitude."""

SMALLEST = 2.0**-100
LARGEST = 2.0**127
"""Of ranges: powers of two that a float32 holds together with their multiples."""

PART = 1 << 18
"""Values that one task counts."""


class Histogram:
    """Counts of one value's magnitudes.

    Args:
        channels: Of the value.
        size: Most values a channel will have.

    Attributes:
        counts: ``(channels, 1 + BINS)``: zeros first, then magnitudes up to ``range``; one on a
            border belongs to the bin below.
        range: ``(channels,)``, float32: powers of two, 0 where there were zeros only.
        largest: ``(channels,)``, float32: infinite where a value was no finite number.
    """

    def __init__(self, channels: int, size: int) -> None:
        self.counts: Array = np.zeros(
            (channels, 1 + BINS), np.uint32 if size < 2**32 else np.uint64
        )
        self.range = np.zeros(channels, np.float32)
        self.largest = np.zeros(channels, np.float32)

    def add(self, values: Array) -> None:
        """Count values, ``(samples, channels, *places)``, float32."""
        magnitude = np.abs(values.swapaxes(0, 1).reshape(len(self.range), -1))
        most = magnitude.max(axis=1, initial=0)
        self.largest = np.maximum(self.largest, np.where(most <= LARGEST, most, np.inf))
        if not np.isfinite(self.largest).all():
            return
        self.widen(_above(float(self.largest.max())))
        with np.errstate(under="ignore"):
            bins = np.ceil(magnitude * (np.float32(BINS) / self.range[:, None])).astype(np.int64)
        bins += np.arange(len(bins))[:, None] * (BINS + 1)
        found = np.bincount(bins.ravel(), minlength=self.counts.size)
        self.counts = self.counts + found.reshape(self.counts.shape).astype(self.counts.dtype)

    def widen(self, wanted: float) -> None:
        """Bring all channels to one range, not below any of theirs."""
        kernels = _kernels()
        if kernels and self.counts.dtype == np.uint32:
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
    """Let each histogram count its values, on all threads of a pool."""
    kernels = _kernels()
    tasks = []
    for histogram, x in zip(histograms, values, strict=True):
        fits = x.dtype == np.float32 and x.flags.c_contiguous
        if kernels is None or not fits or histogram.counts.dtype != np.uint32:
            tasks.append(pool.submit(histogram.add, x))
            continue
        channels = len(histogram.range)
        each = max(1, PART * channels // max(1, x.size))
        for first in range(0, channels, each):
            part = first, min(channels, first + each)
            tasks.append(pool.submit(_count, kernels, histogram, x, part))
    wait(tasks)
    for task in tasks:
        task.result()


def threads() -> int:
    """Return how many threads count."""
    return os.cpu_count() or 1


def _count(kernels: Any, histogram: Histogram, x: Array, part: tuple[int, int]) -> None:
    sizes = (len(x), len(histogram.range), prod(x.shape[2:]), *part)
    arrays = histogram.range, histogram.largest, histogram.counts
    kernels.snnc_histogram(
        library.level(),
        c_void_p(x.ctypes.data),
        *map(c_int64, sizes),
        c_int(BINS),
        *(c_void_p(array.ctypes.data) for array in arrays),
    )


def _kernels() -> Any | None:
    """Return the compiled kernels, if they have the ones used here."""
    kernels = library.library()
    return kernels if kernels and hasattr(kernels, "snnc_histogram") else None


def _above(value: float) -> float:
    """Return the smallest range that holds a magnitude."""
    mantissa, exponent = np.frexp(max(value, SMALLEST))
    return float(np.ldexp(1.0, int(exponent) - bool(mantissa == 0.5)))
