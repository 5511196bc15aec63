"""The full scale of least squared error: the compiled kernel against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.numpy_sim.histogram import Histogram
from snnc.backends.numpy_sim.least_error import least_error
from snnc.backends.numpy_sim.native import library

GRID = np.arange(100, 5, -1) / 100


@pytest.mark.skipif(library.library() is None, reason="no compiled kernels here")
@pytest.mark.parametrize("levels", [1, 4, 32, 255])
def test_kernel_and_numpy_choose_alike(levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(levels)
    values = np.maximum(rng.standard_normal((400, 150, 5)) * rng.exponential(1, (150, 1)), 0)
    values[:, 7] = 0
    histogram = Histogram(150)
    histogram.add(values.astype(np.float32))
    counts, edges = histogram.in_common()
    told = counts[:, 1:], edges, histogram.largest.astype(np.float64), levels, GRID
    found = least_error(*told)
    monkeypatch.setattr(library, "library", lambda: None)
    # two neighbours of the grid may err alike but for the order in which sums are rounded
    assert np.mean(found == least_error(*told)) > 0.99
    assert found[7] == 0
