r"""Which full scale rounds the magnitudes of a histogram with the least squared error.

With the step ``s = lam / levels`` and ``b_j = (j - 1/2) s``, the rounded value ``q(a)`` is ``s``
times the number of ``b_j`` below ``a``. With :math:`N_j` the number and :math:`A_j` the sum of the
magnitudes beyond ``b_j``,

.. math:: \sum (q(a) - a)^2 = \sum a^2 - 2 s \sum_j A_j + s^2 \sum_j (2j - 1) N_j.

The first term is the same for all, and left out.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_double, c_int64, c_void_p
from typing import Any

import numpy as np

from ...ir import Array
from .native import library

WORK = 1 << 17
"""Points of the grid times levels, over all rows, that NumPy looks at together."""

ROWS = 64
"""Rows that a thread of the compiled kernel takes at a time."""


def least_error(counts: Array, edges: Array, largest: Array, levels: int, grid: Array) -> Array:
    """Return for each row of counts the full scale of least squared error, ``(rows,)``.

    Args:
        counts: ``(rows, bins)``.
        edges: ``(1 + bins,)``, of one distance but for the last.
        largest: ``(rows,)``: the largest magnitude of each row.
        levels: Levels above 0.
        grid: Shares of the largest magnitude to choose from.
    """
    kernels = library.library()
    told = counts.dtype == np.uint32 and counts.strides[1] == counts.itemsize
    if kernels and told:
        return _of_kernels(kernels, counts, edges, largest, levels, grid)
    best = np.zeros(len(counts))
    each = max(1, WORK // (len(grid) * levels))
    for begin in range(0, len(counts), each):
        part = slice(begin, begin + each)
        best[part] = _of_some(counts[part], edges, largest[part], levels, grid)
    return best


def _of_some(counts: Array, edges: Array, largest: Array, levels: int, grid: Array) -> Array:
    centre = (edges[:-1] + edges[1:]) / 2
    number, total = (
        np.cumsum(np.pad(x, ((0, 0), (0, 1)))[:, ::-1], axis=1)[:, ::-1]
        for x in (counts.astype(np.float64), counts * centre)
    )  # from each bin on
    order = np.arange(1, levels + 1)
    step = grid * largest[:, None] / levels  # (rows, grid)
    beyond = np.floor(step[:, :, None] * ((order - 0.5) / _width(edges)) + 0.5)
    place = np.minimum(beyond, len(centre)).astype(np.intp)
    place += np.arange(len(counts))[:, None, None] * (len(centre) + 1)
    sums = total.ravel()[place].sum(axis=2)
    squares = number.ravel()[place] @ (2.0 * order - 1)
    error = step * (step * squares - 2 * sums)
    return np.asarray(grid[error.argmin(axis=1)] * largest)


def _of_kernels(
    kernels: Any, counts: Array, edges: Array, largest: Array, levels: int, grid: Array
) -> Array:
    rows, bins = counts.shape
    next_row = counts.strides[0] // counts.itemsize
    best, peak, shares = np.zeros(rows), *(np.ascontiguousarray(x, float) for x in (largest, grid))
    widths = c_double(_width(edges)), c_double((edges[-2] + edges[-1]) / 2)

    def part(begin: int) -> None:
        own = (x[begin:].ctypes.data for x in (counts, peak, best))
        first, most, found = map(c_void_p, own)
        memory = library.scratch(16 * (1 + bins))
        kernels.snnc_least_error(
            *(first, c_int64(min(ROWS, rows - begin)), c_int64(next_row), c_int64(bins), *widths),
            *(most, c_int64(levels), c_void_p(shares.ctypes.data), c_int64(len(shares)), found),
            c_void_p(memory.ctypes.data),
        )

    if rows <= ROWS:
        part(0)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(part, range(0, rows, ROWS)))
    return best


def _width(edges: Array) -> float:
    """Return the width of all bins but the last; one alone ends at the largest magnitude."""
    return float(edges[1])
