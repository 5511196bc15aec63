"""Ridge regression against closed forms, and its restraint where there is nothing to learn."""

from __future__ import annotations

import numpy as np

from snnc.compiler.least_squares import HELD_OUT, UNIMPORTANT, Rows, correction
from snnc.ir import Array


def held_out(rows: int) -> Array:
    return np.asarray(np.arange(rows) % HELD_OUT == 0)


def missing(features: Array, wanted: Array) -> Rows:
    return Rows(features, wanted, np.zeros_like(wanted))


def test_a_linear_error_is_found() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((4000, 6)) + 3
    wanted = features @ (true := rng.standard_normal((6, 2))) + [0.5, -1.0]
    change, bias = correction(missing(features, wanted), held_out(4000))
    # the moments are summed in float32, and the smallest penalty shrinks a little
    np.testing.assert_allclose(change, true.T, atol=1e-3)
    np.testing.assert_allclose(bias, [0.5, -1.0], atol=1e-2)


def test_pure_noise_changes_next_to_nothing_but_the_bias() -> None:
    """More inputs than rows: plain least squares would fit the noise perfectly."""
    rng = np.random.default_rng(1)
    features, noise = rng.standard_normal((60, 80)), rng.standard_normal((60, 30)) + 2
    change, bias = correction(missing(features, noise), held_out(60))
    fresh = rng.standard_normal((1000, 80))
    assert np.square(fresh @ change.T).mean() < 0.15, "the noise has variance 1"
    assert abs(bias.mean() - 2) < 0.1


def test_inputs_that_never_vary_leave_the_bias() -> None:
    ones = np.ones((20, 3))
    change, bias = correction(missing(ones, 4 * ones), held_out(20))
    assert not change.any()
    np.testing.assert_allclose(bias, 4)


def test_what_comes_out_already_is_not_added_again() -> None:
    rng = np.random.default_rng(2)
    features = rng.standard_normal((2000, 4))
    given = features @ rng.standard_normal((4, 3))
    change, bias = correction(Rows(features, given + 1, given), held_out(2000))
    np.testing.assert_allclose(change, 0, atol=1e-3)
    np.testing.assert_allclose(bias, 1, atol=1e-3)


def test_silent_rows_weigh_little_and_the_answer_is_the_weighted_one() -> None:
    """Against the normal equations of the weighted problem, weights taken from the answer."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((3000, 3))
    line = features @ np.array([[1.0], [0.5], [-1.0]])
    wanted = np.where(line > 0, line, 3 * line - 0.3)  # a kink that no linear map can follow
    change, bias = correction(missing(features, wanted), held_out(3000), silent=-0.25)
    delivered = features @ change.T + bias
    silent = (wanted < -0.25) & (delivered < -0.25)
    weight = np.sqrt(np.where(silent, UNIMPORTANT, 1.0))
    design = np.hstack([features, np.ones((3000, 1))]) * weight
    expected = np.linalg.lstsq(design, wanted * weight, rcond=None)[0][:, 0]
    np.testing.assert_allclose([*change[0], *bias], expected, atol=0.03)
    plain, _ = correction(missing(features, wanted), held_out(3000))
    assert np.abs(change - plain).max() > 0.3, "the weights make a difference"
