"""The exact passes that gather roundings, clips and scales compute the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snnc.compiler.passes.cancel_straight_through import cancel_straight_through
from snnc.compiler.passes.hoist_clip import hoist_clip
from snnc.compiler.passes.hoist_scale import hoist_scale
from snnc.compiler.passes.recognise_staircase import recognise_staircase
from snnc.ir import Add, Affine, Clip, Graph, Input, MaxPool, Reshape, Staircase, TensorType
from snnc.ir.printer import to_text
from snnc.ir.reference import evaluate
from tests.ann_graphs import AnnBuilder


def test_scales_move_before_clips_where_all_channels_keep_one_bound() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    scale, shift = np.array([2.0, 3.0]).reshape(2, 1, 1), np.zeros(1)
    conv = net.conv(net.input(2, 5, 5), 2)
    relu = net.graph(net.add(Affine, net.relu(conv), scale=scale, shift=shift))
    assert [type(n) for n in hoist_scale(relu)][-2:] == [Affine, Clip]
    for high, more in (
        (6.0, {"scale": scale}),
        (6.0, {"shift": np.ones(1)}),
        (6.0, {"scale": -np.ones(1)}),
    ):
        net.nodes[2:] = []
        affine = net.add(
            Affine, net.relu(conv, high=high), **{"scale": np.ones(1) * 2, "shift": shift} | more
        )
        graph = net.graph(affine)
        assert to_text(hoist_scale(graph)) == to_text(graph)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_joined_clips_compute_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net, here = AnnBuilder(rng), ""
    here = net.input(9)
    for _ in range(3):
        low, high = np.sort(rng.integers(-3, 4, 2))
        assume(low < high)
        here = net.relu(here, low=float(low), high=float(high))
    graph = net.graph(here)
    x = np.linspace(-4, 4, 90).reshape(10, 9)
    np.testing.assert_array_equal(
        evaluate(hoist_clip(graph), {"x": x})[here], evaluate(graph, {"x": x})[here]
    )


def test_a_staircase_moves_before_the_pool() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    step = np.array([0.5, 0.25]).reshape(2, 1, 1)
    pool = net.pool(net.conv(net.input(2, 6, 6), 2), MaxPool)
    graph = net.graph(net.add(Staircase, pool, step=step, low=0, high=4))
    hoisted = hoist_clip(graph)
    assert [type(node) for node in hoisted][-2:] == [Staircase, MaxPool]
    x = np.random.default_rng(0).standard_normal((3, 2, 6, 6))
    for key in graph.outputs:
        old, new = evaluate(graph, {"x": x}), evaluate(hoisted, {"x": x})
        np.testing.assert_array_equal(new[hoisted.outputs[key]], old[graph.outputs[key]])


@pytest.mark.parametrize(("size", "moved"), [(1, True), (50, False)])
def test_steps_of_features_stay_behind_a_reshape(size: int, moved: bool) -> None:
    net = AnnBuilder(np.random.default_rng(0))
    flat = net.flat(net.conv(net.input(2, 7, 7), 2))
    graph = net.graph(net.add(Staircase, flat, step=np.ones(size), low=0, high=4))
    assert isinstance(hoist_clip(graph)[graph.outputs["y"]], Reshape) == moved


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_gathering_computes_the_same(seed: int) -> None:
    """Random scales, shifts and clips around a rounding: recognised or not, nothing changes."""
    rng = np.random.default_rng(seed)
    net = AnnBuilder(rng)
    here = net.input(3, 4, 5)

    def surroundings(here: str, shifts: tuple[float, ...]) -> str:
        for _ in range(rng.integers(0, 4)):
            if rng.random() < 0.5:
                low, high = sorted(
                    rng.choice([-np.inf, 0.0, 0.25, 2.0, 4.0, np.inf], 2, replace=False)
                )
                here = net.relu(here, low=float(low), high=float(high))
            else:
                size = (3, 1, 1) if rng.random() < 0.3 else (1,)
                scale = rng.choice(
                    [0.25, 0.5, 1.0, 2.0, 4.0, -1.0], size, p=[0.2, 0.2, 0.2, 0.2, 0.15, 0.05]
                )
                here = net.add(Affine, here, scale=scale, shift=rng.choice(shifts, size))
        return here

    here = surroundings(here, (0.0, 0.5, 0.25, 1.5))
    rounding = "floor" if rng.random() < 0.5 else "half_even"
    here = surroundings(net.add(Staircase, here, rounding=rounding), (0.0,))
    graph = net.graph(here)
    gathered = recognise_staircase(hoist_scale(graph))
    x = rng.integers(-40, 80, (4, 3, 4, 5)) / 16  # on the edges too: all numbers are exact
    for key in graph.outputs:
        old, new = evaluate(graph, {"x": x}), evaluate(gathered, {"x": x})
        np.testing.assert_array_equal(new[gathered.outputs[key]], old[graph.outputs[key]])
        shared = old.keys() & new.keys()
        for name in shared:
            np.testing.assert_array_equal(new[name], old[name])


@pytest.mark.parametrize("turned", [False, True])
def test_the_straight_through_estimator_cancels(turned: bool) -> None:
    x = Input(name="x", type=TensorType((9,)))
    rounded = Staircase(name="r", inputs=("x",))
    negative = Affine(name="n", inputs=("x",), scale=-np.ones(1), shift=np.zeros(1))
    difference = Add(name="d", inputs=("n", "r") if turned else ("r", "n"))
    total = Add(name="s", inputs=("d", "x") if turned else ("x", "d"))
    graph = cancel_straight_through(Graph([x, rounded, negative, difference, total], {"y": "s"}))
    assert list(graph.nodes) == ["x", "r"]
    assert graph.outputs == {"y": "r"}


def test_other_sums_do_not_cancel() -> None:
    x = Input(name="x", type=TensorType((9,)))
    rounded = Staircase(name="r", inputs=("x",))
    negative = Affine(name="n", inputs=("x",), scale=-np.full(1, 0.5), shift=np.zeros(1))
    difference = Add(name="d", inputs=("r", "n"))
    graph = Graph([x, rounded, negative, difference, Add(name="s", inputs=("x", "d"))], {"y": "s"})
    assert to_text(cancel_straight_through(graph)) == to_text(graph)
