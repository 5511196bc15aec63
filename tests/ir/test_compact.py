"""Arrays that repeat their numbers: the same results, without the memory."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.ir import Array
from snnc.ir.compact import compact, elementwise

rng = np.random.default_rng(0)
PAIRS = [
    (np.broadcast_to(2.0, (3, 4)), np.float64(3)),
    (np.broadcast_to(2.0, (3, 4)), rng.random((3, 1))),
    (np.broadcast_to(rng.random(4), (3, 4)), rng.random((3, 1))),
    (rng.random((3, 4)), np.broadcast_to(1.5, (1, 4))),
    (np.array(2.0), np.array(4.0)),
    (np.empty((0, 4)), rng.random(4)),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_results_are_those_of_numpy(pair: tuple[Array, Array]) -> None:
    left, right = map(np.asarray, pair)
    np.testing.assert_array_equal(elementwise(np.multiply, left, right), left * right)


def test_what_repeats_goes_on_to_repeat() -> None:
    large = np.broadcast_to(np.float32(2), (1000, 1000))
    assert compact(large).shape == (1, 1)
    assert compact(elementwise(np.multiply, large, np.ones((1000, 1)))).shape == (1000, 1)
    assert compact(np.ones((2, 3))).shape == (2, 3)
