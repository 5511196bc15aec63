"""Operators that move values or are linear maps of them, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper

from snnc.compiler.onnx_import import ImportedModel
from snnc.ir import Conv, Curve, Gather, Product

Build = Callable[..., ModelProto]
Check = Callable[..., ImportedModel]

RNG = np.random.default_rng(0)


def real(*shape: int) -> Any:
    return RNG.normal(size=shape)


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


IMAGE = {
    "slice": "y = Slice(x, starts, ends, axes, steps)",
    "slice backwards": "y = Slice(x, last, before, axis, back)",
    "slice all samples": "y = Slice(x, whole, huge, whole)",
    "gather channels": "y = Gather<axis=1>(x, swap)",
    "gather a matrix": "y = Gather<axis=2>(x, table)",
    "gather one": "y = Gather<axis=3>(x, number)",
    "tile": "y = Tile(x, repeats)",
    "expand": "a = GlobalAveragePool(x) y = Expand(a, shape)",
    "space to depth": "a = Pad(x, odd) y = SpaceToDepth<blocksize=2>(a)",
    "pad channels": "y = Pad(x, around)",
    "pad and crop": "y = Pad(x, crop)",
    "pad reflect": 'y = Pad<mode="reflect">(x, border)',
    "pad edge": 'y = Pad<mode="edge">(x, border)',
    "broadcast": "a = GlobalAveragePool(x) y = Add(x, a)",
    "gate": "a = GlobalAveragePool(x) y = Mul(x, a)",
    "difference": "a = GlobalAveragePool(x) y = Sub(a, x)",
    "where": "y = Where(mask, x, other)",
    "where of two": "a = Neg(x) y = Where(mask, x, a)",
    "power": "y = Pow(x, three)",
    "concat": "y = Concat<axis=3>(x, x)",
    "matmul": "y = MatMul(x, right)",
    "matmul left": "y = MatMul(left, x)",
    "sum": "y = ReduceSum(x, inner)",
    "sum of channels": "y = ReduceSum<keepdims=0>(x, one)",
    "sum of all": "y = ReduceSum(x, all)",
    "maxima": "y = ReduceMax<axes=[1,3]>(x)",
    "minima": "y = ReduceMin<axes=[2],keepdims=0>(x)",
    "mean of rows": "y = ReduceMean<axes=[2],keepdims=0>(x)",
    "mean of channels": "y = ReduceMean<axes=[1]>(x)",
    "ceil": "y = MaxPool<kernel_shape=[2,2],strides=[2,2],ceil_mode=1>(x)",
    "ceil of means": "y = AveragePool<kernel_shape=[3,3],strides=[2,3],ceil_mode=1>(x)",
    "ceil into nothing": "y = MaxPool<kernel_shape=[1,1],strides=[4,4],ceil_mode=1>(x)",
}
WEIGHTS = {
    "starts": ints(1, 2),
    "ends": ints(-2, 100),
    "axes": ints(2, 3),
    "steps": ints(2, 3),
    "odd": ints(0, 0, 1, 1, 0, 0, 0, 0),
    "last": ints(-1),
    "before": ints(-100),
    "axis": ints(3),
    "back": ints(-2),
    "whole": ints(0),
    "huge": ints(2**63 - 1),
    "swap": ints(1, 0, -1),
    "table": np.array([[0, 2], [6, -1]]),
    "number": np.array(3),
    "repeats": ints(1, 2, 1, 3),
    "shape": ints(1, 2, 3, 1),
    "around": ints(0, 1, 0, 2, 0, 2, 1, 0),
    "crop": ints(0, 0, -1, 2, 0, 0, -2, 0),
    "border": ints(0, 0, 2, 1, 0, 0, 0, 3),
    "mask": RNG.random((7, 9)) < 0.5,
    "other": real(2, 7, 9),
    "three": np.array(3.0),
    "right": real(9, 4),
    "left": real(3, 7),
    "inner": ints(1, -1),
    "one": ints(1),
    "all": ints(1, 2, 3),
}


@pytest.mark.parametrize("nodes", IMAGE.values(), ids=IMAGE.keys())
def test_of_images(build: Build, check: Check, nodes: str) -> None:
    words = nodes.replace("(", " ").replace(")", " ").replace(",", " ").split()
    check(build(nodes, **{name: value for name, value in WEIGHTS.items() if name in words}))


def test_slice_with_attributes(build: Build, check: Check) -> None:
    check(build("y = Slice<starts=[1,-4],ends=[9,-1],axes=[2,3]>(x)", opset=9))


SPLITS = {
    "halves": ("y, z = Split<axis=1>(x)", 13),
    "attribute": ("y, z = Split<axis=3,split=[4,5]>(x)", 12),
    "input": ("y, z = Split<axis=-1>(x, parts)", 13),
    "uneven": ("y, z = Split<axis=2,num_outputs=2>(x)", 18),
    "second": ("a, y = Split<axis=2,num_outputs=2>(x) z = Relu(y)", 18),
}


@pytest.mark.parametrize(("nodes", "opset"), SPLITS.values(), ids=SPLITS.keys())
def test_split(build: Build, check: Check, nodes: str, opset: int) -> None:
    parts = {"parts": ints(2, 7)} if "parts" in nodes else {}
    check(build(nodes, outputs="float[] y, float[] z", opset=opset, **parts))


COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("size", [(14, 18), (5, 20), (3, 9)])
def test_resize(build: Build, check: Check, how: str, mode: str, size: tuple[int, int]) -> None:
    attributes = f'axes=[2,3],mode="{mode}",coordinate_transformation_mode="{how}"'
    check(build(f"y = Resize<{attributes}>(x, , , sizes)", opset=18, sizes=ints(*size)))


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_nearest(build: Build, check: Check, rounding: str) -> None:
    attributes = f'coordinate_transformation_mode="asymmetric",nearest_mode="{rounding}"'
    factors = np.array([1.0, 1.0, 1.5, 2.0])
    model = check(build(f"y = Resize<{attributes}>(x, , factors)", factors=factors))
    assert all(isinstance(node, Gather) for node in model.graph if node.inputs)


def test_aligned_corners_with_factors(build: Build, check: Check) -> None:
    attributes = 'mode="linear",coordinate_transformation_mode="align_corners"'
    factors = np.array([1.0, 1.0, 0.6, 1.3])
    check(build(f"y = Resize<{attributes}>(x, , factors)", factors=factors))


@pytest.mark.parametrize("opset", [7, 9, 10])
def test_upsample(build: Build, check: Check, opset: int) -> None:
    if opset == 7:
        check(build("y = Upsample<scales=[1.0,1.0,2.0,3.0]>(x)", opset=7))
        return
    operator = "Upsample" if opset == 9 else "Resize"
    factors = np.array([1.0, 1.0, 2.0, 3.0])
    check(build(f"y = {operator}(x, factors)", opset=opset, factors=factors))


TRANSPOSED = {
    "plain": "",
    "strides": "strides=[2,3]",
    "pads": "strides=[2,2],pads=[1,0,2,1]",
    "output padding": "strides=[2,3],output_padding=[1,2]",
    "dilations": "dilations=[2,1],strides=[2,2]",
    "output shape": "strides=[2,2],output_shape=[15,20]",
    "same": 'strides=[2,2],auto_pad="SAME_UPPER"',
    "same lower": 'strides=[2,3],auto_pad="SAME_LOWER"',
    "cut": "pads=[2,3,2,3]",
    "groups": "group=2,strides=[2,1]",
}


@pytest.mark.parametrize("options", TRANSPOSED.values(), ids=TRANSPOSED.keys())
def test_transposed_convolution(build: Build, check: Check, options: str) -> None:
    out = 3 if "group" in options else 4
    nodes = f"y = ConvTranspose<{options}>(x, w, b)" if options else "y = ConvTranspose(x, w)"
    bias = {"b": real(6 if "group" in options else 4)} if options else {}
    check(build(nodes, w=real(2, out, 3, 4), **bias))


LINE = "float[N,4,16] x"
LINES = {
    "conv": "y = Conv(x, w, b)",
    "strides": "y = Conv<strides=[2],pads=[2,1],dilations=[2]>(x, w)",
    "same": 'y = Conv<strides=[3],auto_pad="SAME_LOWER",kernel_shape=[3]>(x, w)',
    "groups": "y = Conv<group=2,pads=[1,1]>(x, half)",
    "transposed": "y = ConvTranspose<strides=[2],pads=[1,0],output_padding=[1]>(x, w)",
    "max pool": "y = MaxPool<kernel_shape=[3],strides=[2],pads=[1,1]>(x)",
    "ceil": "y = MaxPool<kernel_shape=[3],strides=[2],ceil_mode=1>(x)",
    "average pool": "y = AveragePool<kernel_shape=[3],pads=[1,1]>(x)",
    "counted": "y = AveragePool<kernel_shape=[3],pads=[1,1],count_include_pad=1>(x)",
    "global": "y = GlobalAveragePool(x)",
    "largest": "y = GlobalMaxPool(x)",
    "padded": "a = Pad(x, ends) y = Conv(a, w)",
    "normalised": "a = Conv(x, w) y = BatchNormalization(a, p, p, p, p)",
    "rows": "y = MatMul(x, m)",
}


@pytest.mark.parametrize("nodes", LINES.values(), ids=LINES.keys())
def test_of_lines(build: Build, check: Check, nodes: str) -> None:
    weights = {
        "w": real(4, 4, 3),
        "b": real(4),
        "half": real(6, 2, 3),
        "ends": ints(0, 0, 1, 0, 0, 3),
        "p": np.abs(real(4)) + 0.5,
        "m": real(16, 5),
    }
    words = nodes.replace("(", " ").replace(")", " ").replace(",", " ").split()
    chosen = {name: value for name, value in weights.items() if name in words}
    check(build(nodes, LINE, **chosen))


VOLUME = "float[N,2,5,6,7] x"
VOLUMES = {
    "conv": "y = Conv(x, w, b)",
    "strides": "y = Conv<strides=[2,1,3],pads=[1,0,2,2,1,0],dilations=[2,1,1]>(x, w)",
    "same": 'y = Conv<strides=[2,2,2],auto_pad="SAME_UPPER">(x, w)',
    "depthwise": "y = Conv<group=2,pads=[1,1,1,1,1,1]>(x, each)",
    "max pool": "y = MaxPool<kernel_shape=[2,3,2],strides=[1,2,2],pads=[1,1,0,0,1,1]>(x)",
    "dilated": "y = MaxPool<kernel_shape=[2,2,2],dilations=[2,1,3]>(x)",
    "average pool": "y = AveragePool<kernel_shape=[2,2,3],pads=[1,0,1,0,1,1]>(x)",
    "counted": "y = AveragePool<kernel_shape=[2,2,2],pads=[1,1,1,0,0,0],count_include_pad=1>(x)",
    "global": "y = GlobalAveragePool(x)",
    "activated": "a = Relu(x) y = Conv(a, w)",
}


@pytest.mark.parametrize("nodes", VOLUMES.values(), ids=VOLUMES.keys())
def test_of_volumes(build: Build, check: Check, nodes: str) -> None:
    weights = {"w": real(3, 2, 3, 2, 3), "b": real(3), "each": real(4, 1, 3, 3, 3)}
    words = nodes.replace("(", " ").replace(")", " ").replace(",", " ").split()
    check(build(nodes, VOLUME, **{n: value for n, value in weights.items() if n in words}))


SMOOTH = {
    "tanh": ("y = Tanh(x)", 17),
    "sigmoid": ("y = Sigmoid(x)", 17),
    "leaky": ("y = LeakyRelu<alpha=0.2>(x)", 17),
    "prelu": ("y = PRelu(x, slopes)", 17),
    "elu": ("y = Elu<alpha=0.7>(x)", 17),
    "selu": ("y = Selu(x)", 17),
    "celu": ("y = Celu<alpha=2.0>(x)", 17),
    "erf": ("y = Erf(x)", 17),
    "softplus": ("y = Softplus(x)", 17),
    "softsign": ("y = Softsign(x)", 17),
    "hard sigmoid": ("y = HardSigmoid<alpha=0.3>(x)", 17),
    "hard swish": ("y = HardSwish(x)", 17),
    "mish": ("y = Mish(x)", 18),
    "gelu": ("y = Gelu(x)", 20),
    "gelu tanh": ('y = Gelu<approximate="tanh">(x)', 20),
    "silu": ("a = Sigmoid(x) y = Mul(x, a)", 17),
    "microsoft": ("y = com.microsoft.Gelu(x)", 17),
    "quick": ("y = com.microsoft.QuickGelu<alpha=1.702>(x)", 17),
    "fused": ('y = com.microsoft.FusedConv<activation="Relu",pads=[1,1,1,1]>(x, w)', 17),
    "fused leaky": (
        'y = com.microsoft.FusedConv<activation="LeakyRelu",activation_params=[0.1]>(x, w)',
        17,
    ),
    "fused product": ("y = com.microsoft.FusedMatMul<alpha=0.5>(x, m)", 17),
}


@pytest.mark.parametrize(("nodes", "opset"), SMOOTH.values(), ids=SMOOTH.keys())
def test_activations(build: Build, check: Check, nodes: str, opset: int) -> None:
    weights = {"slopes": real(2, 1, 1), "w": real(3, 2, 3, 3), "m": real(9, 4)}
    words = nodes.replace("(", " ").replace(")", " ").replace(",", " ").split()
    model = build(nodes, opset=opset, **{n: v for n, v in weights.items() if n in words})
    kinds = {type(node) for node in check(model).graph}
    smooth = not any(word in nodes for word in ("Leaky", "PRelu", "HardSigmoid", "Fused"))
    assert bool(kinds & {Curve, Product}) == smooth


@pytest.mark.parametrize("taken", [True, False])
def test_a_constant_condition_chooses_its_branch(build: Build, check: Check, taken: bool) -> None:
    model = build("y = Relu(x)")
    branches = [
        helper.make_graph(
            [helper.make_node(operator, ["x"], ["inner"])],
            operator,
            [],
            [helper.make_tensor_value_info("inner", 1, None)],
        )
        for operator in ("Relu", "Neg")
    ]
    del model.graph.node[:]
    value = helper.make_tensor("value", 9, [], [taken])
    model.graph.node.extend(
        [
            helper.make_node("Constant", [], ["condition"], value=value),
            helper.make_node(
                "If", ["condition"], ["y"], then_branch=branches[0], else_branch=branches[1]
            ),
        ]
    )
    check(model)


def test_a_volume_that_would_be_too_large(build: Build, check: Check) -> None:
    nodes = "y = Conv<pads=[0,0,0,0,0,0]>(x, w)"
    model = check(build(nodes, VOLUME, w=real(3, 2, 1, 1, 1)))
    (conv,) = model.graph.of_type(Conv)
    assert np.count_nonzero(conv.weight) == 3 * 2 * 5
