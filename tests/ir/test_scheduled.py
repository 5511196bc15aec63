"""Neurons and readouts with a schedule: traces computed by hand, and what must hold for all."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.ir import (
    Array,
    DifferentialIF,
    Integrator,
    Node,
    Population,
    RadixIF,
    Signal,
    TensorType,
    TwoPhaseIF,
    latency,
)
from snnc.ir.errors import ShapeError
from snnc.ir.reference import step


def play(node: Node, currents: Sequence[float] | Array, kind: type = np.float64) -> Array:
    """Return the values of a node after each step, for ``(steps,)`` or ``(steps, neurons)``."""
    state: dict[str, Array] = {}
    frames: Array = np.asarray(currents, kind).reshape(len(currents), 1, -1)
    return np.stack([step(node, [x], state, t + 1)[0] for t, x in enumerate(frames)])


def trace(node: Node, currents: Sequence[float], kind: type = np.float64) -> list[float]:
    """Return the values of a single neuron after each step."""
    values: list[float] = play(node, currents, kind)[:, 0].tolist()
    return values


def parameters(one: Any, **changed: Any) -> dict[str, Any]:
    """Return the parameters of neurons with threshold ``one`` and no bias, at rest."""
    start = np.array([one])
    common = {"name": "n", "inputs": ("c",)}
    return common | {"threshold": start, "bias": 0 * start, "initial": 0 * start} | changed


# -- radix ----------------------------------------------------------------------------------------


def test_digits_come_most_significant_first() -> None:
    """2 * 9 + 0 * 3 + 1 = 19 in base 3, with three steps of waiting."""
    node = RadixIF(**parameters(10), base=3, digits=3, start=3)
    assert trace(node, [150, 5, 40, 0, 0, 0], np.int64) == [0, 0, 18, 0, 1, 0]
    assert node.payload == (0, 18)
    assert node.latency == 2


@pytest.mark.parametrize(("received", "sent"), [(10**6, [4, 2, 1]), (-5, [0, 0, 0])])
def test_values_out_of_range_saturate(received: int, sent: list[int]) -> None:
    node = RadixIF(**parameters(64), base=2, digits=3, start=1)
    assert trace(node, [received, 0, 0], np.int64) == sent


def test_the_bias_of_a_radix_neuron_counts_once() -> None:
    node = RadixIF(**parameters(8, bias=np.array([16]), initial=np.array([4])), digits=3, start=2)
    # 4 + 16 + 5 = 25 holds three thresholds: 0, 2 and 1
    assert trace(node, [5, 0, 0, 0], np.int64) == [0, 0, 2, 1]


def test_what_comes_after_the_start_breaks_the_value() -> None:
    """Why layers take turns: a late current is seen by the digits that are left only."""
    node = RadixIF(**parameters(1), base=2, digits=3, start=1)
    assert trace(node, [3, 4, 0], np.int64) == [0, 2, 1]  # 3 of 7: the 4 came too late


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 5))
def test_digits_sum_up_to_the_rounded_down_value(seed: int, base: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    theta = rng.integers(1, 40, 30)
    start = int(rng.integers(1, 5))
    most = base**digits - 1
    received = rng.integers(-9 * most, 60 * most, (start, 30))
    node = RadixIF(**parameters(1, threshold=theta), base=base, digits=digits, start=start)
    silence = np.zeros((digits, 30), np.int64)
    sent = play(node, np.concatenate([received, silence]), np.int64)
    expected = np.clip(received.sum(axis=0) // theta, 0, most)
    np.testing.assert_array_equal(sent.sum(axis=0), expected)
    assert not sent[: start - 1].any()
    assert not sent[start - 1 + digits :].any()
    for place in range(digits):
        weight = base ** (digits - 1 - place)
        found, rest = np.divmod(sent[start - 1 + place], weight)
        assert not rest.any()
        assert found.max() < base


# -- differential ---------------------------------------------------------------------------------


def test_one_threshold_corrects_the_value_said() -> None:
    """Threshold 1, start 1/2, a drive of 0.4 at the first step; r is what is still to be said.

    t = 1: v = 0.4 + 0.5 < 1. t = 2: v = 0.8 + 0.5, so 1; r = 0.4 - 1/2 = -0.1.
    t = 3: v = -0.3 + 0.5. t = 4: v = -0.4 + 0.5. Said: 1/2.
    """
    node = DifferentialIF(**parameters(1.0, initial=np.array([0.5])), select="count")
    assert trace(node, [0.4, 0, 0, 0]) == [0, 1, 0, 0]


def test_a_later_correction_is_worth_less() -> None:
    """Drives 0.8 and -1.2 / 2: the value falls from 0.8 to 0.2.

    t = 1: v = 1.3, so 1; r = -0.2. t = 2: r = -0.8, v = -1.1, so -1 (said 1, then 1/2);
    r = -0.3. t = 3: v = -0.4, so -1 (said 1/6); r = 1/30. t = 4: v = 0.63.
    """
    node = DifferentialIF(**parameters(1.0, initial=np.array([0.5])), select="count")
    assert trace(node, [0.8, -1.2, 0, 0]) == [1, -1, -1, 0]


def test_several_thresholds_and_the_bias_of_the_first_step() -> None:
    """Thresholds 1/4, 1/2 and 1; drive 0.5, bias 0.1.

    t = 1: r = 0.6, v = 2.4 units, so 2; r = 0.1. t = 2: v = 0.8, so 1; r = 0.1 - 0.125.
    t = 3: v = -0.3. t = 4: v = -0.4. Said 2.5 units: 0.625.
    """
    settings = parameters(0.25, bias=np.array([0.1]))
    node = DifferentialIF(**settings, levels=3, select="nearest")
    assert trace(node, [0.5, 0, 0, 0]) == [2, 1, 0, 0]
    # greedy: 2.4 >= 1.5, then 0.8, then -0.3 and -0.4, and -0.5 is still at rest
    greedy = DifferentialIF(**settings, levels=3, select="greedy")
    assert trace(greedy, [0.5, 0, 0, 0]) == [2, 1, 0, 0]


def test_the_guard_of_a_differential_neuron_counts_what_was_said() -> None:
    """An event of step 1 is worth two of step 2: it can be taken back by -2 then."""
    settings = parameters(1.0)
    drives = [1, -4, 0, 0]
    guarded = DifferentialIF(**settings, levels=3, select="nearest")
    # t = 2: r = -2, v = -4: -4 would say 1 - 2; silent. t = 3: 1 - 4 / 3; silent. t = 4: 1 - 1.
    assert trace(guarded, [*drives, 0]) == [1, 0, 0, -4, 0]
    # t = 2: said 1 - 1, v = -2, so -2 and said 0: that much can be taken back
    assert trace(guarded, [1, -2, 0, 0]) == [1, -2, 0, 0]
    free = DifferentialIF(**settings, levels=3, select="nearest", guard=False)
    assert trace(free, drives)[:2] == [1, -4]


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_a_constant_drive_is_said_to_half_a_threshold_by_t(steps: int, seed: int) -> None:
    """One threshold: after t steps the error of the value said is at most theta / (2 t).

    By induction: the membrane leaves a step in [0, theta), so t r lies within half a threshold
    of 0, and so much times (t + 1) / t is at most one event away from that again.
    """
    rng = np.random.default_rng(seed)
    drive = rng.uniform(-1, 1, 50)
    node = DifferentialIF(**parameters(1.0, initial=np.array([0.5])), select="count")
    x = np.zeros((steps, 50))
    x[0] = drive
    sent = play(node, x)
    said = np.cumsum(sent / np.arange(1, steps + 1)[:, None], axis=0)
    bound = 0.5 / np.arange(1, steps + 1)[:, None]
    assert np.all(np.abs(said - np.maximum(drive, 0)) <= bound + 1e-9)


@pytest.mark.parametrize(("select", "share"), [("nearest", 0.75), ("greedy", 0.5)])
def test_several_thresholds_follow_a_drive_as_well(select: str, share: float) -> None:
    """After the catching up of the first steps the rest is below the least that fires."""
    drive = np.linspace(-8, 8, 4001)
    node = DifferentialIF(**parameters(1.0), levels=4, select=select, guard=False)
    x = np.zeros((64, len(drive)))
    x[0] = drive
    said = np.cumsum(play(node, x) / np.arange(1, 65)[:, None], axis=0)
    for t in (8, 16, 32, 64):
        assert np.all(np.abs(said[t - 1] - drive) <= share / t + 1e-9)


@pytest.mark.parametrize(
    ("select", "swings"), [("count", True), ("greedy", True), ("nearest", False)]
)
def test_a_margin_keeps_a_settled_value_quiet(select: str, swings: bool) -> None:
    """Corrected at 1/2, a rest of 1/2 is soon too much again: events at two of three steps."""
    initial = np.array([0.5 if select == "count" else 0.0])
    node = DifferentialIF(**parameters(1.0, initial=initial), select=select)
    sent = play(node, [0.4, *[0] * 255])[:, 0]
    events = np.count_nonzero(sent[4:])
    assert events > 150 if swings else events < 8


def test_nothing_bounds_a_differential_value_above() -> None:
    """Full scale 1: rate-type codes cut 1.5 off, a sum of 1 / t does not."""
    node = DifferentialIF(**parameters(1.0, initial=np.array([0.5])), select="count")
    sent = play(node, [1.5, *[0] * 63])[:, 0]
    assert np.sum(sent / np.arange(1, 65)) == pytest.approx(1.5, abs=0.5 / 64)


# -- two phases -----------------------------------------------------------------------------------

EVEN = [0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("currents", "plain", "corrected"),
    [
        # mean 0, but excitation comes first: v 1.5 fires, ends at -0.5. Start 0.5 - 1: never 1.
        ([1, -1, 1, -1], [1, 0, 0, 0], [0, 0, 0, 0]),
        # mean 3/8, all of it last: v 2 fires once and 1 is left. Start 1.5: fires at once, too.
        ([0, 0, 0, 1.5], [0, 0, 0, 1], [1, 0, 0, 1]),
        # a spike from far above the threshold needs a lower start: 0.5 - (2.5 - 0.999)
        ([2, -1, -1, -1], [1, 0, 0, 0], [0, 0, 0, 0]),
        # evenly distributed: nothing to correct
        (EVEN, [1, 0, 1, 0], [1, 0, 1, 0]),
        # too few by two: one spike is added
        ([0, 0, 0, 3], [0, 0, 0, 1], [1, 0, 0, 1]),
        # negative, but nothing was sent: ReLU is right already
        ([-1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
@pytest.mark.parametrize(("one", "kind"), [(1.0, np.float64), (1000, np.int64)])
def test_an_offset_adds_or_removes_one_spike(
    currents: list[float], plain: list[int], corrected: list[int], one: float, kind: type
) -> None:
    x = np.array(currents) * one
    settings = parameters(one, initial=np.array([one / 2]).astype(kind))
    node = TwoPhaseIF(**settings, rule="offset", rehearsal=4, stage=1, stages=1)
    assert trace(node, [*x, *x], kind) == [*plain, *corrected]
    assert node.latency == 4


@pytest.mark.parametrize(
    ("currents", "rehearsed", "after"),
    [
        # ends at -0.5: taken for an ANN value of 0
        ([1, -1, 1, -1], [1, 0, 0, 0], [0, 0, 0, 0]),
        # ends at exactly 0, which is not above 0.001 either
        ([0.5, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]),
        # ends at 0.5: goes on as before
        (EVEN, [1, 0, 1, 0], [1, 0, 1, 0]),
    ],
)
@pytest.mark.parametrize(("one", "kind"), [(1.0, np.float64), (1000, np.int64)])
def test_a_residual_at_or_below_zero_silences(
    currents: list[float], rehearsed: list[int], after: list[int], one: float, kind: type
) -> None:
    x = np.array(currents) * one
    settings = parameters(one, initial=np.array([one / 2]).astype(kind))
    node = TwoPhaseIF(**settings, rule="residual", rehearsal=4, stage=1, stages=1)
    assert trace(node, [*x, *x], kind) == [*rehearsed, *after]


def test_a_population_corrects_itself_in_its_own_stage_only() -> None:
    """Three stages of two steps; it looks at itself in the second, and starts anew in each."""
    settings = parameters(1.0, initial=np.array([0.5]))
    node = TwoPhaseIF(**settings, rule="offset", rehearsal=2, stage=2, stages=3)
    # each stage: 1.5 fires, then -0.5; after stage 2 the start is -0.5
    assert trace(node, [1, -1] * 3 + [1, -1, 1, -1]) == [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert node.latency == 6


def test_what_follows_the_last_rehearsal_is_one_run() -> None:
    """With T above a rehearsal's length the membrane is not reset in the middle."""
    settings = parameters(1.0, initial=np.array([0.5]))
    node = TwoPhaseIF(**settings, rule="residual", rehearsal=2, stage=1, stages=1)
    sent = trace(node, [0.3] * 2 + [0.3] * 10)
    assert sum(sent[2:]) == floor(0.5 + 3.0)


# -- readouts -------------------------------------------------------------------------------------


def readout(**settings: Any) -> Integrator:
    one = np.ones(1)
    return Integrator(name="y", inputs=("c",), **{"bias": one, "scale": 2 * one} | settings)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # 2 * (mean current + 1)
        ({}, [2, 4, 6, 6]),
        # the first two steps are left out: 4, then (4 + 2) / 2
        ({"start": 3}, [0, 0, 10, 8]),
        # 2 * (sum + 1), the bias once
        ({"decoding": "sum"}, [2, 6, 14, 18]),
        # 2 * (0 + 2/2 + 4/3 + 2/4 + 1)
        ({"decoding": "harmonic"}, [2, 4, 20 / 3, 23 / 3]),
    ],
    ids=["mean", "late", "sum", "harmonic"],
)
def test_readouts(settings: dict[str, Any], expected: list[float]) -> None:
    assert trace(readout(**settings), [0, 2, 4, 2]) == pytest.approx(expected)


def test_a_saturating_readout_saturates_in_every_decoding() -> None:
    for decoding in ("mean", "sum", "harmonic"):
        node = readout(decoding=decoding, clamp=3, bias=np.zeros(1), scale=np.ones(1))
        assert trace(node, [9])[0] == 3


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "node",
    [
        RadixIF(**parameters(1), base=1, digits=2, start=1),
        RadixIF(**parameters(1), digits=0, start=1),
        RadixIF(**parameters(1), digits=2, start=0),
        DifferentialIF(**parameters(1.0), levels=0),
        DifferentialIF(**parameters(1.0), select="best"),
        DifferentialIF(**parameters(1)),
        TwoPhaseIF(**parameters(1), rule="magic", rehearsal=4, stage=1, stages=1),
        TwoPhaseIF(**parameters(1), rule="offset", rehearsal=0, stage=1, stages=1),
        TwoPhaseIF(**parameters(1), rule="offset", rehearsal=4, stage=2, stages=1),
        TwoPhaseIF(**parameters(0), rule="offset", rehearsal=4, stage=1, stages=1),
        readout(decoding="median"),
        readout(start=0),
    ],
)
def test_impossible_settings_are_refused(node: Node) -> None:
    with pytest.raises(ShapeError, match=rf"^{node.name}: "):
        node.infer(TensorType((1,), Signal.CURRENT))


def test_the_longest_wait_is_the_latency_of_a_network() -> None:
    nodes: list[Population] = [
        RadixIF(**parameters(1), digits=2, start=start) for start in (1, 4, 2)
    ]
    assert latency(nodes) == 3
    assert latency([]) == 0


def test_harmonic_sums_are_those_of_fractions() -> None:
    """The guard's slack covers the rounding of a thousand steps."""
    node = DifferentialIF(**parameters(1.0, initial=np.array([0.5])), select="count")
    x = np.zeros((1000, 1))
    x[0] = 1 / 3
    sent = play(node, x)[:, 0].astype(int).tolist()
    said = sum((Fraction(e, t) for t, e in enumerate(sent, start=1)), Fraction(0))
    assert abs(said - Fraction(1, 3)) <= Fraction(1, 2000)
