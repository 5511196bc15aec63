"""Thresholds from the currents of the spiking network: no step asks for more than it can send."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.passes.normalize import normalize
from snnc.compiler.passes.spike_norm import SpikeNorm
from snnc.ir import IF, Array, Clip, Graph, Input, Linear, MaxPool, Node, Staircase, TensorType
from snnc.ir.reference import State, evaluate, step
from tests.ann_graphs import AnnBuilder
from tests.conversions import chain_ann, convert, residual_ann, samples

STEPS = 6


def normed(ann: Graph, x: Array, code: str = "rate", *, per_channel: bool = False) -> Graph:
    """Return a network with thresholds of ``SpikeNorm``, all of them 1."""
    before = convert(ann, x, code=code, timesteps=STEPS, weight_bits=None)
    return normalize(SpikeNorm(ann, {"x": x}, STEPS, per_channel)(before))


def currents(graph: Graph, x: Array) -> Iterator[tuple[IF, Array]]:
    """Yield each population with what it receives in each step, its bias included."""
    states: dict[str, State] = {node.name: {} for node in graph}
    found: dict[str, list[Array]] = {node.name: [] for node in graph.of_type(IF)}
    for t in range(1, STEPS + 1):
        values: dict[str, Array] = {}
        for node in graph:
            if isinstance(node, Input):
                values[node.name] = x.astype(np.float64)
                continue
            arguments = [values[name] for name in node.inputs]
            values[node.name] = step(node, arguments, states[node.name], t)
            if isinstance(node, IF):
                found[node.name].append(sum(arguments) + node.bias)
    for node in graph.of_type(IF):
        yield node, np.stack(found[node.name])


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    code=st.sampled_from(["rate", "ternary", "augmented"]),
    per_channel=st.booleans(),
)
def test_the_largest_current_of_a_step_is_what_a_step_can_send(
    seed: int, code: str, per_channel: bool
) -> None:
    """On the samples it was found on.

    An average pool of spikes meets thresholds exactly, and there the float32 of the pass and the
    float64 of the reference disagree; a max pool does not.
    """
    ann = residual_ann(seed, pool=MaxPool)
    x = samples(ann, seed, 16)
    for node, received in currents(normed(ann, x, code, per_channel=per_channel), x):
        largest = received.max(axis=(0, 1, *range(3, received.ndim)))
        assert np.all(largest <= node.max_positive * (1 + 1e-5)), node.name
        if not per_channel:
            largest = largest.max(keepdims=True)
        active = largest > 0
        np.testing.assert_allclose(largest[active], node.max_positive, rtol=1e-5)


def network(*nodes: Node, size: int) -> Graph:
    end = Linear(name="y", inputs=(nodes[-1].name,), weight=np.ones((1, size)))
    return Graph([*nodes, end], {"y": "y"})


def test_steps_receive_more_than_their_mean() -> None:
    """Two neurons that fire at the same half of the steps: twice the mean current when they do.

    The first population receives the same at every step, so its threshold is its largest
    activation. In the second that rule would give 2 * 0.5, and both spikes together give 2.
    """
    ann = network(
        Input(name="x", type=TensorType((1,))),
        Linear(name="l1", inputs=("x",), weight=np.ones((2, 1))),
        Clip(name="r1", inputs=("l1",)),
        Linear(name="l2", inputs=("r1",), weight=np.ones((1, 2))),
        Clip(name="r2", inputs=("l2",)),
        size=1,
    )
    x = np.array([[1.0], [0.5]], np.float32)
    every = np.array([[0.5]], np.float32)
    before = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None)
    first, second = SpikeNorm(ann, {"x": every}, STEPS, False)(before).of_type(IF)
    unit = [float(node.unit.max()) for node in before.of_type(IF)]
    assert unit == [1.0, 2.0]
    # 0.5 a step: the threshold is 0.5, and each neuron then fires at every step
    assert float(first.unit.max()) == 0.5
    assert float(second.unit.max()) == 1.0
    # seen together with 1, the neurons fire at every other step for 0.5, and at every one for 1
    first, second = SpikeNorm(ann, {"x": x}, STEPS, False)(before).of_type(IF)
    assert [float(first.unit.max()), float(second.unit.max())] == [1.0, 2.0]


def test_coincidences_raise_thresholds_above_the_largest_activation() -> None:
    """Excitation and inhibition of equal mean: ``max`` sees little, single steps see a spike."""
    ann = chain_ann(0, width=12, depth=4)
    x = samples(ann, 0, 64)
    before = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None)
    after = SpikeNorm(ann, {"x": x}, STEPS, False)(before)
    gains = [
        float((new.unit / old.unit).max())
        for old, new in zip(before.of_type(IF), after.of_type(IF), strict=True)
    ]
    assert gains[0] == pytest.approx(1.0, rel=1e-5)  # a constant drive is its own maximum
    assert min(gains[1:]) > 1


def test_units_follow() -> None:
    """What events mean grows with the threshold: the decoded values stay those of the ANN."""
    ann = residual_ann(4)
    x = samples(ann, 4, 16)
    before = convert(ann, x, code="augmented", timesteps=128, weight_bits=None)
    after = normalize(SpikeNorm(ann, {"x": x}, 128, False)(before))
    result = NumpyBackend().lower(after, 128).run({"x": x}, record=True)
    values = evaluate(ann, {"x": x})
    for node in after.of_type(IF):
        decoded = result.spikes[node.name].sum(axis=1) * node.unit / 128
        error = np.abs(decoded - values[node.represents]).mean()
        assert error < 0.02 * np.abs(values[node.represents]).max(), node.name


def test_bounds_of_a_clip_survive() -> None:
    """Currents beyond a clip's bound must not lift the threshold, which enforces it."""
    net = AnnBuilder(np.random.default_rng(0))
    upper = net.relu(net.linear(net.input(4), 8), high=0.5)
    signed = net.relu(net.linear(upper, 8), low=-0.1, high=0.2)
    ann = net.graph(net.linear(signed, 2))
    x = 4 * samples(ann, 0, 64)
    after = normed(ann, x, "ternary")
    for node, received in currents(after, x):
        assert received.max() > 1, "the clip is needed"
        sent = NumpyBackend().lower(after, STEPS).run({"x": x}, record=True).spikes[node.name]
        decoded = sent.sum(axis=1) * node.unit / STEPS
        activation = ann[node.represents]
        assert isinstance(activation, Clip)
        assert decoded.max() <= activation.high + 1e-9
        assert decoded.min() >= activation.low - 1e-9


def test_negative_currents_of_a_signed_value_count() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    ann = net.graph(net.linear(net.linear(net.input(6), 4), 5))
    x = -np.abs(samples(ann, 0, 32))
    (found,) = currents(normed(ann, x, "ternary"), x)
    assert np.abs(found[1]).max() == pytest.approx(1.0, rel=1e-5)
    assert found[1].min() < 0


def test_a_staircase_keeps_the_threshold_of_its_training() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    stairs = net.add(Staircase, net.linear(net.input(4), 8), low=0, high=4, offset=0.5)
    ann = net.graph(net.linear(stairs, 2))
    x = samples(ann, 0, 64)
    before = convert(ann, x, code="rate", timesteps=4, weight_bits=None)
    after = SpikeNorm(ann, {"x": 10 * x}, 4, False)(before)
    assert [n.unit.tolist() for n in after.of_type(IF)] == [
        n.unit.tolist() for n in before.of_type(IF)
    ]
