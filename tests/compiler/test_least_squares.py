"""Ridge regression against closed forms, and its restraint where there is nothing to learn."""

from __future__ import annotations

import numpy as np

from snnc.compiler.least_squares import Moments, correction


def test_a_linear_error_is_found() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((4000, 6)) + 3
    missing = features @ (true := rng.standard_normal((6, 2))) + [0.5, -1.0]
    change, bias = correction(
        Moments.of(features[:3000], missing[:3000]), Moments.of(features[3000:], missing[3000:])
    )
    # the moments are summed in float32, and the smallest penalty shrinks a little
    np.testing.assert_allclose(change, true.T, atol=1e-3)
    np.testing.assert_allclose(bias, [0.5, -1.0], atol=1e-2)


def test_pure_noise_changes_next_to_nothing_but_the_bias() -> None:
    """More inputs than rows: plain least squares would fit the noise perfectly."""
    rng = np.random.default_rng(1)
    features, noise = rng.standard_normal((60, 80)), rng.standard_normal((60, 30)) + 2
    change, bias = correction(
        Moments.of(features[:45], noise[:45]), Moments.of(features[45:], noise[45:])
    )
    fresh = rng.standard_normal((1000, 80))
    assert np.square(fresh @ change.T).mean() < 0.15, "the noise has variance 1"
    assert abs(bias.mean() - 2) < 0.1


def test_inputs_that_never_vary_leave_the_bias() -> None:
    ones = np.ones((20, 3))
    change, bias = correction(Moments.of(ones, 4 * ones), Moments.of(ones, 4 * ones))
    assert not change.any()
    np.testing.assert_allclose(bias, 4)


def test_moments_add_up() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 3))
    parts = Moments.of(x[:20], y[:20]) + Moments.of(x[20:], y[20:])
    for got, expected in zip(parts.centred(), Moments.of(x, y).centred(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)
    gram, cross = parts.centred()
    np.testing.assert_allclose(gram, np.cov(x.T, bias=True), atol=1e-5)
    centred = (x - x.mean(axis=0)).T @ (y - y.mean(axis=0)) / 50
    np.testing.assert_allclose(cross, centred, atol=1e-5)
