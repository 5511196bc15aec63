"""Populations behind staircases and trained bounds: training chose thresholds and starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.codes import make_code
from snnc.compiler.options import Options
from snnc.compiler.passes.normalize import normalize
from snnc.compiler.passes.reconstruct import Reconstruct
from snnc.compiler.passes.to_spiking import ToSpiking
from snnc.compiler.pipeline import (
    SIMPLIFY,
    conversion,
    represented_values,
    run_passes,
    signed_bounds,
    trained_full_scale,
)
from snnc.ir import (
    IF,
    Affine,
    Array,
    Clip,
    Conv,
    Graph,
    Linear,
    Staircase,
)
from snnc.ir.errors import ConversionError
from snnc.ir.reference import evaluate, run
from tests.ann_graphs import AnnBuilder

POWERS = (1, 2, 4, 8)


def converted(
    ann: Graph, name: str, timesteps: int, *, clips: bool = False, **settings: Any
) -> Graph:
    """Convert with the thresholds of training, 1 where there is none; real weights."""
    code = make_code(name, **settings)
    full_scale = {value: np.ones(1) for value in represented_values(ann, code)}
    full_scale |= trained_full_scale(ann, clips=clips)
    options = Options(timesteps=timesteps, weight_bits=None)
    passes = conversion(options, code, full_scale, signed_bounds(ann), {}, lambda note: None)
    return run_passes(ann, passes)


def mean_output(graph: Graph, x: Array, timesteps: int) -> Array:
    """Return the mean output of the one population, in ANN units."""
    (node,) = graph.of_type(IF)
    sent = run(graph, {"x": x}, timesteps).spikes[node.name].sum(axis=0)
    return np.asarray(sent * node.unit / timesteps)


def one_layer(rng: np.random.Generator, image: bool, **fields: Any) -> Graph:
    """Return a network with one staircase; weights, biases and steps are multiples of 2^-6."""
    net = AnnBuilder(rng)
    if image:
        here = net.input(2, 4, 4)
        weight, bias = rng.integers(-16, 17, (3, 2, 3, 3)) / 16, rng.integers(-32, 33, 3) / 64
        here = net.add(Conv, here, weight=weight, bias=bias)
        here = net.flat(net.add(Staircase, here, **fields))
    else:
        here = net.input(6)
        weight, bias = rng.integers(-16, 17, (3, 6)) / 16, rng.integers(-32, 33, 3) / 64
        here = net.add(Staircase, net.add(Linear, here, weight=weight, bias=bias), **fields)
    return net.graph(net.linear(here, 2))


def whole_samples(rng: np.random.Generator, graph: Graph) -> Array:
    return np.asarray(rng.integers(-16, 17, (20, *graph.types["x"].shape)) / 8)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["rate", "ternary"]),
    levels=st.sampled_from(POWERS),
    offset=st.sampled_from([0.0, 0.25, 0.5]),
    image=st.booleans(),
    each=st.booleans(),
)
def test_one_step_a_level_is_exact(
    seed: int, name: str, levels: int, offset: float, image: bool, each: bool
) -> None:
    """Constant input, T = levels: the mean output is the staircase (QCFS, theorem 1)."""
    rng = np.random.default_rng(seed)
    step = 2.0 ** rng.integers(-3, 1, (3, *((1, 1) if image else ())) if each else 1)
    graph = one_layer(rng, image, step=step, low=0, high=levels, offset=offset)
    x = whole_samples(rng, graph)
    (node,) = graph.of_type(Staircase)
    expected = evaluate(graph, {"x": x})[node.name]
    found = mean_output(converted(graph, name, levels), x, levels)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["rate", "ternary", "augmented"]),
    levels=st.integers(1, 10),
    factor=st.integers(2, 5),
    offset=st.sampled_from([0.0, 0.5]),
)
def test_several_steps_a_level_stay_within_one(
    seed: int, name: str, levels: int, factor: int, offset: float
) -> None:
    rng = np.random.default_rng(seed)
    fields = {"step": np.full(1, 0.3), "low": 0, "high": levels, "offset": offset}
    graph = one_layer(rng, False, **fields)
    x = rng.standard_normal((20, 6))
    (node,) = graph.of_type(Staircase)
    expected = evaluate(graph, {"x": x})[node.name]
    found = mean_output(converted(graph, name, factor * levels), x, factor * levels)
    assert np.abs(found - expected).max() <= 0.3 * (1 + 1e-9)


@pytest.mark.parametrize(("low", "high"), [(-4, 3), (-3, 4), (-8, 8)])
@pytest.mark.parametrize("each", [False, True])
def test_a_signed_staircase_is_exact_with_signed_spikes(low: int, high: int, each: bool) -> None:
    rng = np.random.default_rng(0)
    step = np.array([0.5, 0.25, 0.125]) if each else np.full(1, 0.5)
    graph = one_layer(rng, False, step=step, low=low, high=high, offset=0.5)
    x = 4 * whole_samples(rng, graph)
    (node,) = graph.of_type(Staircase)
    expected = evaluate(graph, {"x": x})[node.name]
    assert expected.min() == (step * low).min()
    timesteps = max(high, -low)
    spiking = converted(graph, "ternary", timesteps)
    assert [(n.acc_min, n.acc_max) for n in spiking.of_type(IF)] == [(low, high)]
    np.testing.assert_array_equal(mean_output(spiking, x, timesteps), expected)
    with pytest.raises(ConversionError, match=rf"has the lower bound {low}"):
        ToSpiking(make_code("rate"))(graph)


def test_ties_to_even_are_ties_upwards_in_a_neuron() -> None:
    """Rounding to nearest starts half-way; it differs from the ANN on ties only."""
    rng = np.random.default_rng(0)
    graph = one_layer(rng, False, step=np.full(1, 0.5), low=0, high=4, rounding="half_even")
    x = whole_samples(rng, graph) + 1 / 512  # sums never lie half-way
    (node,) = graph.of_type(Staircase)
    spiking = converted(graph, "rate", 4)
    expected = evaluate(graph, {"x": x})[node.name]
    np.testing.assert_array_equal(mean_output(spiking, x, 4), expected)


@pytest.mark.parametrize("v_init", [0.0, 0.5, 1.0])
def test_a_population_starts_at_the_offset_of_its_staircase(v_init: float) -> None:
    """--v-init is for populations whose activation says nothing."""
    net = AnnBuilder(np.random.default_rng(0))
    first = net.add(Staircase, net.linear(net.input(4), 3), low=0, high=4, offset=0.25)
    graph = net.graph(net.linear(net.relu(net.linear(first, 3)), 2))
    starts = {
        n.represents: n.initial.item()
        for n in converted(graph, "rate", 4, v_init=v_init).of_type(IF)
    }
    assert starts.pop(first) == 0.25
    assert list(starts.values()) == [v_init]


def test_neurons_that_round_start_at_what_is_left_of_the_offset() -> None:
    for offset in (0.0, 0.5):
        ann = one_layer(np.random.default_rng(0), False, low=0, high=8, offset=offset)
        (node,) = converted(ann, "multithreshold", 8).of_type(IF)
        assert node.initial.tolist() == [offset - 0.5]


def test_what_no_neuron_can_say_is_listed() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    here = net.input(2, 4, 4)
    bad: list[dict[str, Any]] = [
        {"step": np.linspace(1, 2, 16).reshape(4, 4), "low": 0, "high": 4},
        {"low": 0, "high": 4, "offset": 1.5},
        {"low": 1, "high": 4},
        {"low": -4, "high": 0},
        {"low": 0},
        {"high": 4},
    ]
    for fields in bad:
        here = net.add(Staircase, net.conv(here, 2, padding=(1, 1, 1, 1)), **fields)
    graph = net.graph(net.linear(net.flat(here), 2))
    with pytest.raises(ConversionError) as caught:
        ToSpiking(make_code("ternary"))(graph)
    reasons = [problem.message.split(": ")[1] for problem in caught.value.problems]
    assert reasons[:4] == [
        "has steps that vary within a channel",
        "has the offset 1.5",
        "has the lower bound 1 above 0",
        "has the upper bound 0 not above 0",
    ]
    assert all(reason.startswith("rounds to levels, but no clip") for reason in reasons[4:])
    assert len(reasons) == 6
    assert all(problem.hint for problem in caught.value.problems)


def test_the_full_scale_of_a_staircase_is_its_highest_level() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    here = net.conv(net.input(2, 5, 5), 2)
    step = np.array([0.5, 0.25]).reshape(2, 1, 1)
    stairs = net.add(Staircase, here, step=step, low=0, high=8)
    clip = net.relu(net.conv(stairs, 2), high=6.0)
    signed = net.relu(net.conv(clip, 2, kernel=1), low=-2.0, high=1.0)
    graph = net.graph(net.linear(net.flat(net.relu(signed)), 2))
    found = trained_full_scale(graph)
    assert list(found) == [stairs]
    np.testing.assert_array_equal(found[stairs], [4.0, 2.0])
    bounds = trained_full_scale(graph, clips=True)
    assert {name: value.tolist() for name, value in bounds.items()} == {
        stairs: [4.0, 2.0],
        clip: [6.0],
        signed: [2.0],
    }


def staircase_network(seed: int = 0) -> Graph:
    """Return a residual network of staircases with an average pool, as QCFS trains them."""
    net = AnnBuilder(np.random.default_rng(seed))
    pads = (1, 1, 1, 1)

    def stairs(source: str) -> str:
        return net.add(Staircase, source, step=np.full(1, 0.25), low=0, high=4, offset=0.5)

    first = stairs(net.conv(net.input(2, 6, 6), 4, padding=pads))
    joined = stairs(net.join(net.conv(first, 4, padding=pads), first))
    return net.graph(net.linear(net.flat(net.pool(joined)), 3))


@pytest.mark.parametrize("name", ["rate", "ternary"])
def test_reconstruction_never_moves_a_trained_threshold(name: str) -> None:
    ann = staircase_network()
    x = np.random.default_rng(1).standard_normal((128, 2, 6, 6)).astype(np.float32)
    before = converted(ann, name, 2)
    after = Reconstruct(ann, {"x": x}, 2)(before)
    changed = False
    for node in after.of_type(IF):
        old = before[node.name]
        assert isinstance(old, IF)
        if isinstance(ann[node.represents], Staircase):
            np.testing.assert_array_equal(
                node.threshold, np.broadcast_to(old.threshold, node.threshold.shape)
            )
            np.testing.assert_array_equal(node.unit, np.broadcast_to(old.unit, node.unit.shape))
            changed |= not np.array_equal(node.bias, np.broadcast_to(old.bias, node.bias.shape))
    assert changed, "biases take part"


def test_reconstruction_leaves_what_is_exact() -> None:
    """One layer, T = levels: no error is left, so nothing that the neuron sends may change."""
    rng = np.random.default_rng(0)
    graph = one_layer(rng, False, step=np.full(1, 0.5), low=0, high=4, offset=0.5)
    x = rng.uniform(-2, 2, (256, 6)).astype(np.float32)
    before = converted(graph, "rate", 4)
    after = normalize(Reconstruct(graph, {"x": x}, 4)(before))
    (node,) = graph.of_type(Staircase)
    expected = evaluate(graph, {"x": x})[node.name]
    # float32 statistics: a value on an edge may move by one level
    assert np.mean(np.abs(mean_output(after, x, 4) - expected) > 1e-6) < 5e-3


def test_networks_of_staircases_come_close_to_their_ann() -> None:
    """Deeper layers see their input arrive unevenly, so equality is not promised there."""
    ann = staircase_network()
    x = np.random.default_rng(1).standard_normal((64, 2, 6, 6)).astype(np.float32)
    expected = evaluate(ann, {"x": x})[ann.outputs["y"]]
    errors = []
    for timesteps in (4, 32):
        program = NumpyBackend().lower(converted(ann, "ternary", timesteps), timesteps)
        got = program.run({"x": x}).decoded["y"][:, -1]
        errors.append(float(np.abs(got - expected).mean() / np.abs(expected).mean()))
    assert errors[1] < errors[0] < 0.5
    assert errors[1] < 0.15


@pytest.mark.parametrize("back", [False, True], ids=["rate", "rate times theta"])
def test_a_rate_norm_layer_is_a_neuron_with_its_threshold(back: bool) -> None:
    """RNL: weights as they are, threshold theta, unit spikes, membrane 0 at the start."""
    rng, theta, timesteps = np.random.default_rng(0), 0.75, 12
    weight, bias = rng.integers(-16, 17, (5, 6)) / 16, rng.integers(-16, 17, 5) / 16
    net = AnnBuilder(rng)
    here = net.relu(net.add(Linear, net.input(6), weight=weight, bias=bias))
    here = net.add(Affine, here, scale=np.full(1, 1 / theta), shift=np.zeros(1))
    here = net.relu(here, high=1.0)
    if back:
        here = net.add(Affine, here, scale=np.full(1, theta), shift=np.zeros(1))
    graph = run_passes(net.graph(net.linear(here, 3)), SIMPLIFY)
    assert len(graph.of_type(Clip)) == 1
    assert not graph.of_type(Affine)
    x = rng.standard_normal((30, 6))
    spiking = converted(graph, "rate", timesteps, clips=True, v_init=0.0)
    (node,) = spiking.of_type(IF)
    assert node.unit.item() == pytest.approx(theta if back else 1.0)
    membrane, sent = np.zeros((30, 5)), []
    for _ in range(timesteps):
        membrane += x @ weight.T + bias
        sent.append(membrane >= theta)
        membrane -= theta * sent[-1]
    found = run(spiking, {"x": x}, timesteps).spikes[node.name]
    np.testing.assert_array_equal(found, np.array(sent, int))
