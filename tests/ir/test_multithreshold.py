"""Multi-threshold neurons: traces computed by hand, and the digits they serialise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.ir import IF, Array, Signal, TensorType
from snnc.ir.errors import ShapeError
from snnc.ir.reference import step

LEVELS = st.integers(1, 7)
"""Numbers of thresholds: 1, 2, 4, ... times the least."""


def trains(currents: Array, threshold: Array, **settings: Any) -> tuple[Array, Array]:
    """Return payloads ``(steps, neurons)`` and final membranes of a population at rest."""
    zero = np.zeros(1, threshold.dtype)
    settings = {"bias": zero, "initial": zero} | settings
    node = IF(name="n", inputs=("c",), threshold=threshold, **settings)
    state: dict[str, Array] = {}
    sent = [step(node, [x[None]], state, t + 1)[0] for t, x in enumerate(currents)]
    return np.stack(sent), state["v"][0]


@pytest.mark.parametrize("one", [64, 1.0], ids=["integer", "real"])
@pytest.mark.parametrize(
    ("select", "currents", "expected", "left"),
    [
        # 5: 4 is nearest (5 >= 3), then 1 is left: 1, then nothing
        ("nearest", [5, 0, 0], [4, 1, 0], 0),
        # 3 is as near to 4 as to 2, and goes up: -1 is left, and taken back
        ("nearest", [3, 0, 0], [4, -1, 0], 0),
        # 0.75 is the least that fires, and leaves -0.25
        ("nearest", [0.734375, 0.015625, 0], [0, 1, 0], -0.25),
        # beyond the largest level it sends that level again and again
        ("nearest", [20, 0, 0, 0], [8, 8, 4, 0], 0),
        # 5 >= 3.5, then 1 >= 0.5
        ("greedy", [5, 0, 0], [4, 1, 0], 0),
        # 3 < 3.5: 2, then 1
        ("greedy", [3, 0, 0], [2, 1, 0], 0),
        # 3.5 is the least that sends 4, and the half that is too much stays: no swinging
        ("greedy", [3.5, 0, 0], [4, 0, 0], -0.5),
        ("greedy", [0.484375, 0.015625, 0], [0, 1, 0], -0.5),
        ("greedy", [-5, 0, 0], [-4, -1, 0], 0),
    ],
)
def test_traces(
    select: str, currents: list[float], expected: list[int], left: float, one: float
) -> None:
    threshold = np.array([one])
    x = np.array(currents)[:, None] * one
    x = x.astype(threshold.dtype)
    sent, v = trains(x, threshold, max_positive=8, max_negative=8, select=select)
    assert sent[:, 0].tolist() == expected
    assert v.tolist() == [left * one]


@pytest.mark.parametrize("select", ["nearest", "greedy"])
def test_where_a_bound_would_break_nothing_is_sent(select: str) -> None:
    """The guard silences an event whole: -2 is not cut down to the -1 that could be taken back."""
    threshold = np.array([64])
    settings = {"max_positive": 8, "max_negative": 8, "select": select}
    x = np.array([[64], [-128], [0], [64], [0]])
    guarded, v = trains(x, threshold, acc_min=0, **settings)
    assert guarded[:, 0].tolist() == [1, 0, 0, -1, 0]
    assert v.tolist() == [0]
    free, _ = trains(x, threshold, **settings)
    assert free[:, 0].tolist() == [1, -2, 0, 1, 0]
    above, _ = trains(-x, threshold, acc_max=0, **settings)
    assert above[:, 0].tolist() == [-1, 0, 0, 1, 0]


def test_without_negative_events_a_neuron_keeps_what_is_too_much() -> None:
    sent, v = trains(
        np.array([[3 * 64], [0], [0]]), np.array([64]), max_positive=4, select="nearest"
    )
    assert sent[:, 0].tolist() == [4, 0, 0]
    assert v.tolist() == [-64]


@given(levels=LEVELS, thetas=st.integers(1, 60))
def test_nearest_powers_need_half_as_many_steps_as_levels(levels: int, thetas: int) -> None:
    """A value sent once is a signed-digit number without neighbours: ceil(n / 2) digits.

    Every integer drive up to the largest level (methods, G6), whatever the threshold.
    """
    most = 2 ** (levels - 1)
    theta = 4 * thetas
    largest = most * theta
    drive = np.unique(np.linspace(-largest, largest, 4001).astype(np.int64))
    x = np.zeros(((levels + 1) // 2 + 2, len(drive)), np.int64)
    x[0] = drive
    sent, v = trains(x, np.array([theta]), max_positive=most, max_negative=most, select="nearest")
    assert not sent[(levels + 1) // 2 :].any()
    assert np.all(4 * np.abs(v) <= 3 * theta)
    np.testing.assert_array_equal(sent.sum(axis=0) * theta + v, drive)
    once = np.abs(sent)[np.abs(sent) > 0]
    assert np.all(once & (once - 1) == 0), "powers of two only"


@given(levels=LEVELS, thetas=st.integers(1, 60))
def test_greedy_powers_leave_half_a_threshold(levels: int, thetas: int) -> None:
    """One digit after the other, largest first: up to n steps, and |rest| <= theta / 2."""
    most = 2 ** (levels - 1)
    theta = 2 * thetas
    largest = (2 * most - 1) * theta
    drive = np.unique(np.linspace(-largest, largest, 4001).astype(np.int64))
    x = np.zeros((levels + 2, len(drive)), np.int64)
    x[0] = drive
    sent, v = trains(x, np.array([theta]), max_positive=most, max_negative=most, select="greedy")
    assert not sent[levels:].any()
    assert np.all(2 * np.abs(v) <= theta)
    np.testing.assert_array_equal(sent.sum(axis=0) * theta + v, drive)


@given(seed=st.integers(0, 2**32 - 1), levels=LEVELS)
def test_all_digits_in_one_step_are_an_augmented_spike(seed: int, levels: int) -> None:
    """Successive approximation by the levels is a spike with a coefficient up to 2**n - 1.

    The basal neuron of H-MT (methods, F12), written down here as published: from the largest
    level to the least, each sends where the rest of the membrane reaches it.
    """
    rng = np.random.default_rng(seed)
    least = int(rng.integers(1, 40)) * 2  # half of it must be whole
    currents = rng.integers(-(2**levels) * least, 2 ** (levels + 1) * least, (9, 50))
    v: Array = np.full(50, least // 2)
    expected = []
    for x in currents:
        v = v + x
        event = np.zeros(50, np.int64)
        for k in range(levels - 1, -1, -1):
            fires = v >= least * 2**k
            v = v - fires * least * 2**k
            event = event + fires * 2**k
        expected.append(event)
    sent, left = trains(
        currents, np.array([least]), initial=np.array([least // 2]), max_positive=2**levels - 1
    )
    np.testing.assert_array_equal(sent, np.stack(expected))
    np.testing.assert_array_equal(left, v)


@pytest.mark.parametrize("fields", [{"select": "best"}, {"select": "nearest", "max_positive": 3}])
def test_a_rule_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    one = np.ones(1)
    node = IF(name="n", inputs=("c",), threshold=one, bias=one, initial=one, **fields)
    with pytest.raises(ShapeError, match=r"^n: (no firing rule|3 is no power)"):
        node.infer(TensorType((1,), Signal.CURRENT))
