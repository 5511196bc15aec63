"""Histograms of magnitudes: against a count of each value by itself, with every kernel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from snnc.backends.numpy_sim import histogram as module
from snnc.backends.numpy_sim.histogram import BINS, Histogram, add_all
from snnc.backends.numpy_sim.native import library
from snnc.ir import Array

LEVELS = range(library.level() + 1) if module._kernels() else ()


@pytest.fixture(params=["numpy", *(f"level {level}" for level in LEVELS)])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(module, "_kernels", lambda: None)
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
    found = Histogram(parts[0].shape[1], parts[0][0, 0].size, sum(map(len, parts)))
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


def test_bands_of_samples_count_every_place_equally_often(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 12 samples with 35 places each, 10 places are counted: band after band, cyclically."""
    monkeypatch.setattr(module, "ENOUGH", 120)
    parts = [np.full((count, 2, 5, 7), 1.0, np.float32) for count in (3, 1, 8)]
    whole = np.concatenate(parts)
    whole[:, 1] = np.arange(35).reshape(5, 7) + 1
    found = counted(np.split(whole, [3, 4]))
    places = np.arange(120) % 35 + 1
    counts, edges = found.in_common()
    assert found.band == 10
    np.testing.assert_array_equal(counts.sum(axis=1), [120, 120])
    expected = np.bincount(np.searchsorted(edges, places), minlength=len(edges))
    np.testing.assert_array_equal(counts[1], expected)


def test_what_is_counted_does_not_depend_on_batches(
    kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENOUGH", 700)
    parts = batches(5, 3.0)
    first = counted(parts)
    for other in ([np.concatenate(parts)], [p[i : i + 1] for p in parts for i in range(len(p))]):
        got = counted(other)
        np.testing.assert_array_equal(first.largest, got.largest)
        for wanted, found in zip(first.in_common(), got.in_common(), strict=True):
            np.testing.assert_array_equal(wanted, found)
    every = np.concatenate(parts).swapaxes(0, 1).reshape(6, -1)
    np.testing.assert_array_equal(first.largest, np.abs(every).max(axis=1))
