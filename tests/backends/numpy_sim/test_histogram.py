"""Histograms of magnitudes: against a count of each value by itself, with every kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.backends.numpy_sim.histogram import BINS, ENOUGH, Histogram, add_all, grid
from snnc.backends.numpy_sim.native import library
from snnc.ir import Array

LEVELS = range(library.level() + 1) if library.library() else ()


@pytest.fixture(params=["numpy", *(f"level {level}" for level in LEVELS)])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(library, "library", lambda: None)
    else:
        monkeypatch.setattr(library, "level", lambda: int(request.param[-1]))
    return str(request.param)


def batches(seed: int, growth: float) -> list[Array]:
    """Return batches with zeros, a channel of zeros only, and values that grow or shrink."""
    rng = np.random.default_rng(seed)
    sizes = [(count, 6, 13, 41) for count in (1, 5, 2, 7)]
    made = [rng.standard_normal(size).astype(np.float32) for size in sizes]
    for index, x in enumerate(made):
        x *= np.float32(growth**index)
        x[rng.random(x.shape) < 0.4] = 0
        x[:, 2] = 0
        x[:, 3] *= np.float32(1e-3)
    return made


def counted(parts: list[Array]) -> Histogram:
    found = Histogram(parts[0].shape[1])
    with ThreadPoolExecutor(2) as pool:
        for x in parts:
            add_all([found], [x], pool)
    return found


@pytest.mark.parametrize("growth", [1.0, 7.3, 0.2])
def test_every_value_is_in_its_bin(kernels: str, growth: float) -> None:
    parts = batches(3, growth)
    found = counted(parts)
    counts, edges = found.in_common()
    values = np.abs(np.concatenate(parts)).swapaxes(0, 1).reshape(6, -1).astype(np.float64)
    np.testing.assert_array_equal(found.largest, values.max(axis=1))
    assert edges[0] == 0
    assert edges[-1] == values.max()
    assert BINS // 2 < len(edges) <= BINS + 1
    for channel, row in zip(values, counts, strict=True):
        assert row[0] == np.sum(channel == 0)
        expected = np.bincount(np.searchsorted(edges, channel[channel > 0]), minlength=len(edges))
        np.testing.assert_array_equal(row[1:], expected[1:])


def test_batches_and_their_order_do_not_matter(kernels: str) -> None:
    parts = batches(5, 3.0)
    first = counted(parts).in_common()
    for other in (
        parts[::-1],
        [np.concatenate(parts)],
        [p[i : i + 1] for p in parts for i in range(len(p))],
    ):
        for wanted, got in zip(first, counted(other).in_common(), strict=True):
            np.testing.assert_array_equal(wanted, got)


def test_zeros_alone_have_a_histogram(kernels: str) -> None:
    found = counted([np.zeros((3, 2, 4), np.float32)])
    counts, edges = found.in_common()
    np.testing.assert_array_equal(counts[:, 0], [12, 12])
    assert counts.sum() == 24
    assert edges[-1] == 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_has_no_range_is_known(kernels: str, value: float) -> None:
    x = np.ones((2, 3, 5), np.float32)
    x[1, 1, 4] = value
    np.testing.assert_array_equal(np.isinf(counted([x]).largest)[1], True)


def test_the_smallest_and_the_largest_numbers_have_a_bin(kernels: str) -> None:
    for value in (1e-45, 1e-30, 2.0**127):
        counts, edges = counted([np.full((1, 1, 3), value, np.float32)]).in_common()
        assert counts.sum() == 3
        assert edges[-1] == np.float32(value)


def test_values_that_are_not_contiguous_count_too(kernels: str) -> None:
    x = np.random.default_rng(0).standard_normal((4, 6, 5)).astype(np.float32)
    np.testing.assert_array_equal(
        counted([x[:, ::2]]).in_common()[0], counted([x[:, ::2].copy()]).in_common()[0]
    )


def test_magnitudes_that_are_not_counted_widen_the_edges(kernels: str) -> None:
    x = np.random.default_rng(1).random((4, 2, 9)).astype(np.float32)
    found = counted([x])
    found.reach(np.array([[0, 7.0], [0.001, 2.0]], np.float32))
    counts, edges = found.in_common()
    assert edges[-1] == 7.0
    np.testing.assert_array_equal(found.largest, [x[:, 0].max(), 7.0])
    np.testing.assert_array_equal(counts.sum(axis=1), [36, 36])
    where = np.searchsorted(edges, x[:, 1].ravel().astype(np.float64))
    np.testing.assert_array_equal(counts[1], np.bincount(where, minlength=len(edges)))
    found.reach(np.array([[np.nan, 1.0]], np.float32))
    assert not np.isfinite(found.largest[0])


@given(st.lists(st.integers(1, 120), max_size=3), st.integers(0, 2000))
def test_a_grid_leaves_enough(sizes: list[int], samples: int) -> None:
    """And no axis could be thinned further but for fewer than wanted."""

    def counts(strides: Sequence[int]) -> int:
        return math.prod(-(-size // stride) for size, stride in zip(sizes, strides, strict=True))

    strides = grid(sizes, samples)
    wanted = -(-ENOUGH // max(samples, 1))
    if math.prod(sizes) <= wanted:
        assert strides == (1,) * len(sizes)
        return
    assert counts(strides) >= 0.7 * wanted
    for axis, size in enumerate(sizes):
        further = [*strides[:axis], strides[axis] + 1, *strides[axis + 1 :]]
        nearer = counts(further) * counts(strides) >= wanted**2
        assert not nearer or -(-size // strides[axis]) == 1
