"""Reconstruction brings the spiking network closer to its ANN, and never loses its way."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler import layerwise
from snnc.compiler.codes import make_code
from snnc.compiler.options import Options
from snnc.compiler.passes.normalize import normalize
from snnc.compiler.passes.reconstruct import Reconstruct
from snnc.compiler.pipeline import (
    SIMPLIFY,
    conversion,
    represented_values,
    run_passes,
    signed_bounds,
)
from snnc.ir import IF, Array, Conv, Graph
from snnc.ir.reference import evaluate
from tests.ann_graphs import AnnBuilder, random_ann


def samples(graph: Graph, seed: int, count: int) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, *graph.types["x"].shape)).astype(np.float32)


def convert(ann: Graph, name: str, x: Array, timesteps: int, *, reset: str | None = None) -> Graph:
    """Return a normalised, real-valued spiking network with thresholds at the maximum."""
    code = make_code(name, reset=reset)
    values = evaluate(ann, {"x": x})
    full_scale = {
        key: np.full(1, np.abs(values[key]).max() or 1.0) for key in represented_values(ann, code)
    }
    options = Options(timesteps=timesteps, weight_bits=None)
    passes = conversion(options, code, full_scale, signed_bounds(ann), {}, lambda note: None)
    return run_passes(ann, passes)


def error(ann: Graph, spiking: Graph, x: Array, timesteps: int) -> float:
    """Return the squared error of the outputs relative to the outputs' own square."""
    expected = evaluate(ann, {"x": x})[ann.outputs["y"]]
    got = NumpyBackend().lower(spiking, timesteps).run({"x": x}).decoded["y"][:, -1]
    return float(np.square(got - expected).mean() / np.square(expected).mean())


@pytest.mark.parametrize(("name", "share"), [("rate", 0.5), ("ternary", 0.6), ("augmented", 0.8)])
def test_fresh_samples_come_closer_to_the_ann(name: str, share: float) -> None:
    """Few steps, thresholds far too high: the error on samples it never saw falls by much.

    Not in every network: of one whose error is 2 % there is little to take away.
    """
    errors = []
    for seed in range(4):
        ann = run_passes(random_ann(seed), SIMPLIFY)
        x, fresh = samples(ann, seed, 128), samples(ann, seed + 1, 64)
        before = convert(ann, name, x, 4)
        after = Reconstruct(ann, {"x": x}, 4)(before)
        errors.append([error(ann, graph, fresh, 4) for graph in (before, after)])
    before_it, after_it = np.sum(errors, axis=0)
    assert after_it < share * before_it


def test_a_reset_to_zero_is_made_up_for_by_biases() -> None:
    """Not in every network, as with soft reset: what a reset threw away does not come back."""
    errors = []
    for seed in range(4):
        ann = run_passes(random_ann(seed), SIMPLIFY)
        x, fresh = samples(ann, seed, 128), samples(ann, seed + 1, 64)
        before = convert(ann, "rate", x, 8, reset="zero")
        after = normalize(Reconstruct(ann, {"x": x}, 8)(before))
        errors.append([error(ann, graph, fresh, 8) for graph in (before, after)])
        for node in after.of_type(IF):
            assert node.reset == "zero"
            np.testing.assert_allclose(node.initial, 0.5, err_msg="in thresholds, as it was")
    before_it, after_it = np.sum(errors, axis=0)
    assert after_it < 0.75 * before_it


def test_a_network_that_needs_nothing_is_left_almost_alone() -> None:
    """At very many steps the conversion is already right: nothing may get worse."""
    ann = run_passes(random_ann(3), SIMPLIFY)
    x = samples(ann, 3, 32)
    before = convert(ann, "ternary", x, 512)
    after = Reconstruct(ann, {"x": x}, 512)(before)
    assert error(ann, after, x, 512) < max(2 * error(ann, before, x, 512), 1e-3)


def test_depthwise_and_identity_synapses_keep_their_weights() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    first = net.relu(net.conv(net.input(2, 8, 8), 4, padding=(1, 1, 1, 1)))
    deep = net.conv(first, 4, groups=4, padding=(1, 1, 1, 1))
    joined = net.relu(net.join(deep, first))
    ann = net.graph(net.linear(net.flat(net.pool(joined)), 3))
    x = samples(ann, 0, 64)
    before = convert(ann, "ternary", x, 4)
    after = normalize(Reconstruct(ann, {"x": x}, 4)(before))
    for node in before.of_type(Conv):
        fitted = after[node.name]
        assert isinstance(fitted, Conv)
        if node.groups > 1:  # only units changed: one factor a channel pair
            ratio = fitted.weight / node.weight
            spread = ratio.reshape(len(ratio), -1)
            np.testing.assert_allclose(spread, np.broadcast_to(spread[:, :1], spread.shape))


def test_units_follow_the_thresholds() -> None:
    """What a payload means grows with the threshold: mean payload times unit is the value."""
    ann = run_passes(random_ann(5), SIMPLIFY)
    x = samples(ann, 5, 64)
    after = normalize(Reconstruct(ann, {"x": x}, 32)(convert(ann, "augmented", x, 32)))
    result = NumpyBackend().lower(after, 32).run({"x": x}, record=True)
    values = evaluate(ann, {"x": x})
    for node in after.of_type(IF):
        decoded = result.spikes[node.name].sum(axis=1) * node.unit / 32
        scale = np.abs(values[node.represents]).max()
        assert np.abs(decoded - values[node.represents]).mean() < 0.1 * scale, node.name


@pytest.mark.parametrize("count", [1, 2, 7])
def test_very_few_samples_do_no_harm(count: int) -> None:
    ann = run_passes(random_ann(7), SIMPLIFY)
    x = samples(ann, 7, count)
    before = convert(ann, "ternary", samples(ann, 8, 64), 8)
    after = Reconstruct(ann, {"x": x}, 8)(before)
    fresh = samples(ann, 9, 64)
    assert error(ann, after, fresh, 8) < 2 * error(ann, before, fresh, 8)


def test_memory_bounds_choose_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = run_passes(random_ann(7), SIMPLIFY)
    x = samples(ann, 7, 40)
    graph = convert(ann, "ternary", x, 4)
    monkeypatch.setattr(layerwise, "FRAMES", 80)
    seen: list[tuple[int, int]] = []
    Reconstruct(ann, {"x": x}, 4, lambda done, total: seen.append((done, total)))(graph)
    assert layerwise.LayerwiseRun(ann, graph, {"x": x}, 4).count == 20
    layers = len(graph.of_type(IF)) + 1
    assert seen == [(done, layers) for done in range(1, layers + 1)]


def test_bounds_of_a_clip_survive() -> None:
    """Neither threshold nor bounds change where the neuron bounds what it sends."""
    net = AnnBuilder(np.random.default_rng(0))
    clip = net.relu(net.linear(net.input(4), 6), low=-0.1, high=1.0)
    ann = net.graph(net.linear(clip, 2))
    x = samples(ann, 0, 256)
    before = convert(ann, "ternary", x, 64)
    after = normalize(Reconstruct(ann, {"x": x}, 64)(before))
    sent = NumpyBackend().lower(after, 64).run({"x": x}, record=True).spikes[clip]
    (node,) = after.of_type(IF)
    decoded = sent.sum(axis=1) * node.unit / 64
    assert decoded.min() == pytest.approx(-0.1, abs=1 / 64)
    assert decoded.max() <= 1 + 1e-9
    assert np.all(node.unit == before.of_type(IF)[0].unit)
