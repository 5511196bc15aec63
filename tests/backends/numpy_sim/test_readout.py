"""Readouts are summed over all steps at once, to the last bit as the reference sums them."""

from __future__ import annotations

import numpy as np

from snnc.backends.numpy_sim.kernels import readout, stepwise
from snnc.ir import Integrator


def integrator(clamp: int | None = None, start: int = 1) -> Integrator:
    rng = np.random.default_rng(0)
    return Integrator(
        name="out",
        inputs=("a", "b"),
        bias=rng.normal(size=(5,)),
        scale=rng.random(5),
        clamp=clamp,
        start=start,
    )


def test_means_are_those_of_the_reference_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    currents = [rng.normal(size=(9, 4, 5)), rng.normal(size=(1, 4, 5))]  # one never changes
    trace = readout(integrator(), currents, 9)
    assert trace is not None
    np.testing.assert_array_equal(trace, stepwise(integrator(), currents, 9))


def test_sums_that_saturate_and_late_readouts_are_left_to_the_reference() -> None:
    currents = [np.ones((9, 4, 5)), np.ones((1, 4, 5))]
    assert readout(integrator(clamp=10), currents, 9) is None
    assert readout(integrator(clamp=1000), currents, 9) is not None
    assert readout(integrator(start=3), currents, 9) is None
