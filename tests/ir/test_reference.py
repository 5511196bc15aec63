"""The semantics themselves: traces computed by hand, and the laws the nodes must obey."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Signal,
    Staircase,
    TensorType,
    reference,
)
from snnc.ir.bounds import membrane_bound
from snnc.ir.errors import ShapeError
from snnc.ir.reference import evaluate, run, step
from tests.spiking_graphs import TIMESTEPS, random_graph, random_inputs

# lava-nc 0.10.0 gave these trains for the same currents in fixed point (weights x 64).
CURRENTS = [0.6, 0.6, 0.6, 0.6, -2, 0, 0, 0, 3.5, 0, 0, 0]


def train(currents: list[float], **settings: Any) -> list[int]:
    """Return the payloads of one integer neuron with threshold 64."""
    settings = {"initial": np.array([0])} | settings
    node = IF(name="n", inputs=("c",), threshold=np.array([64]), bias=np.array([0]), **settings)
    state: dict[str, Array] = {}
    sent = []
    for t, current in enumerate(currents):
        x = np.array([[round(current * 64)]])
        sent.append(int(step(node, [x], state, t + 1)[0, 0]))
    return sent


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]),
        ({"max_negative": 1, "deadband": 1}, [0, 1, 0, 1, -1, 0, 0, 0, 1, 1, 0, 0]),
        ({"max_positive": 3}, [0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]),
        (
            {"max_positive": 3, "max_negative": 3, "deadband": 1},
            [0, 1, 0, 1, -1, 0, 0, 0, 2, 0, 0, 0],
        ),
    ],
    ids=["binary", "ternary", "graded", "graded signed"],
)
def test_trains_measured_in_lava(settings: dict[str, Any], expected: list[int]) -> None:
    assert train(CURRENTS, **settings) == expected


def test_a_spike_needs_the_threshold_and_no_more() -> None:
    assert train([63 / 64, 1 / 64]) == [0, 1]


def test_soft_reset_keeps_the_rest() -> None:
    # 1.5 thresholds a step: 1.5, then 0.5 + 1.5 = 2.0, then 1.0 + 1.5 = 2.5, ...
    assert train([1.5, 1.5, 0, 0]) == [1, 1, 1, 0]


def test_a_reset_to_zero_loses_what_is_above_the_threshold() -> None:
    # 1.5 thresholds a step: each fires and leaves 0, so the halves are lost and nothing follows
    assert train([1.5, 1.5, 0, 0], reset="zero") == [1, 1, 0, 0]
    # from 0.5 on, 0.75 a step: 1.25 fires, 0.75, 1.5 fires, 0.75, 1.5 fires
    half = {"initial": np.array([32])}
    assert train([0.75] * 5, reset="zero", **half) == [1, 0, 1, 0, 1]
    # soft reset: 1.25 fires, 1.0 fires, 0.75, 1.5 fires, 1.25 fires
    assert train([0.75] * 5, **half) == [1, 1, 0, 1, 1]
    # what is missing to the threshold is not lost: -2 takes two steps to pay back
    assert train([1, -2, 1, 1, 1], reset="zero") == [1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "settings",
    [
        {"max_positive": 2},
        {"max_negative": 1},
        {"acc_max": 3},
        {"acc_min": 0},
        {"select": "nearest"},
        {"reset": "half"},
    ],
)
def test_a_reset_to_zero_is_for_binary_spikes(settings: dict[str, Any]) -> None:
    one = np.array([64])
    fields = {"reset": "zero"} | settings
    node = IF(name="n", inputs=("c",), threshold=one, bias=0 * one, initial=0 * one, **fields)
    with pytest.raises(ShapeError, match=r"n: .*reset"):
        node.infer(TensorType((1,), Signal.CURRENT))


def test_after_a_reset_to_zero_one_current_is_all_above_the_threshold() -> None:
    encoder = Encoder(name="e", inputs=("x",), scale=1.0, bounds=(0, 7))
    synapse = Linear(name="l", inputs=("e",), weight=np.array([[90, 30]], np.int8))
    theta, bias, start = (np.array([value]) for value in (500, 3, 0))
    soft = IF(name="n", inputs=("l",), threshold=theta, bias=bias, initial=start)
    graph = Graph([Input(name="x", type=TensorType((2,))), encoder, synapse, soft], {"y": "n"})
    hard, most, state = replace(soft, reset="zero"), 0, dict[str, Array]()
    for t, current in enumerate([499 - 3, *[840] * 6]):
        before = int(state.get("v", np.zeros(1, np.int64)).item())
        step(hard, [np.array([[current]])], state, t + 1)
        most = max(most, before + current + 3)
    assert most == 499 + 843
    assert membrane_bound(graph, hard, 7) == most + 1, "of real numbers below the threshold of 500"
    assert membrane_bound(graph, soft, 7) == 500 + 7 * 843


def test_deadband_zero_answers_every_negative_membrane() -> None:
    # v: 1 -> spike, 0; then -1/64 -> floor is -1; with deadband 1 it stays silent
    assert train([1, -1 / 64], max_negative=1) == [1, -1]
    assert train([1, -1 / 64], max_negative=1, deadband=1) == [1, 0]


def test_the_guard_takes_back_only_what_was_sent() -> None:
    assert train([-5, 0, 0], max_negative=1) == [-1, -1, -1]
    assert train([-5, 0, 0], max_negative=1, acc_min=0) == [0, 0, 0]
    assert train([1, -5, 0], max_negative=1, acc_min=0) == [1, -1, 0]


LITERAL = {"max_negative": 1, "deadband": 1}
"""TerMapping as published in words: a negative threshold of minus one, and no guard."""

GUARDED = {"max_negative": 1, "acc_min": 0}
"""TerMapping as its successors read it, and as snnc does: every debt is paid, none is made."""


def test_the_literal_double_threshold_says_a_negative_value() -> None:
    """The drive is negative, so the ReLU is silent; without guard -2 are sent for it."""
    half = {"initial": np.array([32])}
    # v: 0.5 - 0.8 = -0.3, -1.1 fires, -0.1 - 0.8 = -0.9, -1.7 fires
    assert train([-0.8] * 4, **LITERAL, **half) == [0, -1, 0, -1]
    assert train([-0.8] * 4, **GUARDED, **half) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("currents", "literal", "guarded", "rounded"),
    [
        # 0.5 + 0.5 fires; then the drive falls to -0.4, which rounds to 0. The rest of -0.9 lies
        # in the dead zone: the literal neuron keeps one unit too many.
        ([0.5, -0.9, 0, 0], [1, 0, 0, 0], [1, -1, 0, 0], 0),
        # the same one unit higher: it comes to rest at 2 where the drive of 0.6 rounds to 1
        ([1.5, 0, -0.9, 0], [1, 1, 0, 0], [1, 1, -1, 0], 1),
        # beyond the dead zone both take a unit back
        ([0.5, -1.5, 0, 0], [1, -1, 0, 0], [1, -1, 0, 0], 0),
    ],
)
def test_a_dead_zone_leaves_a_unit_too_many(
    currents: list[float], literal: list[int], guarded: list[int], rounded: int
) -> None:
    half = {"initial": np.array([32])}
    assert train(currents, **LITERAL, **half) == literal
    assert train(currents, **GUARDED, **half) == guarded
    assert sum(guarded) == rounded


def test_the_upper_bound_stops_a_neuron() -> None:
    assert train([4, 0, 0, 0], acc_max=2) == [1, 1, 0, 0]


def test_a_saturated_membrane_forgets_the_excess() -> None:
    assert train([10, 0, 0, 0, 0], clamp=128) == [1, 1, 0, 0, 0]


def test_an_augmented_spike_carries_a_coefficient_up_to_its_cap() -> None:
    assert train([6.5, 0, -9, 0], max_positive=4, max_negative=4) == [4, 2, -4, -4]


def test_half_a_threshold_at_the_start_rounds_to_nearest() -> None:
    # 4 steps of 0.4 are 1.6 units: with v_init 1/2 the count is 2, without it 1
    half = {"initial": np.array([32])}
    assert sum(train([0.4] * 4, **half)) == 2
    assert sum(train([0.4] * 4)) == 1


@given(st.integers(0, 2**32 - 1))
def test_a_max_pool_of_spikes_telescopes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    node = MaxPool(name="p", kernel=(2, 3), stride=(2, 1), padding=(1, 0, 0, 1), dilation=(1, 2))
    trains = rng.integers(-3, 4, (8, 2, 3, 6, 7))
    state: dict[str, Array] = {}
    sent = sum(step(node, [frame], state, t + 1) for t, frame in enumerate(trains))
    once = step(node, [trains.sum(axis=0)], {}, 1)
    np.testing.assert_array_equal(sent, once)


def test_the_encoder_rounds_half_to_even_and_saturates() -> None:
    node = Encoder(name="e", inputs=("x",), scale=0.5)
    x = np.array([[0.25, 0.75, -0.25, 100.0, -100.0]])
    assert step(node, [x], {}, 1).tolist() == [[0, 2, 0, 127, -127]]


@given(st.integers(0, 2**32 - 1))
def test_what_a_neuron_sent_and_holds_is_what_it_received(seed: int) -> None:
    """Soft reset loses nothing: D = V - V(0) + theta * acc (methods: identity 0)."""
    rng = np.random.default_rng(seed)
    node = IF(
        name="n",
        inputs=("c",),
        threshold=rng.integers(1, 50, 20),
        bias=rng.integers(-5, 6, 20),
        initial=rng.integers(0, 20, 20),
        max_positive=int(rng.integers(1, 5)),
        max_negative=int(rng.integers(0, 5)),
        deadband=int(rng.integers(0, 2)),
    )
    state: dict[str, Array] = {}
    received: Array = np.zeros((2, 20), np.int64)
    for t in range(1, 9):
        current = rng.integers(-90, 120, (2, 20))
        step(node, [current], state, t)
        received = received + current + node.bias
    np.testing.assert_array_equal(
        state["v"] - node.initial + node.threshold * state["acc"], received
    )


def test_convolution_against_scalar_loops() -> None:
    rng = np.random.default_rng(0)
    weight, x = rng.normal(size=(4, 1, 2, 3)), rng.normal(size=(2, 2, 5, 7))
    node = Conv(
        name="c",
        inputs=("x",),
        weight=weight,
        stride=(2, 1),
        padding=(1, 0, 2, 1),
        dilation=(2, 2),
        groups=2,
    )
    got = step(node, [x], {}, 1)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 1)))
    for index in np.ndindex(*got.shape):
        n, o, i, j = index
        total = sum(
            weight[o, 0, a, b] * padded[n, o // 2, 2 * i + 2 * a, j + 2 * b]
            for a in range(2)
            for b in range(3)
        )
        assert got[index] == pytest.approx(total)


def test_outputs_are_means_in_ann_units() -> None:
    graph = Graph(
        [
            Input(name="x", type=TensorType((1,))),
            Encoder(name="e", inputs=("x",), scale=0.5),
            Linear(name="w", inputs=("e",), weight=np.array([[3]], np.int8)),
            Integrator(name="y", inputs=("w",), bias=np.array([2]), scale=np.array([0.25])),
        ],
        {"y": "y"},
    )
    trace = run(graph, {"x": np.array([[2.0]])}, 3)
    # payload 4 at every step: the current is 12 + 2, the mean stays 14 * 0.25
    assert trace.outputs["y"].ravel().tolist() == [3.5, 3.5, 3.5]


def test_evaluate_keeps_every_value() -> None:
    weight = np.array([[1.0, -1.0]])
    graph = Graph(
        [
            Input(name="x", type=TensorType((2,))),
            Linear(name="y", inputs=("x",), weight=weight, bias=np.array([0.5])),
        ],
        {"y": "y"},
    )
    values = evaluate(graph, {"x": np.array([[3.0, 1.0]])})
    assert values["y"].tolist() == [[2.5]]
    assert set(values) == {"x", "y"}


def test_samples_do_not_see_each_other() -> None:
    graph = random_graph(3)
    inputs = random_inputs(graph, 3)
    together = reference.run(graph, inputs, TIMESTEPS).outputs["y"]
    for index in range(3):
        alone = reference.run(graph, {"x": inputs["x"][index : index + 1]}, TIMESTEPS)
        np.testing.assert_array_equal(alone.outputs["y"][:, 0], together[:, index])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [-2, -1, -1, 0, 0, 0, 1, 2]),
        ({"offset": 0.5}, [-1, -1, 0, 0, 1, 1, 2, 3]),
        ({"rounding": "half_even"}, [-2, -1, 0, 0, 0, 1, 2, 2]),
        ({"offset": 0.5, "low": 0, "high": 2}, [0, 0, 0, 0, 1, 1, 2, 2]),
        ({"step": np.full(1, 0.5), "low": -2, "high": 2}, [-1, -1, -0.5, 0, 0.5, 0.5, 1, 1]),
        ({"step": np.full(1, 2.0), "offset": 0.25}, [-2, -2, 0, 0, 0, 0, 2, 2]),
    ],
)
def test_levels_of_a_staircase(fields: dict[str, Any], expected: list[float]) -> None:
    node = Staircase(name="s", inputs=("x",), **fields)
    x = np.array([[-1.5, -1.0, -0.5, 0.0, 0.5, 0.75, 1.5, 2.5]])
    assert step(node, [x], {}, 1)[0].tolist() == expected
