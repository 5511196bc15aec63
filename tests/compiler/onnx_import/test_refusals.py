"""What cannot be converted is refused with the node, the reason and a way round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from snnc.compiler.onnx_import import examine, handlers, load
from snnc.ir.errors import UnsupportedOperatorError

Build = Callable[..., ModelProto]
Save = Callable[[ModelProto], Path]


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


WEIGHTS = {
    "w": np.ones((4, 2, 3, 3)),
    "w1": np.ones((4, 2, 3)),
    "b3": np.ones(3),
    "m": np.ones((9, 9)),
    "f": np.ones((6, 4)),
    "v": np.ones(6),
    "nan": np.full((2, 1, 1), np.nan),
    "twice": np.array([1.0, 1.0, 2.0, 2.0]),
    "all_twice": np.full(4, 2.0),
    "zero": np.zeros((2, 1, 1)),
    "one": np.ones(()),
    "tall": np.ones((3, 2, 7, 9)),
    "whole": ints(2)[0],
    "yes": np.array(True),
    "before": ints(1, 0, 0, 0, 0, 0, 0, 0),
    "wide": ints(0, 0, 7, 0, 0, 0, 0, 0),
    "fours": ints(2, 1, 1, 1),
    "many": ints(1, 1, 10**5, 10**5),
    "half": np.array(0.5),
    "pads": ints(0, 1, 0, 0, 0, 1, 0, 0),
    "crop": ints(0, 0, -1, 0, 0, 0, 0, 0),
    "border": ints(0, 0, 1, 1, 0, 0, 1, 1),
    "mixed": ints(-1, 63),
    "all": ints(-1),
    "wrong": ints(-1, 3, 7),
    "far": ints(0, 2, 7, 9, 0),
    "first": ints(0),
    "second": ints(1),
    "third": ints(2),
}

IMAGE = {
    "computed weight": ("a = Relu(x) y = Conv(x, a)", "Conv", "input 1 is computed"),
    "kernel_shape": ("y = Conv<kernel_shape=[5,5]>(x, w)", "Conv", "kernel_shape"),
    "bias": ("y = Conv(x, w, b3)", "Conv", "input 2 has shape (3,)"),
    "negative pads": ("y = Conv<pads=[-1,0,0,0]>(x, w)", "Conv", "pads=[-1, 0, 0, 0]"),
    "strides": ("y = Conv<strides=[0,1]>(x, w)", "Conv", "strides=[0, 1]"),
    "group": ("y = Conv<group=0>(x, w)", "Conv", "group=0"),
    "groups": ("y = Conv<group=3>(x, w)", "Conv", "3 groups"),
    "auto_pad": ('y = Conv<auto_pad="SOME">(x, w)', "Conv", "auto_pad=SOME"),
    "pads twice": ('y = Conv<auto_pad="VALID",pads=[1,1,1,1]>(x, w)', "Conv", "both pads"),
    "window": ("y = Conv<dilations=[4,4]>(x, w)", "Conv", "window of 9 does not fit into 7"),
    "gemm on an image": ("y = Gemm(x, m)", "Gemm", "batch x features"),
    "matmul of two": ("a = Relu(x) y = MatMul(x, a)", "MatMul", "two activations"),
    "pad short": ("y = Pad(x, first)", "Pad", "does not fit 4 axes"),
    "padding": (
        "y = MaxPool<kernel_shape=[2,2],pads=[2,0,0,0]>(x)",
        "MaxPool",
        "as large as its window",
    ),
    "mean over all": ("y = ReduceMean(x)", "ReduceMean", "axes [0, 1, 2, 3] of 4"),
    "equal bounds": ("y = Clip(x, one, one)", "Clip", "1 is not below its upper bound 1"),
    "bound by channel": ("y = Clip(x, zero)", "Clip", "shape (2, 1, 1)"),
    "maximum of constants": ("y = Max(zero, v, x)", "Max", "two constants"),
    "reshape to one axis": ("y = Reshape(x, all)", "Reshape", "target shape is [-1]"),
    "reshape mixes": ("y = Reshape(x, mixed)", "Reshape", "mixes batch and features"),
    "reshape wrong": ("y = Reshape(x, wrong)", "Reshape", "mixes batch and features"),
    "reshape far": ("y = Reshape(x, far)", "Reshape", "not there"),
    "reshape allowzero": ("y = Reshape<allowzero=1>(x, far)", "Reshape", "size 0"),
    "reshape computed": (
        "s = Shape(x) n = Gather(s, first) t = Concat<axis=0>(all, n) y = Reshape(x, t)",
        "Reshape",
        "target shape is [-1, 1]",
    ),
    "flatten": ("y = Flatten<axis=2>(x)", "Flatten", "axis=2"),
    "squeeze anything": ("y = Squeeze(x)", "Squeeze", "which axes"),
    "squeeze size 2": ("y = Squeeze(x, second)", "Squeeze", "not all of size 1"),
    "squeeze batch": ("y = Squeeze(x, first)", "Squeeze", "batch"),
    "unsqueeze batch": ("y = Unsqueeze(x, first)", "Unsqueeze", "batch"),
    "depth to space": ("y = DepthToSpace<blocksize=2>(x)", "DepthToSpace", "of 2 channels"),
    "resize": ('y = Resize<mode="quintic">(x, , twice)', "Resize", "quintic"),
    "pad the batch": ("y = Pad(x, before)", "Pad", "pads the batch"),
    "pad far": ('y = Pad<mode="reflect">(x, wide)', "Pad", "pads 7 places by 7 and 0"),
    "slice of a batch": ("y = Slice(x, first, second, first)", "Slice", "samples of a batch"),
    "gather of a batch": ("y = Gather(x, first)", "Gather", "samples of a batch"),
    "gather what is not there": ("y = Gather<axis=1>(x, third)", "Gather", "do not have"),
    "split of a batch": ("y, z = Split<axis=0>(x)", "Split", "splits a batch"),
    "tile of a batch": ("y = Tile(x, fours)", "Tile", "repeats samples"),
    "tile too much": ("y = Tile(x, many)", "Tile", "values of each sample"),
    "where it depends": ("c = Cast<to=9>(x) y = Where(c, x, x)", "Cast", "other than float32"),
    "power": ("y = Pow(x, half)", "Pow", "exponent"),
    "mean of the batch": ("y = ReduceMean<axes=[0]>(x)", "ReduceMean", "the batch among them"),
    "resize batch": ("y = Resize(x, , all_twice)", "Resize", "enlarges the batch"),
    "transpose batch": ("y = Transpose(x)", "Transpose", "perm=[3, 2, 1, 0]"),
    "cast to integers": ("y = Cast<to=7>(x)", "Cast", "other than float32"),
    "training": ("y = Dropout(x, one, yes)", "Dropout", "training"),
    "division": ("a = Relu(x) y = Div(one, a)", "Div", "divides by an activation"),
    "division by zero": ("y = Div(x, zero)", "Div", "divides by zero"),
    "overflow": ("a = Mul(x, nan) y = Relu(a)", "Mul", "NaN or infinity"),
    "too large a constant": ("y = Add(x, tall)", "Add", "(3, 2, 7, 9) does not fit"),
    "integers": ("y = Mul(x, whole)", "Mul", "int64"),
    "indices": ("a, y = MaxPool<kernel_shape=[2,2]>(x)", "MaxPool", "further output 'y'"),
    "negative variance": (
        "z = Squeeze(zero, axes) n = Neg(ones) y = BatchNormalization(x, z, z, z, n)",
        "BatchNormalization",
        "not positive",
    ),
    "statistics": ("y = BatchNormalization(x, v, v, v, v)", "BatchNormalization", "2 numbers each"),
    "batch size in arithmetic": (
        "s = Shape(x) r = Cast<to=1>(s) n = Gather(r, first) y = Mul(x, n)",
        "Mul",
        "depends on the batch size",
    ),
    "bomb": (
        "big = Constant<value_ints=[60000,60000]>() c = Expand(one, big) y = Add(x, c)",
        "Expand",
        "3600000000 elements",
    ),
    "impossible constant": ("c = MatMul(m, f) y = Add(x, c)", "MatMul", "cannot be computed"),
    "random": ("r = RandomNormal<shape=[2,1,1]>() y = Add(x, r)", "RandomNormal", "not supported"),
    "custom": ("y = custom.Strange(x)", "custom.Strange", "not supported"),
    "softmax of pixels": ("y = Softmax<axis=3>(x)", "Softmax", "not the class axis"),
    "softmax inside": ("a = Softmax<axis=1>(x) y = Relu(a)", "Softmax", "not supported"),
    "last of equals": (
        "y = ArgMax<axis=1,select_last_index=1>(x)",
        "ArgMax",
        "select_last_index",
    ),
    "label of a label": (
        "a = ArgMax<axis=1>(x) y = ArgMax<axis=1>(a)",
        "ArgMax",
        "index of a class",
    ),
}


@pytest.mark.parametrize(("nodes", "operator", "reason"), IMAGE.values(), ids=IMAGE.keys())
def test_refused(build: Build, save: Save, nodes: str, operator: str, reason: str) -> None:
    weights = {**WEIGHTS, "axes": ints(1, 2), "ones": np.ones(2)}
    (entry,) = examine(save(build(nodes, **weights))).unsupported
    assert entry.operator == operator
    assert reason in entry.reason
    assert entry.hint


FLAT = {
    "transA": ("y = Gemm<transA=1>(x, f)", "Gemm", "transA=1"),
    "vector": ("y = MatMul(x, v)", "MatMul", "weight has shape (6,)"),
    "left": ("y = MatMul(f, x)", "MatMul", "a matrix by a batch"),
    "convolution of a vector": ("y = Conv(x, w)", "Conv", "channels x height x width"),
    "wrong width": ("y = MatMul(x, m)", "MatMul", "multiplies batch and (6,) by (9, 9)"),
    "too many biases": ("y = Gemm(x, f, b3)", "Gemm", "there are 4 outputs"),
}


@pytest.mark.parametrize(("nodes", "operator", "reason"), FLAT.values(), ids=FLAT.keys())
def test_refused_for_vectors(
    build: Build, save: Save, nodes: str, operator: str, reason: str
) -> None:
    (entry,) = examine(save(build(nodes, "float[N,6] x", **WEIGHTS))).unsupported
    assert (entry.operator, reason in entry.reason, bool(entry.hint)) == (operator, True, True)


OLD = {
    "training": (14, "BatchNormalization<training_mode=1>", "training mode"),
    "spatial": (8, "BatchNormalization<spatial=0>", "for each pixel"),
}


@pytest.mark.parametrize(("opset", "operator", "reason"), OLD.values(), ids=OLD.keys())
def test_refused_batch_normalization(
    build: Build, save: Save, opset: int, operator: str, reason: str
) -> None:
    model = build(f"y = {operator}(x, o, o, o, o)", opset=opset, o=np.ones(2))
    (entry,) = examine(save(model)).unsupported
    assert reason in entry.reason


def test_all_unsupported_operators_are_listed_and_nothing_else(build: Build, save: Save) -> None:
    nodes = """
        c = Conv(x, w)  a = Cos(c)  b = Neg(a)
        [lstm] d, e = custom.Recurrent(b)
        f = Relu(d)  g = Concat<axis=1>(f, e)  h = Conv(g, w)
        i = Sin(c)  j = Relu(i)  k = ThresholdedRelu(j)
        [last] y = Hardmax(h)  s = Softmax<axis=1>(k)  z = Relu(s)
    """
    outputs = "float[N,4,5,7] y, float[] z"
    model = build(nodes, outputs=outputs, opset=20, w=np.ones((4, 2, 3, 3)))
    path = save(model)
    found = examine(path)
    wanted = [
        ("Cos", "a"),
        ("custom.Recurrent", "lstm"),
        ("Sin", "i"),
        ("ThresholdedRelu", "k"),
        ("Hardmax", "last"),
        ("Softmax", "s"),
    ]
    assert [(entry.operator, entry.node) for entry in found.unsupported] == wanted
    assert ("Neg", "b") in found.supported
    assert found.model is None
    with pytest.raises(UnsupportedOperatorError, match="6 of the model's nodes") as error:
        load(path)
    assert len(error.value.problems) == 6
    assert error.value.problems[0].message == "a: operator Cos: is not supported"
    assert all(problem.hint for problem in error.value.problems)


def test_a_refused_node_does_not_hide_what_is_wrong_behind_it(build: Build, save: Save) -> None:
    nodes = "a = Sin(x) b = Shape(a) y = MaxPool<kernel_shape=[2,2],pads=[2,0,0,0]>(a)"
    found = examine(save(build(nodes)))
    assert [entry.operator for entry in found.unsupported] == ["Sin", "MaxPool"]


def test_attributes_no_handler_looks_at_are_refused(
    build: Build, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(handlers.HANDLERS, "Flatten", handlers.HANDLERS["Identity"])
    (entry,) = examine(save(build("y = Flatten<axis=1>(x)"))).unsupported
    assert entry.reason == "attribute axis is not supported"


def test_nodes_no_output_needs_are_not_looked_at(build: Build, save: Save) -> None:
    imported = load(save(build("a = Sigmoid(x) b = LSTM(a, a, a) y = Relu(x)")))
    assert imported.operators == {"Relu": 1}
    assert list(imported.graph.nodes) == ["x", "y"]


def test_control_flow_is_refused(build: Build, save: Save) -> None:
    nodes = """
        r = Relu(x)  d = Greater(r, r)
        y = If <
            then_branch = t () => (float[N,2,7,9] u) { u = Relu(x) },
            else_branch = e () => (float[N,2,7,9] v) { v = Neg(x) }
        > (d)
    """
    found = examine(save(build(nodes)))
    assert [entry.operator for entry in found.unsupported] == ["Greater"]


def test_cast_like_half_precision_is_refused(build: Build, save: Save) -> None:
    model = build("h = Cast<to=10>(one) y = CastLike(x, h)", one=WEIGHTS["one"])
    (entry,) = examine(save(model)).unsupported
    assert "other than float32" in entry.reason
