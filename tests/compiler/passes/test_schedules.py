"""Passes that give a network another schedule: what is exact, what is refused, what it takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.passes.normalize import normalize
from snnc.compiler.passes.schedule import DelayReadout, SpreadInitial, transient
from snnc.compiler.passes.to_differential import to_differential
from snnc.compiler.passes.to_two_phase import ToTwoPhase
from snnc.ir import (
    IF,
    Array,
    Clip,
    DifferentialIF,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    TensorType,
    TwoPhaseIF,
    latency,
)
from snnc.ir.errors import ConversionError
from snnc.ir.printer import to_text
from snnc.ir.reference import evaluate, run, step
from tests.ann_graphs import AnnBuilder, random_ann
from tests.conversions import chain_ann, convert, residual_ann, samples

# -- differential coding --------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["ternary", "multithreshold"]))
def test_differential_coding_converges(seed: int, code: str) -> None:
    """Real weights, thresholds at the maximum: the error falls with the number of steps."""
    graph = residual_ann(seed)
    x = samples(graph, seed, 16)
    expected = evaluate(graph, {"x": x})[graph.outputs["y"]]
    options: dict[str, Any] = {"code": code, "differential": True, "weight_bits": None}
    spiking = convert(graph, x, timesteps=256, **options)
    assert {node.levels for node in spiking.of_type(DifferentialIF)} == {1 if code[0] == "t" else 4}
    decoded = NumpyBackend().lower(spiking, 256).run({"x": x}).decoded["y"]
    errors = np.abs(decoded - expected[:, None]).mean(axis=(0, 2)) / np.abs(expected).mean()
    assert errors[255] < 0.02
    assert errors[255] < 0.3 * errors[15] or errors[255] < 0.005


def test_settled_values_send_next_to_nothing() -> None:
    """Rate coding repeats a value at every step; a correction is needed less and less often."""
    graph = residual_ann(1)
    x = samples(graph, 1, 32)
    expected = evaluate(graph, {"x": x})[graph.outputs["y"]]
    options: dict[str, Any] = {"code": "multithreshold", "timesteps": 32, "weight_bits": None}
    errors, events = {}, {}
    for differential in (False, True):
        spiking = convert(graph, x, differential=differential, **options)
        result = NumpyBackend().lower(spiking, 32).run({"x": x}, record=True)
        errors[differential] = np.abs(result.decoded["y"][:, -1] - expected).mean()
        events[differential] = sum(np.count_nonzero(sent) for sent in result.spikes.values())
    assert errors[True] < errors[False]
    assert 4 * events[True] < events[False]


def test_what_differential_coding_cannot_say_is_listed_at_once() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    first = net.relu(net.conv(net.input(1, 8, 8), 2))
    pool = net.pool(first, MaxPool)
    clip = net.relu(net.linear(net.flat(pool), 4), low=-1.0, high=1.0)
    graph = net.graph(net.linear(clip, 2))
    x = samples(graph, 0)
    spiking = convert(graph, x, code="ternary", weight_bits=None)
    with pytest.raises(ConversionError) as caught:
        to_differential(spiking)
    assert [p.message.split(":")[0] for p in caught.value.problems] == [pool, clip]
    assert all("compile" in p.hint for p in caught.value.problems)


# -- two phases -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "stages", "stage"),
    [("offset", 5, [1, 2, 3, 4, 5]), ("residual", 1, [1, 1, 1, 1, 1])],
)
def test_rehearsals_are_counted_as_steps(rule: str, stages: int, stage: list[int]) -> None:
    graph = residual_ann(0)
    x = samples(graph, 0)
    spiking = convert(graph, x, code="rate", timesteps=8, two_phase=rule, rehearsal=3)
    populations = spiking.of_type(TwoPhaseIF)
    assert [node.stage for node in populations] == stage
    assert {node.stages for node in populations} == {stages}
    assert latency(spiking) == 3 * stages
    decoded = NumpyBackend().lower(spiking, 8).run({"x": x}).decoded["y"]
    assert decoded.shape[1] == 8 + 3 * stages
    assert not decoded[:, : 3 * stages].any()
    (readout,) = spiking.of_type(Integrator)
    assert readout.start == 3 * stages + 1


def uneven() -> Graph:
    """Return two neurons that share a sample and reach a third in turn, one of them inhibiting.

    Both fire at every other step, the one that excites first. The third should be silent: all
    it receives sums up to 0. Its membrane is 1.5, so it fires, and -0.5 at the end.
    """
    one, half = np.ones(1), np.full(1, 0.5)
    hidden: dict[str, Any] = {
        "threshold": one,
        "bias": np.zeros(1),
        "initial": np.array([0.5, 0.0]),
    }
    return Graph(
        [
            Input(name="x", type=TensorType((1,))),
            Encoder(name="e", inputs=("x",)),
            Linear(name="w1", inputs=("e",), weight=np.ones((2, 1))),
            IF(name="turns", inputs=("w1",), **hidden),
            Linear(name="w2", inputs=("turns",), weight=np.array([[1.0, -1.0]])),
            IF(name="silent", inputs=("w2",), threshold=one, bias=np.zeros(1), initial=half),
            Linear(name="w3", inputs=("silent",), weight=np.ones((1, 1))),
            Integrator(name="y", inputs=("w3",), bias=np.zeros(1), scale=one),
        ],
        {"y": "y"},
    )


@pytest.mark.parametrize("rule", ["offset", "residual"])
def test_a_spike_of_uneven_input_is_corrected(rule: str) -> None:
    x = {"x": np.array([[0.5]])}
    plain = run(uneven(), x, 4)
    assert plain.spikes["silent"].ravel().tolist() == [1, 0, 0, 0]
    corrected = ToTwoPhase(rule, 4)(uneven())
    trace = run(corrected, x, 4)
    assert not trace.spikes["silent"][-4:].any()
    assert trace.outputs["y"][-1].tolist() == [[0.0]]


def test_offsets_bring_networks_closer_to_their_anns() -> None:
    """Spikes too many and too few are what is wrong at few steps, but for rounding."""
    found: dict[str | None, float] = {}
    for seed, rule in product(range(8), (None, "offset")):
        graph = chain_ann(seed, width=16, depth=4)
        x = samples(graph, seed, 64)
        expected = evaluate(graph, {"x": x})[graph.outputs["y"]]
        options: dict[str, Any] = {"code": "rate", "weight_bits": None}
        if rule:
            options |= {"two_phase": rule, "rehearsal": 8}
        spiking = convert(graph, x, **options)
        decoded = NumpyBackend().lower(spiking, 8).run({"x": x}).decoded["y"][:, -1]
        relative = np.square(decoded - expected).mean() / np.square(expected).mean()
        found[rule] = found.get(rule, 0.0) + float(relative)
    assert found["offset"] < 0.8 * found[None]


def test_a_max_pool_remembers_a_rehearsal_and_is_refused() -> None:
    graph = residual_ann(0, pool=MaxPool)
    spiking = convert(graph, samples(graph, 0), code="rate")
    pools = [node.name for node in spiking.of_type(MaxPool)]
    for rule in ("offset", "residual"):
        with pytest.raises(ConversionError) as caught:
            ToTwoPhase(rule, 4)(spiking)
        assert [p.message.split(":")[0] for p in caught.value.problems] == pools
        assert all(p.hint for p in caught.value.problems)


def test_a_network_without_neurons_rehearses_nothing() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.input(4), 3))
    x = samples(graph, 0)
    expected = evaluate(graph, {"x": x})["linear1"]
    for options in ({"two_phase": "offset"}, {"two_phase": "residual"}, {"code": "radix"}):
        spiking = convert(graph, x, timesteps=2, weight_bits=None, **options)
        decoded = NumpyBackend().lower(spiking, 2).run({"x": x}).decoded["y"]
        np.testing.assert_allclose(decoded[:, -1], expected, rtol=1e-5)


# -- shifts and readouts --------------------------------------------------------------------------


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


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_ann_gets_any_schedule_or_a_reason(seed: int) -> None:
    """Random networks of every construct: a schedule either runs or names what stops it."""
    graph = random_ann(seed)
    x = samples(graph, seed)
    choices: list[dict[str, Any]] = [
        {"code": "radix"},
        {"code": "radix", "radix": 3},
        {"code": "multithreshold", "select": "greedy"},
        {"code": "multithreshold", "differential": True, "weight_bits": None},
        {"two_phase": "offset"},
        {"two_phase": "residual"},
        {"code": "rate", "shift": "step"},
    ]
    for options in choices:
        try:
            spiking = convert(graph, x, timesteps=4, **options)
        except ConversionError:  # a max pool, or a sign that the code has not
            assert graph.of_type(MaxPool), options
            continue
        decoded = NumpyBackend().lower(spiking, 4).run({"x": x}).decoded["y"]
        assert np.isfinite(decoded).all()
        assert decoded[:, -1].any()
