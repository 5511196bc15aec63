"""Histograms of the magnitudes of a value, channel by channel, filled batch after batch.

The range of a channel is a power of two and grows with the values: pairs of bins then become one,
which is exact. So one look at the data is enough, and what comes out does not depend on the size
of the batches.

Where a channel has very many values, only those on a grid of places (``grid``) are counted: so many
that a channel has about ``ENOUGH`` counts. Who leaves values out says what the largest magnitude of
all of them is.

Measured on ResNet-20, on four sets of 512 training images of CIFAR-10: full scales of rule
``mmse`` for 8 levels, in the 304 of 688 channels of which a part is counted, differ from those of
all values by 1.4 % on average (by 0.1 % where signs count), by at most 4.4 % in 95 of 100 cases,
and by 14 % in the worst. From one set to another, all values counted, they differ by 1.9 %, 5.4 %
and 49 %.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from ctypes import byref, c_float, c_int, c_int64
from functools import partial
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

ROOM = 2048
"""Values of a channel that wait until they are counted together."""

ENOUGH = 1 << 16
"""Values of a channel that are counted, about, where there are more: 70 % of it at least."""


def grid(sizes: Sequence[int], samples: int) -> tuple[int, ...]:
    """Return the strides of the places that are counted in every sample.

    Args:
        sizes: Of a channel, one for each axis.
        samples: How many there will be.

    Returns:
        A stride for each axis, all 1 where every value is counted.
    """
    wanted = -(-ENOUGH // max(1, samples))
    strides = [1] * len(sizes)

    def places(axis: int) -> int:
        return -(-sizes[axis] // strides[axis])

    growing = [axis for axis, size in enumerate(sizes) if size > 1]
    counted = prod(sizes)
    while growing:
        axis = max(growing, key=places)
        strides[axis] += 1
        fewer = prod(map(places, range(len(sizes))))
        if fewer * counted < wanted**2:  # further from what is wanted, as a ratio
            strides[axis] -= 1
            growing.remove(axis)
            continue
        counted = fewer
        if places(axis) == 1:
            growing.remove(axis)
    return tuple(strides)


class Histogram:
    """Counts of one value's magnitudes.

    Args:
        channels: Of the value.

    Attributes:
        counts: ``(channels, 1 + BINS)``: zeros first, then magnitudes up to ``range``; one on a
            border belongs to the bin below.
        range: ``(channels,)``, float32: powers of two, 0 where there were zeros only.
        largest: ``(channels,)``, float32: infinite where a value was no finite number.
    """

    def __init__(self, channels: int) -> None:
        self.counts: Array = np.empty((channels, 1 + BINS), np.uint32)
        self.counts.fill(0)  # in large pages, which numpy asks for where it does not zero itself
        self.range = np.zeros(channels, np.float32)
        self.largest = np.zeros(channels, np.float32)
        self._waiting = np.empty((channels, ROOM), np.uint16)
        self._held = np.zeros(channels, np.int64)

    def add(self, values: Array) -> None:
        """Count values, ``(samples, channels, *places)``, float32."""
        magnitude = np.abs(values.reshape(len(values), len(self.range), -1))
        self.reach(magnitude.max(axis=2, initial=0))
        if not np.isfinite(self.largest).all():
            return
        self.widen(_above(float(self.largest.max())))
        with np.errstate(under="ignore"):
            bins = np.ceil(magnitude * (np.float32(BINS) / self.range[:, None])).astype(np.int64)
        bins += np.arange(len(self.range))[:, None] * (BINS + 1)
        found = np.bincount(bins.ravel(), minlength=self.counts.size)
        self.counts += found.reshape(self.counts.shape).astype(self.counts.dtype)

    def reach(self, magnitudes: Array) -> None:
        """Take note of magnitudes, ``(samples, channels)``, float32, without counting them."""
        most = magnitudes.max(axis=0, initial=0)
        np.maximum(self.largest, np.where(most <= LARGEST, most, np.inf), out=self.largest)

    def told(self, values: Array) -> library.HistogramLayout:
        """Return what the kernels are told of this histogram and of values to add."""
        sizes = len(self.range), prod(values.shape[2:]), ROOM
        own = self.range, self.largest, self.counts, self._waiting, self._held
        data, *pointers = (array.ctypes.data for array in (values, *own))
        return library.HistogramLayout(data, *sizes, *pointers)

    def widen(self, wanted: float) -> None:
        """Bring all channels to one range, not below any of theirs."""
        kernels = library.library()
        if kernels:
            nothing = np.empty((0, len(self.range), 0), np.float32)
            kernels.snnc_widen(byref(self.told(nothing)), c_int(BINS), c_float(wanted))
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
    kernels = library.library()
    if kernels is None:
        _all_done(
            pool.submit(histogram.add, x) for histogram, x in zip(histograms, values, strict=True)
        )
        return
    held = [np.ascontiguousarray(x, np.float32) for x in values]
    told = (library.HistogramLayout * len(held))(
        *(histogram.told(x) for histogram, x in zip(histograms, held, strict=True))
    )
    following = c_int64(0)
    sizes = c_int(len(told)), c_int64(len(held[0])), c_int(BINS)
    fill = partial(kernels.snnc_histograms, library.level(), told, *sizes, byref(following))
    _all_done(pool.submit(fill) for _ in range(threads()))


def threads() -> int:
    """Return how many threads count."""
    return os.cpu_count() or 1


def _all_done(tasks: Iterable[Future[Any]]) -> None:
    for task in list(tasks):
        task.result()


def _above(value: float) -> float:
    """Return the smallest range that holds a magnitude."""
    mantissa, exponent = np.frexp(max(value, SMALLEST))
    return float(np.ldexp(1.0, int(exponent) - bool(mantissa == 0.5)))
