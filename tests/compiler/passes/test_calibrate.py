"""Light and advanced calibration: closed form for one layer, and what they promise for many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.passes.calibrate import Calibrate
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import IF, Array, Graph, Integrator, Linear
from snnc.ir.reference import evaluate
from tests.ann_graphs import AnnBuilder
from tests.conversions import chain_ann, convert, residual_ann, samples

STEPS = 16


def one_layer() -> Graph:
    net = AnnBuilder(np.random.default_rng(0))
    here = net.relu(net.conv(net.input(2, 6, 6), 3, padding=(1, 1, 1, 1)))
    return net.graph(net.linear(net.flat(net.pool(here)), 4))


def missing(ann: Graph, spiking: Graph, x: Array, name: str) -> Array:
    """Return what a population sends too little on average, in units, ``(samples, *shape)``."""
    node = spiking[name]
    assert isinstance(node, IF)
    program = NumpyBackend().lower(spiking, STEPS)
    sent = program.run({"x": x}, record=True).spikes[name].mean(axis=1)
    return np.asarray(evaluate(ann, {"x": x})[node.represents] / node.unit - sent)


def test_light_lowers_the_bias_of_a_channel_by_its_mean_error() -> None:
    ann = one_layer()
    x = samples(ann, 0, 64)
    before = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None, v_init=0.0)
    after = Calibrate(ann, {"x": x}, STEPS, advanced=False)(before)
    first, fitted = before.of_type(IF)[0], after.of_type(IF)[0]
    expected = missing(ann, before, x, first.name).mean(axis=(0, 2, 3))
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose((fitted.bias - first.bias).ravel(), expected, atol=1e-6)
    np.testing.assert_array_equal(fitted.initial, first.initial)


def test_advanced_raises_the_start_of_a_neuron_by_all_it_lacks() -> None:
    ann = one_layer()
    x = samples(ann, 0, 64)
    before = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None)
    after = Calibrate(ann, {"x": x}, STEPS, advanced=True)(before)
    first, fitted = before.of_type(IF)[0], after.of_type(IF)[0]
    expected = STEPS * missing(ann, before, x, first.name).mean(axis=0)
    assert fitted.initial.shape == (3, 6, 6)
    np.testing.assert_allclose(fitted.initial - first.initial, expected, atol=1e-5)
    np.testing.assert_array_equal(fitted.bias, first.bias)


@pytest.mark.parametrize("code", ["rate", "ternary", "augmented"])
@pytest.mark.parametrize("advanced", [False, True], ids=["light", "advanced"])
def test_mean_errors_shrink(code: str, advanced: bool) -> None:
    """Membranes that start at 0 round down, so that all populations send too little.

    One correction closes the gap of the neurons that answer it; those that stay silent do not.
    """
    ann = run_passes(residual_ann(0), SIMPLIFY)
    x = samples(ann, 0, 128)
    before = convert(ann, x, code=code, timesteps=STEPS, weight_bits=None, v_init=0.0)
    after = Calibrate(ann, {"x": x}, STEPS, advanced)(before)
    shares = []
    for node in before.of_type(IF):
        axes = (0, 2, 3) if len(before.types[node.name].shape) == 3 else 0
        lag, left = (missing(ann, net, x, node.name).mean(axis=axes) for net in (before, after))
        shares.append(np.abs(left).mean() / np.abs(lag).mean())
    assert max(shares) < 0.7
    assert np.mean(shares) < 0.45


@pytest.mark.parametrize("advanced", [False, True], ids=["light", "advanced"])
def test_where_every_neuron_is_active_the_mean_error_vanishes(advanced: bool) -> None:
    net = AnnBuilder(np.random.default_rng(0))
    here = net.relu(net.linear(net.input(6), 5))
    graph = net.graph(net.linear(here, 3))
    first = graph["linear1"]
    assert isinstance(first, Linear)
    positive = replace(first, weight=np.abs(first.weight), bias=np.full(5, 0.1))
    ann = Graph((positive if n is first else n for n in graph), graph.outputs)
    x = np.abs(samples(ann, 0, 2000))
    before = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None, v_init=0.0)
    after = Calibrate(ann, {"x": x}, STEPS, advanced)(before)
    (name,) = (node.name for node in before.of_type(IF))
    lag, left = (missing(ann, net_, x, name).mean(axis=0) for net_ in (before, after))
    np.testing.assert_allclose(lag, 0.5 / STEPS, rtol=0.2)  # rounding down loses half a level
    assert np.abs(left).max() < 0.1 * np.abs(lag).min()


def test_later_populations_are_corrected_for_what_they_then_receive() -> None:
    """Front to back: calibrating twice changes the second layer for the first one's sake only."""
    ann = chain_ann(5)
    x = samples(ann, 5, 128)
    before = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None)
    after = Calibrate(ann, {"x": x}, STEPS, advanced=False)(before)
    first, second = (node.name for node in before.of_type(IF)[:2])
    nodes = (after[n.name] if n.name == first else n for n in before)
    half = Graph(nodes, before.outputs)
    expected = missing(ann, half, x, second).mean(axis=0)
    got = after[second], before[second]
    assert isinstance(got[0], IF)
    assert isinstance(got[1], IF)
    np.testing.assert_allclose(got[0].bias - got[1].bias, expected, atol=1e-6)


def test_a_pair_for_one_value_stays_as_it_is() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    ann = net.graph(net.linear(net.linear(net.input(6), 4), 5))
    x = samples(ann, 0, 32)
    before = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None)
    assert len(before.of_type(IF)) == 2
    after = Calibrate(ann, {"x": x}, STEPS, advanced=False)(before)
    assert list(after) == list(before)


def test_progress_counts_populations_and_readouts() -> None:
    ann = chain_ann(5)
    x = samples(ann, 5)
    graph = convert(ann, x, code="rate", timesteps=STEPS, weight_bits=None)
    layers = len(graph.of_type(IF)) + len(graph.of_type(Integrator))
    seen: list[tuple[int, int]] = []
    Calibrate(ann, {"x": x}, STEPS, False, lambda done, total: seen.append((done, total)))(graph)
    assert seen == [(done, layers) for done in range(1, layers + 1)]
