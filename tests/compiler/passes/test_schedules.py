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
from snnc.compiler.passes.to_differential import to_differential
from snnc.compiler.passes.to_radix import ToRadix
from snnc.compiler.passes.to_two_phase import ToTwoPhase
from snnc.ir import (
    IF,
    AveragePool,
    DifferentialIF,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    RadixIF,
    TensorType,
    TwoPhaseIF,
    latency,
)
from snnc.ir.bounds import is_quantized
from snnc.ir.errors import ConversionError
from snnc.ir.reference import evaluate, run
from tests.ann_graphs import AnnBuilder, random_ann
from tests.conversions import chain_ann, convert, residual_ann, samples

POOLS = (AveragePool, MaxPool)


# -- radix ----------------------------------------------------------------------------------------


def undone(graph: Graph) -> Graph:
    """Return the network of before ``ToRadix``: one event a value, all in one step."""
    nodes = []
    for node in graph:
        if isinstance(node, RadixIF):
            node = IF(
                name=node.name,
                inputs=node.inputs,
                threshold=node.threshold,
                bias=node.bias,
                initial=node.initial,
                max_positive=node.base**node.digits - 1,
            )
        elif isinstance(node, Encoder):
            node = replace(node, once=False)
        elif isinstance(node, Integrator):
            node = replace(node, decoding="mean")
        nodes.append(node)
    return Graph(nodes, graph.outputs)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    base=st.sampled_from([2, 3, 4]),
    digits=st.integers(1, 4),
    pool=st.sampled_from(POOLS),
)
def test_digits_say_exactly_what_one_event_said(
    seed: int, base: int, digits: int, pool: type[AveragePool | MaxPool]
) -> None:
    """Outputs and every population, with residual branches and both kinds of pools."""
    graph = residual_ann(seed, pool=pool)
    x = samples(graph, seed)
    radix = convert(graph, x, code="radix", radix=base, timesteps=digits)
    assert is_quantized(radix)
    whole = undone(radix)
    once = NumpyBackend().lower(whole, 1).run({"x": x}, record=True)
    program = NumpyBackend().lower(radix, digits)
    serial = program.run({"x": x}, record=True)
    np.testing.assert_array_equal(serial.decoded["y"][:, -1], once.decoded["y"][:, 0])
    assert once.spikes.keys() == serial.spikes.keys()
    for name, trains in serial.spikes.items():
        np.testing.assert_array_equal(
            trains.sum(axis=1, dtype=np.int64), once.spikes[name][:, 0], name
        )
    depth = 4 + (pool is AveragePool)  # an average before a linear map is a population
    assert program.depth_latency == (depth - 1) * (digits - 1)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), base=st.integers(2, 4))
def test_a_layer_speaks_in_its_window_only(seed: int, base: int) -> None:
    """Each digit times its weight; a layer begins with the last digit of those before it."""
    graph = residual_ann(seed)
    x = samples(graph, seed)
    radix = convert(graph, x, code="radix", radix=base, timesteps=3)
    trains = run(radix, {"x": x}, 3).spikes
    starts = [node.start for node in radix.of_type(RadixIF)]
    assert starts == [1, 3, 5, 7, 9]  # no branch shortens the wait of the join
    for node in radix.of_type(RadixIF):
        sent = trains[node.name]
        assert sent.any()
        for t in range(1, len(sent) + 1):
            place = t - node.start
            if not 0 <= place < 3:
                assert not sent[t - 1].any()
                continue
            weight = base ** (2 - place)
            assert set(np.unique(sent[t - 1])) <= {weight * digit for digit in range(base)}


def test_a_signed_value_is_a_pair_of_radix_populations() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.linear(net.input(6), 4), 5))  # too small to be composed
    x = samples(graph, 0, 16)
    radix = convert(graph, x, code="radix", timesteps=8, weight_bits=None)
    assert len(radix.of_type(RadixIF)) == 2
    got = NumpyBackend().lower(radix, 8).run({"x": x}).decoded["y"][:, -1]
    expected = evaluate(graph, {"x": x})["linear2"]
    np.testing.assert_allclose(got, expected, atol=0.02 * np.abs(expected).max())


def test_a_radix_network_is_a_quantised_one() -> None:
    """With 2**T levels the rounding of each value is all that is left, so it shrinks as fast."""
    graph = chain_ann(3)
    x = samples(graph, 3, 64)
    expected = evaluate(graph, {"x": x})[graph.outputs["y"]]
    errors = []
    for digits in (4, 8, 12):
        radix = convert(graph, x, code="radix", timesteps=digits, weight_bits=None)
        got = NumpyBackend().lower(radix, digits).run({"x": x}).decoded["y"][:, -1]
        errors.append(np.abs(got - expected).max())
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


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
        options: dict[str, Any] = {"code": "rate", "weight_bits": None, "rehearsal": 8}
        spiking = convert(graph, x, two_phase=rule, **options)
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


def test_passes_are_only_for_what_they_know() -> None:
    """``ToRadix`` turns every population of unsigned events into one with digits."""
    spiking = convert(chain_ann(0), samples(chain_ann(0), 0), code="radix", timesteps=2)
    assert not spiking.of_type(IF)
    assert [node.name for node in ToRadix(2, 2)(undone(spiking)).of_type(RadixIF)] == [
        node.name for node in spiking.of_type(RadixIF)
    ]
