"""Activations with few levels, in the forms in which people export them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from snnc.backends import get_backend
from snnc.backends.onnx_runtime import AnnSession, to_onnx
from snnc.compiler.inspection import inspect
from snnc.compiler.onnx_import import load
from snnc.compiler.onnx_import.naming import title
from snnc.compiler.options import Options
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Affine, Array, Clip, Graph, Staircase
from snnc.ir.reference import evaluate

from .conftest import original

Build = Callable[..., ModelProto]
Save = Callable[[ModelProto], Path]

LAM, LEVELS = 2.0, 4  # all constants are powers of two: no operator rounds
GRID = (np.arange(-84, 168).reshape(2, 2, 7, 9) / 32).astype(np.float32)
"""Values on the edges between levels, and between them."""


def constants(lam: Any, levels: int) -> dict[str, Any]:
    lam = np.float32(lam)
    return {
        "lam": lam,
        "L": np.float32(levels),
        "inv": np.float32(levels / lam),
        "step": lam / np.float32(levels),
        "half": np.float32(0.5),
        "part": np.float32(0.5 / levels),
        "shift": lam / np.float32(2 * levels),
        "zero": np.zeros((), np.float32),
        "one": np.ones((), np.float32),
        "low": np.array(-levels, np.float32),
        "top": np.array(levels - 1, np.float32),
    }


QCFS = {
    "clip-last": "a = Div(x, lam) b = Mul(a, L) c = Add(b, half) d = Floor(c) e = Div(d, L)"
    "f = Clip(e, zero, one) y = Mul(f, lam)",
    "clip-first": "a = Div(x, lam) b = Clip(a, zero, one) c = Mul(b, L) d = Add(c, half)"
    "e = Floor(d) f = Div(e, L) y = Mul(f, lam)",
    "mul-then-div": "a = Mul(x, L) b = Div(a, lam) c = Add(half, b) d = Floor(c) e = Clip(d, , L)"
    "f = Relu(e) g = Div(f, L) y = Mul(g, lam)",
    "relu-first": "r = Relu(x) a = Div(r, step) b = Add(a, half) c = Floor(b) d = Min(c, L)"
    "y = Mul(d, step)",
    "min-last": "r = Relu(x) a = Mul(r, inv) b = Add(a, half) c = Floor(b) d = Mul(step, c)"
    "y = Min(lam, d)",
    "clip-between": "a = Mul(x, inv) b = Add(a, half) c = Clip(b, zero, L) d = Floor(c)"
    "y = Mul(d, step)",
    "shift-first": "a = Add(x, shift) b = Div(a, step) c = Floor(b) d = Clip(c, zero, L)"
    "y = Mul(d, step)",
    "shift-between": "a = Div(x, lam) b = Add(a, part) c = Mul(b, L) d = Floor(c) e = Div(d, L)"
    "f = Clip(e, zero, one) y = Mul(f, lam)",
    "clipped-twice": "r = Relu(x) a = Div(r, lam) b = Clip(a, zero, one) c = Mul(b, L)"
    "d = Add(c, half) e = Floor(d) f = Div(e, L) g = Clip(f, zero, one) y = Mul(g, lam)",
    "straight-through": "a = Mul(x, inv) b = Add(a, half) c = Floor(b) d = Sub(c, b)"
    "e = Add(b, d) f = Clip(e, zero, L) y = Mul(f, step)",
    "straight-through-turned": "a = Mul(x, inv) b = Add(a, half) c = Floor(b) d = Sub(c, b)"
    "e = Add(d, b) f = Clip(e, zero, L) y = Mul(f, step)",
}


def simplified(save: Save, model: ModelProto) -> Graph:
    return run_passes(load(save(model)).graph, SIMPLIFY)


def assert_same(model: ModelProto, graph: Graph, x: Array) -> None:
    """The file, the reference and the export of the graph give the same numbers."""
    wanted = original(model, {"x": x})["y"]
    np.testing.assert_array_equal(evaluate(graph, {"x": x})[graph.outputs["y"]], wanted)
    np.testing.assert_array_equal(AnnSession(graph).run({"x": x})["y"], wanted)


@pytest.mark.parametrize("nodes", QCFS.values(), ids=QCFS.keys())
def test_qcfs(build: Build, save: Save, nodes: str) -> None:
    model = build(nodes, **constants(LAM, LEVELS))
    graph = simplified(save, model)
    assert_same(model, graph, GRID)
    (node,) = graph.of_type(Staircase)
    assert [n.name for n in graph] == ["x", "y"]
    assert (node.step.item(), node.low, node.high) == (0.5, 0, 4)
    assert (node.offset, node.rounding) == (0.5, "floor")


PER_CHANNEL = [name for name in QCFS if name != "min-last"]  # a Min has one bound


@pytest.mark.parametrize("name", PER_CHANNEL)
def test_a_threshold_for_each_channel(build: Build, save: Save, name: str) -> None:
    lam = np.array([2.0, 0.5]).reshape(2, 1, 1)
    model = build(QCFS[name], **constants(lam, LEVELS))
    graph = simplified(save, model)
    assert_same(model, graph, GRID)
    (node,) = graph.of_type(Staircase)
    assert [n.name for n in graph] == ["x", "y"]
    np.testing.assert_array_equal(node.step, lam / LEVELS)
    assert (node.low, node.high, node.offset) == (0, 4, 0.5)


@pytest.mark.parametrize("levels", [3, 8, 10])
@pytest.mark.parametrize("nodes", QCFS.values(), ids=QCFS.keys())
def test_constants_that_round(build: Build, save: Save, nodes: str, levels: int) -> None:
    """An odd threshold: the same but for float32, which may move a value across an edge."""
    model = build(nodes, **constants(1.3014606, levels))
    graph = simplified(save, model)
    (node,) = graph.of_type(Staircase)
    assert (node.low, node.high, node.offset, len(graph)) == (0, levels, 0.5, 2)
    x = np.random.default_rng(0).normal(0.6, 0.6, (50, 2, 7, 9)).astype(np.float32)
    wanted = original(model, {"x": x})["y"]
    for found in (evaluate(graph, {"x": x})["y"], AnnSession(graph).run({"x": x})["y"]):
        assert np.mean(np.abs(found - wanted) > 1e-5) < 1e-3
        assert np.abs(found - wanted).max() < 1.01 * node.step.item()


OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "no-shift": (
        "a = Mul(x, inv) b = Floor(a) c = Clip(b, zero, L) y = Mul(c, step)",
        {"high": 4, "offset": 0.0},
    ),
    "half-even": (
        "a = Div(x, step) b = Round(a) c = Clip(b, zero, L) y = Mul(c, step)",
        {"high": 4, "offset": 0.0, "rounding": "half_even"},
    ),
    "signed": (
        "a = Div(x, step) b = Round(a) c = Clip(b, low, top) y = Mul(c, step)",
        {"low": -4, "high": 3, "offset": 0.0, "rounding": "half_even"},
    ),
    "levels-of-one": (
        "a = Add(x, half) b = Floor(a) y = Clip(b, zero, L)",
        {"step": 1.0, "high": 4, "offset": 0.5},
    ),
}


@pytest.mark.parametrize(("nodes", "fields"), OTHERS.values(), ids=OTHERS.keys())
def test_other_roundings(build: Build, save: Save, nodes: str, fields: dict[str, Any]) -> None:
    model = build(nodes, **constants(LAM, LEVELS))
    graph = simplified(save, model)
    assert_same(model, graph, GRID)
    (node,) = graph.of_type(Staircase)
    assert len(graph) == 2
    found = {name: getattr(node, name) for name in ("low", "high", "offset", "rounding")}
    found["step"] = node.step.item()
    assert found == {"step": 0.5, "low": 0, "rounding": "floor"} | fields


RATES = {
    "separate": "a = Div(x, lam) b = Mul(a, L) c = Add(b, half) d = Floor(c) e = Div(d, L)"
    "y = Clip(e, zero, one)",
    "folded": "b = Mul(x, inv) c = Add(b, half) d = Floor(c) e = Div(d, L) y = Clip(e, zero, one)",
}


@pytest.mark.parametrize("lam", [2.0, np.array([2.0, 0.5]).reshape(2, 1, 1)])
@pytest.mark.parametrize("nodes", RATES.values(), ids=RATES.keys())
def test_rates_leave_the_threshold_before_them(
    build: Build, save: Save, nodes: str, lam: Any
) -> None:
    """A network that works in rates: its levels are 1 / L, and x is divided by lambda first."""
    model = build(nodes, **constants(lam, LEVELS))
    graph = simplified(save, model)
    assert_same(model, graph, GRID)
    scale, node = graph.of_type(Affine)[0], graph.of_type(Staircase)[0]
    assert len(graph) == 3
    assert node.step.item() == 1 / LEVELS
    np.testing.assert_array_equal(
        np.broadcast_to(scale.scale, (2, 1, 1)), 1 / (lam + np.zeros((2, 1, 1)))
    )


def test_a_shift_for_each_channel_stays_before_the_staircase(build: Build, save: Save) -> None:
    nodes = "a = Mul(x, inv) b = Add(a, phi) c = Floor(b) d = Clip(c, zero, L) y = Mul(d, step)"
    phi = np.array([0.25, 0.75], np.float32).reshape(2, 1, 1)
    model = build(nodes, phi=phi, **constants(LAM, LEVELS))
    graph = simplified(save, model)
    assert_same(model, graph, GRID)
    (node,), (affine,) = graph.of_type(Staircase), graph.of_type(Affine)
    assert node.offset == 0.5
    np.testing.assert_array_equal(affine.shift.ravel(), [-0.125, 0.125])


def test_whole_steps_of_a_shift_stay_before_the_staircase(build: Build, save: Save) -> None:
    nodes = "a = Mul(x, inv) b = Add(a, more) c = Floor(b) d = Clip(c, zero, L) y = Mul(d, step)"
    model = build(nodes, more=np.float32(-1.25), **constants(LAM, LEVELS))
    graph = simplified(save, model)
    assert_same(model, graph, GRID)
    (node,), (affine,) = graph.of_type(Staircase), graph.of_type(Affine)
    assert (node.offset, affine.shift.item()) == (0.75, -1.0)  # -1.25 = -2 + 0.75


@pytest.mark.parametrize("nodes", QCFS.values(), ids=QCFS.keys())
def test_a_normalization_before_it_goes_into_the_convolution(
    build: Build, save: Save, nodes: str
) -> None:
    rng = np.random.default_rng(0)
    norm = {key: rng.uniform(0.5, 2, size=2) for key in ("gamma", "beta", "mean", "var")}
    front = "h = Conv(i, w) x = BatchNormalization(h, gamma, beta, mean, var)"
    back = "o = Conv(y, w)"
    model = build(
        f"{front} {nodes} {back}",
        "float[N,2,7,9] i",
        "float[] o",
        w=rng.normal(size=(2, 2, 1, 1)),
        **norm,
        **constants(LAM, LEVELS),
    )
    graph = simplified(save, model)
    assert [type(node).__name__ for node in graph] == ["Input", "Conv", "Staircase", "Conv"]
    x = rng.normal(size=(3, 2, 7, 9)).astype(np.float32)
    found = evaluate(graph, {"i": x})[graph.outputs["o"]]
    np.testing.assert_allclose(found, original(model, {"i": x})["o"], atol=1e-5)


def test_an_exported_staircase_is_recognised_again(build: Build, save: Save) -> None:
    graph = simplified(save, build(QCFS["clip-last"], **constants(LAM, LEVELS)))
    again = simplified(save, to_onnx(graph))
    (node,), (copy,) = graph.of_type(Staircase), again.of_type(Staircase)
    assert len(again) == 2
    assert (copy.name, copy.low, copy.high, copy.offset) == (node.name, 0, 4, 0.5)
    np.testing.assert_array_equal(copy.step, node.step)


UNMATCHED = {
    "floor alone": "y = Floor(x)",
    "no lowest level": "a = Mul(x, inv) b = Floor(a) c = Min(b, L) y = Mul(c, step)",
    "no highest level": "r = Relu(x) a = Mul(r, inv) b = Floor(a) y = Mul(b, step)",
    "bound between levels": "a = Mul(x, inv) b = Floor(a) c = Mul(b, step) y = Clip(c, zero, odd)",
    "negated": "a = Mul(x, inv) b = Floor(a) n = Neg(b) y = Clip(n, zero, L)",
}


@pytest.mark.parametrize("nodes", UNMATCHED.values(), ids=UNMATCHED.keys())
def test_a_rounding_without_bounds_is_refused(build: Build, save: Save, nodes: str) -> None:
    nodes = nodes.replace("y = ", "z = ") + " y = Conv(z, w)"
    weights = {"w": np.ones((1, 2, 1, 1)), "odd": np.array(0.7)}
    path = save(build(nodes, **weights, **constants(LAM, LEVELS)))
    found = inspect(path, get_backend("numpy"), Options(), require_full=True)
    (entry,) = found.unsupported
    (rounding,) = load(path).graph.of_type(Staircase)
    assert not found.convertible
    assert (entry.operator, entry.node) in {
        (n.op_type, title(n)) for n in onnx.load(path).graph.node
    }
    assert "rounds to levels" in entry.reason
    assert "Clip whose bounds are levels" in entry.hint
    assert rounding.low is rounding.high is None


def test_a_value_that_others_read_keeps_its_operators(build: Build, save: Save) -> None:
    """The rates and their product are both read: each stays a value of the graph."""
    nodes = f"{QCFS['clip-last']} p = Conv(f, w) q = Conv(y, w) z = Add(p, q)"
    model = build(nodes, outputs="float[] z", w=np.ones((1, 2, 1, 1)), **constants(LAM, LEVELS))
    graph = simplified(save, model)
    np.testing.assert_array_equal(
        evaluate(graph, {"x": GRID})[graph.outputs["z"]], original(model, {"x": GRID})["z"]
    )
    (node,) = graph.of_type(Staircase)
    assert (node.name, node.step.item(), node.high) == ("f", 0.25, 4)


RNL = {
    "rate": ("r = Relu(x) a = Div(r, lam) y = Clip(a, zero, one)", 1.0),
    "rate times theta": ("r = Relu(x) a = Div(r, lam) b = Clip(a, zero, one) y = Mul(b, lam)", 2.0),
    "threshold ReLU": ("r = Relu(x) y = Min(r, lam)", 2.0),
}


@pytest.mark.parametrize(("nodes", "bound"), RNL.values(), ids=RNL.keys())
def test_a_scaled_clip_becomes_one_clip(build: Build, save: Save, nodes: str, bound: float) -> None:
    model = build(
        f"x = Conv(i, w) {nodes}",
        "float[N,2,7,9] i",
        w=np.eye(2).reshape(2, 2, 1, 1),
        **constants(LAM, LEVELS),
    )
    graph = simplified(save, model)
    (clip,) = graph.of_type(Clip)
    assert [type(node).__name__ for node in graph] == ["Input", "Conv", "Clip"]
    assert (clip.low, clip.high) == (0, bound)
    wanted = original(model, {"i": GRID})["y"]
    np.testing.assert_array_equal(evaluate(graph, {"i": GRID})["y"], wanted)
