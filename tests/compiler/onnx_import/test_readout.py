"""Softmax and ArgMax at the end of a network are cut off and listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from snnc.compiler.onnx_import import Cut, ImportedModel, examine
from snnc.ir import Array

Build = Callable[..., ModelProto]
Check = Callable[..., ImportedModel]
FLAT = "float[N,6] x"
WEIGHT = np.random.default_rng(1).normal(size=(6, 4))

TAILS = {
    "softmax": ("y = Softmax(a)", 17, ["Softmax"]),
    "softmax-axis": ("y = Softmax<axis=1>(a)", 17, ["Softmax"]),
    "softmax-old": ("y = Softmax(a)", 11, ["Softmax"]),
    "log-softmax": ("y = LogSoftmax<axis=-1>(a)", 13, ["LogSoftmax"]),
    "identity-after": ("b = Softmax(a) c = Identity(b) y = Cast<to=1>(c)", 17, ["Softmax"]),
    "nothing": ("y = Identity(a)", 17, []),
}


@pytest.mark.parametrize(("tail", "opset", "operators"), TAILS.values(), ids=TAILS.keys())
def test_cut(build: Build, check: Check, tail: str, opset: int, operators: list[str]) -> None:
    imported = check(build(f"a = MatMul(x, w) {tail}", FLAT, opset=opset, w=WEIGHT))
    assert [cut.operator for cut in imported.cut] == operators
    assert dict(imported.graph.outputs) == {"y": "a"}


def test_cut_over_the_channels_of_an_image(build: Build, check: Check) -> None:
    check(build("y = Softmax<axis=1>(x)"))


@pytest.mark.parametrize("keep", [0, 1])
def test_argmax(build: Build, keep: int, save: Callable[[ModelProto], Path]) -> None:
    nodes = f"a = MatMul(x, w) [soft] b = Softmax(a) [hard] y = ArgMax<axis=1,keepdims={keep}>(b)"
    found = examine(save(build(nodes, FLAT, w=WEIGHT)))
    assert found.cut == (Cut("y", "Softmax", "soft"), Cut("y", "ArgMax", "hard"))
    assert found.model is not None
    assert dict(found.model.graph.outputs) == {"y": "a"}


def test_scores_and_probabilities_as_outputs(build: Build, check: Check) -> None:
    outputs = "float[] a, float[] p, float[] l"
    nodes = "a = MatMul(x, w) p = Softmax(a) l = LogSoftmax(a)"
    imported = check(build(nodes, FLAT, outputs, w=WEIGHT))
    assert dict(imported.graph.outputs) == {"a": "a", "p": "a", "l": "a"}
    assert [cut.output for cut in imported.cut] == ["p", "l"]


def test_probabilities_that_are_used_are_not_cut(
    build: Build, save: Callable[[ModelProto], Path]
) -> None:
    outputs = "float[] y, float[] z"
    found = examine(save(build("y = Softmax(x) z = Neg(y)", FLAT, outputs)))
    assert [entry.operator for entry in found.unsupported] == ["Softmax"]
    assert found.cut == ()


def test_range_of_an_input_that_is_clipped(build: Build, check: Check) -> None:
    weights: dict[str, Array] = {"zero": np.array(0.0), "two": np.array(2.0), "one": np.array(1.0)}
    limited = check(build("a = Clip(x, zero, two) b = Clip(x, zero, one) y = Add(a, b)", **weights))
    assert limited.input_ranges == {"x": (0.0, 2.0)}
    for nodes in ("a = Clip(x, zero, two) y = Add(a, x)", "y = Clip(x, zero)", "y = Identity(x)"):
        assert check(build(nodes, **weights)).input_ranges == {}
