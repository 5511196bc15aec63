"""The exact passes compute the same, and do what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.compiler.passes.compose_linear import compose_linear
from snnc.compiler.passes.fold_affine import fold_affine
from snnc.compiler.passes.hoist_clip import hoist_clip
from snnc.compiler.pipeline import SIMPLIFY, Pass, run_passes
from snnc.ir import Affine, Clip, Conv, Graph, Linear, MaxPool, Rearrange, Reshape
from snnc.ir.printer import to_text
from snnc.ir.reference import evaluate
from tests.ann_graphs import AnnBuilder, random_ann

TOLERANCE = 1e-12
"""float64 rounding: about 1e-16 a product, some hundred products deep."""


def assert_same(before: Graph, after: Graph, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((2, *before.types["x"].shape))
    old, new = evaluate(before, {"x": x}), evaluate(after, {"x": x})
    for key in before.outputs:
        a, b = old[before.outputs[key]], new[after.outputs[key]]
        assert np.abs(a - b).max() <= TOLERANCE * max(1.0, np.abs(a).max())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([*SIMPLIFY, None]))
def test_computes_the_same(seed: int, single: Pass | None) -> None:
    graph = random_ann(seed)
    assert_same(graph, run_passes(graph, (single,) if single else SIMPLIFY), seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_values_keep_their_names(seed: int) -> None:
    """A node of that name computes that value: calibration and diagnosis rely on it."""
    graph = random_ann(seed)
    after = run_passes(graph, SIMPLIFY)
    x = np.random.default_rng(seed).standard_normal((2, *graph.types["x"].shape))
    old, new = evaluate(graph, {"x": x}), evaluate(after, {"x": x})
    for name in old.keys() & new.keys():
        np.testing.assert_allclose(new[name], old[name], atol=1e-11, err_msg=name)


def test_turns_of_an_image_undo_each_other() -> None:
    """Channels last, a convolution between two turns each: one turn is left at either end."""
    net = AnnBuilder(np.random.default_rng(0))

    def turned(source: str, order: tuple[int, ...]) -> str:
        shape = net.shape(source)
        target = tuple(shape[axis] for axis in order)
        return net.add(Rearrange, source, split=shape, order=order, shape=target)

    here = net.input(9, 8, 2)
    for _ in range(3):
        inner = net.conv(turned(here, (2, 0, 1)), 3)
        here = net.add(Clip, turned(inner, (1, 2, 0)))
    graph = net.graph(here)
    simple = run_passes(graph, SIMPLIFY)
    assert [type(node) for node in simple if isinstance(node, (Conv, Rearrange))] == [
        *(Rearrange, Conv, Conv, Conv, Rearrange)
    ]
    assert_same(graph, simple, 0)


def test_a_norm_behind_a_convolution_is_gone() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    out = net.norm(net.norm(net.conv(net.input(2, 5, 5), 3)))
    folded = fold_affine(net.graph(out))
    assert not folded.of_type(Affine)
    assert [type(node) for node in folded] == [type(folded["x"]), Conv]
    assert folded.outputs == {"y": out}


def test_a_norm_before_a_padded_convolution_leaves_a_shift_of_the_border() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    out = net.conv(net.norm(net.input(2, 5, 5)), 3, padding=(1, 1, 1, 1))
    folded = fold_affine(net.graph(out))
    (shift,) = folded.of_type(Affine)
    assert shift.shift.shape == (3, 5, 5)
    assert np.all(shift.scale == 1)
    assert_same(net.graph(out), folded, 0)


def test_a_norm_before_an_unpadded_convolution_is_gone() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    out = net.conv(net.norm(net.input(2, 5, 5)), 3)
    assert not fold_affine(net.graph(out)).of_type(Affine)


def test_a_norm_that_others_read_stays() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    conv = net.conv(net.input(2, 5, 5), 2)
    graph = net.graph(net.join(conv, net.norm(conv)))
    assert len(fold_affine(graph).of_type(Affine)) == 1


def test_a_clip_moves_before_the_pool() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    out = net.relu(net.pool(net.conv(net.input(2, 5, 5), 2), MaxPool))
    hoisted = hoist_clip(net.graph(out))
    assert [type(node) for node in hoisted][-2:] == [Clip, MaxPool]
    assert hoisted.outputs == {"y": out}


def test_a_clip_stays_behind_a_reshape_of_what_no_population_can_be() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    view = net.add(Reshape, net.input(3, 5), shape=(3, 5, 1))
    graph = net.graph(net.relu(view))
    assert to_text(hoist_clip(graph)) == to_text(graph)


def test_a_clip_stays_behind_a_pool_that_others_read() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    pool = net.pool(net.conv(net.input(2, 5, 5), 2), MaxPool)
    graph = net.graph(net.join(net.relu(pool), pool))
    assert to_text(hoist_clip(graph)) == to_text(graph)


@pytest.mark.parametrize(("middle", "maps"), [(20, 1), (8, 1), (7, 2)])
def test_linear_maps_are_composed_unless_that_is_larger(middle: int, maps: int) -> None:
    """10 -> middle -> 8: the product has 80 weights, the larger factor 10 x middle."""
    net = AnnBuilder(np.random.default_rng(0))
    net.input(10)
    graph = net.graph(net.linear(net.linear("x", middle), 8))
    result = compose_linear(graph)
    assert len(result.of_type(Linear)) == maps
    assert_same(graph, result, 0)


def test_a_flatten_between_keeps_two_maps_apart() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    graph = net.graph(net.linear(net.flat(net.conv(net.input(2, 5, 5), 2)), 3))
    assert to_text(compose_linear(graph)) == to_text(graph)
    assert graph.of_type(Reshape)


def test_golden_text(golden: Callable[[str, str], None]) -> None:
    net = AnnBuilder(np.random.default_rng(0))
    here = net.relu(net.pool(net.norm(net.conv(net.input(1, 6, 6), 2)), MaxPool))
    graph = net.graph(net.linear(net.linear(net.flat(here), 9), 4))
    golden("simplify.txt", to_text(graph) + "\n\n" + to_text(run_passes(graph, SIMPLIFY)))
