"""When neurons get their initial membrane, and when the readout begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.compiler.passes.normalize import normalize
from snnc.compiler.passes.schedule import DelayReadout, SpreadInitial, transient
from snnc.ir import (
    IF,
    Array,
    Clip,
    Graph,
    Input,
    Linear,
    TensorType,
)
from snnc.ir.printer import to_text
from snnc.ir.reference import run, step
from tests.conversions import chain_ann, convert, samples


def counts(node: IF, drive: Array, steps: int) -> Array:
    """Return the spikes sent up to each step for a constant drive, ``(steps, neurons)``."""
    state: dict[str, Array] = {}
    sent = [step(node, [drive[None]], state, t)[0] for t in range(1, steps + 1)]
    return np.cumsum(sent, axis=0)


@given(st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_a_spread_shift_ends_where_the_initial_one_does(steps: int, seed: int) -> None:
    """Both are the staircase ``(theta / T) clip(floor(T z / theta + 1/2), 0, T)``.

    Deng and Gu (ICLR 2021) with the shift over all steps; with the shift at the start also the
    theorem of QCFS (Bu et al., ICLR 2022): T steps are exactly an activation with T levels.
    Multiples of 1/(4 T) would not be exact in floats, multiples of theta in integers are.
    """
    rng = np.random.default_rng(seed)
    theta = 2 * steps * int(rng.integers(1, 20))  # the shift of a step is a whole number
    drive = rng.integers(-2 * theta, 3 * theta, 100)
    whole: dict[str, Any] = {"threshold": np.array([theta]), "bias": np.zeros(1, np.int64)}
    initial = IF(name="n", inputs=("c",), initial=np.array([theta // 2]), **whole)
    spread = IF(
        name="n",
        inputs=("c",),
        threshold=np.array([theta]),
        bias=np.array([theta // (2 * steps)]),
        initial=np.zeros(1, np.int64),
    )
    staircase = np.clip((2 * steps * drive + theta) // (2 * theta), 0, steps)
    early, late = counts(initial, drive, steps), counts(spread, drive, steps)
    np.testing.assert_array_equal(early[-1], staircase)
    np.testing.assert_array_equal(late[-1], staircase)
    assert np.all(late <= early), "a spread shift sends nothing earlier"


def test_spreading_moves_the_membrane_into_the_bias() -> None:
    graph = convert(chain_ann(0), samples(chain_ann(0), 0), code="rate", weight_bits=None)
    spread = SpreadInitial(8)(graph)
    for before, after in zip(graph.of_type(IF), spread.of_type(IF), strict=True):
        assert not after.initial.any()
        np.testing.assert_allclose(after.bias, before.bias + 0.5 / 8)
    options: dict[str, Any] = {"code": "rate", "weight_bits": None, "shift": "step"}
    chosen = convert(chain_ann(0), samples(chain_ann(0), 0), **options)
    assert to_text(chosen) == to_text(spread)


def test_transients_differ_between_the_shifts() -> None:
    graph = chain_ann(2)
    x = samples(graph, 2, 16)
    at_start, spread = (
        run(convert(graph, x, code="rate", weight_bits=None, shift=shift), {"x": x}, 8).spikes
        for shift in ("initial", "step")
    )
    first = graph.of_type(Clip)[0].name
    np.testing.assert_array_equal(at_start[first].sum(axis=0), spread[first].sum(axis=0))
    assert not np.array_equal(at_start[first], spread[first])
    assert at_start[first].cumsum(axis=0).sum() > spread[first].cumsum(axis=0).sum()


def test_a_delayed_readout_leaves_out_the_first_steps() -> None:
    graph = chain_ann(0)
    x = samples(graph, 0)
    spiking = convert(graph, x, code="rate", weight_bits=None)
    late = DelayReadout(3)(spiking)
    plain = run(spiking, {"x": x}, 8).outputs["y"]
    got = run(late, {"x": x}, 8).outputs["y"]
    assert not got[:3].any()
    sums = plain * np.arange(1, 9)[:, None, None]
    np.testing.assert_allclose(got[3:], (sums[3:] - sums[2]) / np.arange(1, 6)[:, None, None])


def waiting_network(largest: float) -> tuple[Graph, Graph, dict[str, Array]]:
    """Return two ReLUs in a row, the second 0.4 times the first, with samples up to ``largest``.

    Converted with full scale 1, half a threshold at the start.
    """
    ann = Graph(
        [
            Input(name="x", type=TensorType((2,))),
            Linear(name="l1", inputs=("x",), weight=np.eye(2)),
            Clip(name="r1", inputs=("l1",)),
            Linear(name="l2", inputs=("r1",), weight=0.4 * np.eye(2)),
            Clip(name="r2", inputs=("l2",)),
            Linear(name="y", inputs=("r2",), weight=np.eye(2)),
        ],
        {"y": "y"},
    )
    # the mean of the first neuron is half of the largest, that of the second a quarter
    x = np.array([[largest, largest], [0, -largest]], np.float32) * np.array([1, 0.5], np.float32)
    spiking = convert(ann, np.ones((1, 2), np.float32), code="rate", weight_bits=None)
    unit = {node.name: float(node.unit[0]) for node in spiking.of_type(IF)}
    assert unit == pytest.approx({"r1": 1.0, "r2": 0.4})
    return spiking, ann, {"x": x}


def test_the_transient_is_the_sum_of_waits_for_a_first_spike() -> None:
    """Means 0.25 and 0.1 / 0.4 of a threshold: half a threshold takes 2 steps in each layer."""
    spiking, ann, data = waiting_network(largest=0.5)
    assert transient(spiking, ann, data, 32) == 4
    # a membrane that starts at 0 waits twice as long
    slow = Graph(
        (replace(n, initial=np.zeros(1)) if isinstance(n, IF) else n for n in spiking),
        spiking.outputs,
    )
    assert transient(slow, ann, data, 32) == 8


@pytest.mark.parametrize(
    ("timesteps", "expected"), [(32, 4), (8, 4), (7, 3), (5, 1), (4, 0), (1, 0)]
)
def test_four_steps_are_always_read_out(timesteps: int, expected: int) -> None:
    spiking, ann, data = waiting_network(largest=0.5)
    assert transient(spiking, ann, data, timesteps) == expected


def test_a_silent_layer_waits_for_nothing() -> None:
    spiking, ann, data = waiting_network(largest=0.5)
    assert transient(spiking, ann, {"x": -np.abs(data["x"])}, 32) == 0


def test_the_transient_of_integers_is_that_of_the_real_network() -> None:
    graph = chain_ann(4)
    x = samples(graph, 4, 32)
    real, whole = (convert(graph, x, code="rate", weight_bits=bits) for bits in (None, 8))
    found = [transient(normalize(network), graph, {"x": x}, 64) for network in (real, whole)]
    assert found[0] == found[1] > 0
