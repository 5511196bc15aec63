"""Every handler against ONNX Runtime, with every option it knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from snnc.compiler.onnx_import import ImportedModel, load
from snnc.ir import Add, Affine, AveragePool, Clip, Conv, Gather, Linear, MaxPool, Product, Reshape
from snnc.ir.node import Node

Build = Callable[..., ModelProto]
Check = Callable[..., ImportedModel]

RNG = np.random.default_rng(0)
FLAT = "float[N,6] x"


def real(*shape: int) -> Any:
    return RNG.normal(size=shape)


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


def kinds(model: ImportedModel) -> list[type[Node]]:
    return [type(node) for node in model.graph if node.inputs]


CONVOLUTIONS = {
    "plain": "y = Conv(x, w)",
    "bias": "y = Conv(x, w, b)",
    "kernel": "y = Conv<kernel_shape=[3,2]>(x, w)",
    "strides": "y = Conv<strides=[2,3]>(x, w)",
    "pads": "y = Conv<pads=[1,0,2,3]>(x, w)",
    "dilations": "y = Conv<dilations=[2,3]>(x, w)",
    "everything": "y = Conv<dilations=[2,1],strides=[1,2],pads=[1,1,0,1]>(x, w, b)",
    "same-upper": 'y = Conv<auto_pad="SAME_UPPER",strides=[2,2]>(x, w)',
    "same-lower": 'y = Conv<auto_pad="SAME_LOWER",strides=[2,2]>(x, w)',
    "valid": 'y = Conv<auto_pad="VALID",strides=[2,1]>(x, w)',
    "notset": 'y = Conv<auto_pad="NOTSET",pads=[1,1,1,1]>(x, w)',
    "pad-before": "p = Pad(x, pads) y = Conv<pads=[0,1,0,0]>(p, w)",
    "pad-value": "p = Pad(x, pads, zero) y = Conv(p, w)",
    "two-pads": "p = Pad(x, pads) q = Pad(p, pads) y = Conv(q, w)",
}


@pytest.mark.parametrize("nodes", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_convolution(build: Build, check: Check, nodes: str) -> None:
    weights = {"w": real(4, 2, 3, 2), "b": real(4), "pads": ints(0, 0, 1, 2, 0, 0, 0, 1)}
    assert kinds(check(build(nodes, **weights, zero=np.zeros((), np.float32)))) == [Conv]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution_in_groups(build: Build, check: Check, groups: int) -> None:
    nodes, weight = f"y = Conv<group={groups}>(x, w)", real(4, 4 // groups, 3, 3)
    check(build(nodes, "float[N,4,5,5] x", w=weight))


PADS = {
    "then-relu": "p = Pad(x, pads) y = Relu(p)",
    "then-max": "p = Pad(x, pads) y = MaxPool<kernel_shape=[4,4]>(p)",
    "then-average": "p = Pad(x, pads) y = AveragePool<kernel_shape=[4,4]>(p)",
    "then-average-with-own": (
        "p = Pad(x, pads) y = AveragePool<kernel_shape=[4,4],pads=[1,1,1,1]>(p)"
    ),
    "then-average-counting": (
        "p = Pad(x, pads)y = AveragePool<kernel_shape=[4,4],pads=[1,1,1,1],count_include_pad=1>(p)"
    ),
    "twice-read": "p = Pad(x, pads) a = Conv(p, w) b = Relu(p) y = Add(a, b)",
    "output": "y = Pad(x, pads)",
    "zero": "y = Pad(x, none) z = Relu(x)",
    "axes": "y = Pad(x, spatial, , axes)",
}


@pytest.mark.parametrize("nodes", PADS.values(), ids=PADS.keys())
def test_padding(build: Build, check: Check, nodes: str) -> None:
    weights = {
        "pads": ints(0, 0, 1, 2, 0, 0, 0, 1),
        "none": ints(0, 0, 0, 0, 0, 0, 0, 0),
        "spatial": ints(1, 2, 0, 1),
        "axes": ints(-1, 2),
        "w": real(2, 2, 1, 1),
    }
    check(build(nodes, opset=18, **weights))


def test_padding_as_attribute(build: Build, check: Check) -> None:
    nodes = 'p = Pad<mode="constant",pads=[0,0,1,1,0,0,1,1],value=0.0>(x) y = Conv(p, w)'
    assert kinds(check(build(nodes, opset=10, w=real(3, 2, 3, 3)))) == [Conv]


def test_padding_merges_only_where_the_divisor_allows(build: Build, check: Check) -> None:
    pool = "p = Pad(x, pads) y = AveragePool<kernel_shape=[3,3]%s>(p)"
    weights = {"pads": ints(0, 0, 1, 1, 0, 0, 1, 1)}
    merged, apart = (check(build(pool % own, **weights)) for own in ("", ",pads=[1,1,1,1]"))
    assert kinds(merged) == [AveragePool]
    assert kinds(apart) == [Gather, Gather, AveragePool]


LINEAR = {
    "gemm": "y = Gemm(x, w)",
    "gemm-bias": "y = Gemm(x, w, b)",
    "gemm-row": "y = Gemm(x, w, row)",
    "gemm-number": "y = Gemm(x, w, number)",
    "gemm-one": "y = Gemm(x, w, one)",
    "gemm-transposed": "y = Gemm<transB=1>(x, wt, b)",
    "gemm-scaled": "y = Gemm<alpha=0.5,beta=2.0,transB=1>(x, wt, b)",
    "matmul": "y = MatMul(x, w)",
}


@pytest.mark.parametrize("nodes", LINEAR.values(), ids=LINEAR.keys())
def test_linear(build: Build, check: Check, nodes: str) -> None:
    weights = {"w": real(6, 4), "wt": real(4, 6), "b": real(4), "row": real(1, 4)}
    model = build(nodes, FLAT, **weights, number=real(), one=real(1))
    assert kinds(check(model)) == [Linear]


def test_bias_after_matmul(build: Build, check: Check) -> None:
    model = build("a = MatMul(x, w) y = Add(b, a)", FLAT, w=real(6, 4), b=real(4))
    assert kinds(check(model)) == [Linear, Affine]


AVERAGES = {
    "plain": "kernel_shape=[2,3]",
    "strides": "kernel_shape=[2,2],strides=[2,1]",
    "pads": "kernel_shape=[3,3],pads=[1,0,2,1]",
    "pads-counted": "kernel_shape=[3,3],pads=[1,0,2,1],count_include_pad=1",
    "same-upper": 'kernel_shape=[2,2],auto_pad="SAME_UPPER"',
    "same-lower": 'kernel_shape=[2,2],auto_pad="SAME_LOWER",strides=[2,2]',
    "valid": 'kernel_shape=[2,2],auto_pad="VALID",strides=[2,2]',
    "ceil-of-nothing": "kernel_shape=[3,3],strides=[2,2],ceil_mode=1",
}


@pytest.mark.parametrize("options", AVERAGES.values(), ids=AVERAGES.keys())
def test_pooling(build: Build, check: Check, options: str) -> None:
    assert kinds(check(build(f"y = AveragePool<{options}>(x)"))) == [AveragePool]
    if "count" not in options:
        assert kinds(check(build(f"y = MaxPool<{options},storage_order=1>(x)"))) == [MaxPool]


def test_max_pool_with_dilation(build: Build, check: Check) -> None:
    check(build("y = MaxPool<kernel_shape=[2,3],dilations=[3,2],pads=[1,1,0,1]>(x)"))


MEANS = {
    "global": ("y = GlobalAveragePool(x)", 17, [AveragePool]),
    "global-max": ("y = GlobalMaxPool(x)", 17, [MaxPool]),
    "attribute": ("y = ReduceMean<axes=[2,3]>(x)", 13, [AveragePool]),
    "dropped": ("y = ReduceMean<axes=[-1,2],keepdims=0>(x)", 13, [AveragePool, Reshape]),
    "input": ("y = ReduceMean<keepdims=0>(x, axes)", 18, [AveragePool, Reshape]),
}


@pytest.mark.parametrize(("nodes", "opset", "expected"), MEANS.values(), ids=MEANS.keys())
def test_means(
    build: Build, check: Check, nodes: str, opset: int, expected: list[type[Node]]
) -> None:
    assert kinds(check(build(nodes, opset=opset, axes=ints(-1, -2)))) == expected


def test_a_mean_over_no_axes_does_nothing(build: Build, save: Callable[..., Path]) -> None:
    nodes = "a = Relu(x) y = ReduceMean<noop_with_empty_axes=1>(a)"  # ONNX Runtime 1.23 fails
    assert kinds(load(save(build(nodes, opset=18)))) == [Clip]


def test_the_last_of_several_nodes_has_the_name_of_the_tensor(build: Build, check: Check) -> None:
    model = build("a = Relu(x) y = ReduceMean<axes=[2,3],keepdims=0>(a)", opset=13)
    relu, mean = model.graph.node
    relu.output[0] = mean.input[0] = "y.mean"
    names = list(check(model).graph.nodes)
    assert names == ["x", "y.mean", "y.mean'", "y"]


CLIPS = {
    "relu": ("y = Relu(x)", 17, (0, np.inf)),
    "both": ("y = Clip(x, low, high)", 17, (-0.25, 0.5)),
    "low": ("y = Clip(x, low)", 17, (-0.25, np.inf)),
    "high": ("y = Clip(x, , high)", 17, (-np.inf, 0.5)),
    "attributes": ("y = Clip<min=0.0,max=6.0>(x)", 6 + 4, (0, 6)),
    "attribute": ("y = Clip<max=0.5>(x)", 10, (-np.inf, 0.5)),
    "largest": ("y = Clip<min=0.0,max=3.4028234663852886e+38>(x)", 10, (0, np.inf)),
    "min": ("y = Min(x, high)", 17, (-np.inf, 0.5)),
    "max": ("y = Max(low, x)", 17, (-0.25, np.inf)),
}


@pytest.mark.parametrize(("nodes", "opset", "bounds"), CLIPS.values(), ids=CLIPS.keys())
def test_limits(
    build: Build, check: Check, nodes: str, opset: int, bounds: tuple[float, float]
) -> None:
    weights = {"low": np.array(-0.25), "high": np.array(0.5)}
    (node,) = check(build(nodes, opset=opset, **weights)).graph.of_type(Clip)
    assert (node.low, node.high) == bounds


def test_clip_without_bounds_does_nothing(build: Build, check: Check) -> None:
    assert kinds(check(build("a = Relu(x) y = Clip(a)"))) == [Clip]


SHAPES = {
    "flatten": "y = Flatten(x)",
    "flatten-axis": "y = Flatten<axis=1>(x)",
    "flatten-negative": "y = Flatten<axis=-3>(x)",
    "reshape": "y = Reshape(x, to)",
    "reshape-zero": "y = Reshape(x, zero)",
    "view": "s = Shape(x) n = Gather(s, i) n1 = Unsqueeze(n, i0) t = Concat<axis=0>(n1, open)"
    "y = Reshape(x, t)",
    "shape-slice": "n = Shape<start=0,end=1>(x) t = Concat<axis=0>(n, open) y = Reshape(x, t)",
    "features": "s = Shape<start=1>(x) m = ReduceProd<keepdims=1>(s) t = Concat<axis=0>(open, m)"
    "y = Reshape(x, t)",
    "size": "a = Size(x) s = Shape(x) n = Gather(s, i) f = Div(a, n) f1 = Unsqueeze(f, i0)"
    "t = Concat<axis=0>(open, f1) y = Reshape(x, t)",
    "unsqueeze": "a = Flatten(x) y = Unsqueeze(a, axes)",
    "squeeze": "a = GlobalAveragePool(x) y = Squeeze(a, axes)",
    "transpose": "a = GlobalAveragePool(x) y = Transpose<perm=[0,2,3,1]>(a)",
    "transpose-nothing": "a = Relu(x) y = Transpose<perm=[0,1,2,3]>(a)",
    "transpose-channels-last": "y = Transpose<perm=[0,2,3,1]>(x)",
    "transpose-there-and-back": "a = Transpose<perm=[0,3,1,2]>(x) b = Relu(a)"
    "y = Transpose<perm=[0,2,3,1]>(b)",
    "depth-to-space": "a = Concat<axis=1>(x, x, x, x) y = DepthToSpace<blocksize=2>(a)",
    "depth-to-space-crd": "a = Concat<axis=1>(x, x, x, x)"
    'y = DepthToSpace<blocksize=2,mode="CRD">(a)',
    "resize": 'y = Resize<coordinate_transformation_mode="asymmetric",nearest_mode="floor">'
    "(x, , factors)",
    "resize-half-pixel": "y = Resize(x, , factors)",
    "identity": "a = Identity(x) b = Relu(a) y = Identity(b)",
    "dropout": "a = Dropout(x, half) b = Relu(a) y = Dropout(b)",
    "cast": "a = Cast<to=1>(x) b = Relu(a) y = Cast<to=1>(b)",
    "constant": "c = Constant<value_float=2.0>() y = Mul(x, c)",
    "only-the-input": "y = Identity(x)",
}


@pytest.mark.parametrize("nodes", SHAPES.values(), ids=SHAPES.keys())
def test_views(build: Build, check: Check, nodes: str) -> None:
    weights = {
        "to": ints(-1, 2, 63),
        "zero": ints(0, 0, -1),
        "i": ints(0)[0],
        "i0": ints(0),
        "open": ints(-1),
        "axes": ints(2, -1),
        "half": np.array(0.5),
        "factors": np.array([1.0, 1.0, 2.0, 3.0]),
    }
    check(build(nodes, **weights))


def test_resize_to_sizes(build: Build, check: Check) -> None:
    check(build("y = Resize(x, , , to)", "float[3,2,7,9] x", to=ints(3, 2, 14, 27)))


@pytest.mark.parametrize("target", [(3, 126), (1, -1), (3, -1), (0, -1), (-1, 2, 63)])
def test_reshape_of_a_file_with_a_fixed_batch(build: Build, check: Check, target: Any) -> None:
    model = build("y = Reshape(x, to)", "float[3,2,7,9] x", to=ints(*target))
    if target[0] == 1:  # exported for one sample, then the input was edited to three
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        check(model, {"x": real(1, 2, 7, 9).astype(np.float32)})
    else:
        check(model)


@pytest.mark.parametrize("opset", [11, 17])
def test_squeeze_axes_as_attribute_and_input(build: Build, check: Check, opset: int) -> None:
    if opset == 11:
        nodes = "a = Unsqueeze<axes=[1,-1]>(x) b = Relu(a) y = Squeeze<axes=[-1]>(b)"
    else:
        nodes = "a = Unsqueeze(x, out) b = Relu(a) y = Squeeze(b, last)"
    check(build(nodes, FLAT, opset=opset, out=ints(1, -1), last=ints(-1)))


ARITHMETIC = {
    "add": "y = Add(x, c)",
    "add-left": "y = Add(c, x)",
    "add-pixel": "y = Add(x, pixel)",
    "add-batched": "y = Add(x, batched)",
    "sub": "y = Sub(x, c)",
    "sub-left": "y = Sub(c, x)",
    "mul": "y = Mul(x, c)",
    "mul-number": "y = Mul(number, x)",
    "div": "y = Div(x, c)",
    "neg": "y = Neg(x)",
    "normalize": "a = Sub(x, c) y = Div(a, batched)",
    "add-two": "a = Relu(x) y = Add(a, x)",
    "add-itself": "y = Add(x, x)",
    "sub-two": "a = Relu(x) y = Sub(a, x)",
    "sum": "a = Relu(x) b = Neg(x) y = Sum(a, b, x)",
    "sum-of-one": "a = Relu(x) y = Sum(a)",
    "batch-norm": "y = BatchNormalization<epsilon=0.001,momentum=0.8>(x, c2, d2, e2, v2)",
}


@pytest.mark.parametrize("nodes", ARITHMETIC.values(), ids=ARITHMETIC.keys())
def test_arithmetic(build: Build, check: Check, nodes: str) -> None:
    weights = {
        "c": real(2, 1, 1),
        "pixel": real(7, 9),
        "batched": real(1, 2, 1, 9),
        "number": real(),
        **{name: real(2) for name in ("c2", "d2", "e2")},
        "v2": RNG.uniform(0.5, 2, size=2),
    }
    imported = check(build(nodes, **weights))
    assert set(kinds(imported)) <= {Affine, Add, Clip}


def test_batch_normalization_of_features(build: Build, check: Check) -> None:
    weights = {name: RNG.uniform(0.5, 2, size=6) for name in "abcd"}
    check(build("y = BatchNormalization(x, a, b, c, d)", FLAT, **weights))


def test_several_inputs_and_outputs(build: Build, check: Check) -> None:
    inputs, outputs = "float[N,6] x, float[N,4] left", "float[] y, float[] z, float[] x2"
    nodes = "y = MatMul(x, w) z = Add(y, left) x2 = Identity(left)"
    imported = check(build(nodes, inputs, outputs, w=real(6, 4)))
    assert dict(imported.graph.outputs) == {"y": "y", "z": "z", "x2": "left"}


def test_parameters_are_those_of_the_file_in_float64(build: Build, check: Check) -> None:
    weight = real(6, 4).astype(np.float32)
    (node,) = check(build("y = MatMul(x, w)", FLAT, w=weight)).graph.of_type(Linear)
    assert node.weight.dtype == np.float64
    assert np.array_equal(node.weight, weight.T.astype(np.float64))


@pytest.mark.parametrize("nodes", ["a = Relu(x) y = Mul(a, x)", "y = Mul(x, x)"])
def test_product_of_activations(build: Build, check: Check, nodes: str) -> None:
    assert kinds(check(build(nodes)))[-1] is Product
