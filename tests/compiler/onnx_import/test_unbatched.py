"""Models without a batch axis: the whole tensor is one sample, for as many as one likes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from onnx import ModelProto

import snnc
from snnc.backends import get_backend
from snnc.compiler.inspection import inspect
from snnc.compiler.onnx_import import ImportedModel, examine, load
from snnc.compiler.options import Options
from snnc.ir import Array, Input
from snnc.ir.errors import ModelError
from snnc.ir.reference import evaluate

from .conftest import Build, Save, assert_close, original


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def check(model: ModelProto, save: Save) -> ImportedModel:
    """Import a model; every sample must give what ONNX Runtime makes of that sample alone."""
    imported = load(save(model))
    assert imported.unbatched
    rng = np.random.default_rng(0)
    dims = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in model.graph.input
    }
    samples = {
        name: rng.normal(size=(3, *shape)).astype(np.float32) for name, shape in dims.items()
    }
    nodes = imported.graph.of_type(Input)
    values = evaluate(
        imported.graph,
        {node.name: samples[node.name].reshape(3, *node.type.shape) for node in nodes},
    )
    for index in range(3):
        wanted = original(model, {name: x[index] for name, x in samples.items()})
        for name, node in imported.graph.outputs.items():
            assert_close(values[node][index].reshape(wanted[name].shape), wanted[name])
    return imported


MATRIX = "float[3,4] x"
ROW = "float[1,4] x"
IMAGE = "float[1,3,4,5] x"
FORMS = {
    "vector": ("y = Relu(x)", "float[5] x"),
    "flatten": ("y = Flatten<axis=2>(x)", "float[2,3,4] x"),
    "flatten all": ("a = Flatten<axis=0>(x) y = Transpose(a)", IMAGE),
    "flatten from behind": ("y = Flatten<axis=-1>(x)", "float[2,3,4] x"),
    "transpose": ("y = Transpose<perm=[2,0,1]>(x)", "float[2,3,4] x"),
    "reshape": ("y = Reshape(x, flat)", MATRIX),
    "reshape copies": ("a = Transpose(x) y = Reshape(a, copied)", MATRIX),
    "concat": ("n = Neg(x) y = Concat<axis=0>(x, n)", MATRIX),
    "concat of vectors": ("n = Neg(x) y = Concat<axis=-1>(x, n)", "float[5] x"),
    "split": ("y, z = Split(x)", "float[4,3] x"),
    "slice": ("y = Slice(x, one, two)", MATRIX),
    "gather": ("y = Gather(x, swapped)", MATRIX),
    "tile": ("y = Tile(x, twos)", MATRIX),
    "expand": ("y = Expand(x, large)", "float[3,1] x"),
    "pad": ('y = Pad<mode="edge">(x, pads)', MATRIX),
    "squeeze": ("a = Squeeze(x) y = Transpose(a)", "float[1,3,1,4] x"),
    "unsqueeze": ("y = Unsqueeze(x, zero)", MATRIX),
    "total": ("y = ReduceSum(x)", MATRIX),
    "largest": ("y = ReduceMax<axes=[0], keepdims=0>(x)", MATRIX),
    "gemm": ("y = Gemm<transA=1, alpha=0.5, beta=2.0>(x, w, c)", MATRIX),
    "gemm of a row": ("a = Gemm(x, v) y = Transpose(a)", ROW),
    "vector by matrix": ("y = MatMul(x, v)", "float[4] x"),
    "matrix by vector": ("y = MatMul(u, x)", "float[4] x"),
    "sizes": (
        "t = Transpose(x) s = Shape(t) n = Gather(s, one) f = Cast<to=1>(n) y = Mul(t, f)",
        "float[5,3] x",
    ),
    "smaller beside larger": ("m = Neg(x) y = Add(m, bias)", "float[3] x"),
    "layer between": (
        "a = Conv<pads=[1,1,1,1]>(x, k) b = MaxPool<kernel_shape=[2,2]>(a) y = Transpose(b)",
        IMAGE,
    ),
    "two inputs": ("a = Squeeze(z, zero) y = Add(x, a)", "float[3,4] x, float[1,3,4] z"),
}
WEIGHTS = {
    "flat": ints(-1),
    "copied": ints(0, 1, -1),
    "one": ints(1),
    "two": ints(2),
    "zero": ints(0),
    "swapped": ints(2, 0),
    "twos": ints(2, 2),
    "large": ints(2, 3, 4),
    "pads": ints(1, 0, 2, 1),
    "w": np.linspace(-1, 1, 6).reshape(3, 2),
    "c": np.linspace(0, 1, 8).reshape(4, 2),
    "v": np.linspace(-1, 1, 8).reshape(4, 2),
    "u": np.linspace(-1, 1, 12).reshape(3, 4),
    "bias": np.linspace(-1, 1, 12).reshape(4, 3),
    "k": np.linspace(-1, 1, 54).reshape(2, 3, 3, 3),
}


@pytest.mark.parametrize("form", FORMS)
def test_as_the_file_does_with_one_sample(build: Build, save: Save, form: str) -> None:
    nodes, inputs = FORMS[form]
    used = {name: w for name, w in WEIGHTS.items() if re.search(rf"[(, ]{name}[,)]", nodes)}
    outputs = "float[] y, float[] z" if "y, z" in nodes else "float[] y"
    opset = 12 if "axes=" in nodes else 17
    check(build(nodes, inputs, outputs, opset=opset, **used), save)


def test_users_see_no_axis_of_one_sample(build: Build, save: Save) -> None:
    imported = check(build("a = Transpose(x) y = Transpose(a)", ROW), save)
    types = imported.graph.types
    assert types["x"].shape == types[imported.graph.outputs["y"]].shape == (4,)


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ("y = Conv(x, k)", "several samples that are one here"),
        ("y = Tile(x, many)", "makes"),
        ("y = Expand(x, vast)", "makes"),
        ("y = Pad(x, wide)", "makes"),
    ],
)
def test_refused(build: Build, save: Save, nodes: str, reason: str) -> None:
    weights = {
        "k": np.ones((2, 3, 3, 3)),
        "many": ints(1, 1, 1 << 40, 1),
        "vast": ints(1 << 40, 1, 1, 1, 1),
        "wide": ints(0, 0, 0, 0, 0, 0, 0, 1 << 40),
    }
    used = {name: value for name, value in weights.items() if f"{name})" in nodes}
    behind = nodes.replace("(x", "(b")  # what moves the batch keeps it from being one
    model = build(f"a = Transpose(x) b = Transpose(a) {behind}", "float[2,3,4,5] x", **used)
    found = examine(save(model))
    assert found.model is None
    assert found.unsupported


def test_an_open_first_axis_stays_the_batch(build: Build, save: Save) -> None:
    with pytest.raises(ModelError, match="moves the batch"):
        load(save(build("y = Transpose(x)", "float[N,4] x")))


def test_it_is_said(build: Build, save: Save) -> None:
    path = save(build("a = Transpose(x) b = Relu(a) y = Gemm(b, w)", MATRIX, w=np.ones((3, 2))))
    found = inspect(path, get_backend("numpy"), Options())
    assert found.unbatched
    assert found.inputs == {"x": (3, 4)}
    network = snnc.compile(path)
    x = np.random.default_rng(0).uniform(size=(5, 3, 4)).astype(np.float32)
    assert network.run(x).decoded["y"].shape == (5, 8, 4, 2)
