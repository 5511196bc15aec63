"""Quantised models: QuantizeLinear, DequantizeLinear and the operators on integers.

What is imported is compared with ONNX Runtime on the file, with graph optimisation disabled. A
value differs by one step at most, and only where it was half-way between two.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import ModelProto

from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.onnx_import import examine, load
from snnc.compiler.onnx_import.grids import integer_range
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Affine, Array, Concat, Conv, Graph, Linear, Staircase
from snnc.ir.reference import evaluate

from .conftest import original

Build = Callable[..., ModelProto]
Save = Callable[[ModelProto], Path]

RNG = np.random.default_rng(4)
X = (RNG.normal(size=(5, 2, 7, 9)) * 2).astype(np.float32)
FLAT = (RNG.normal(size=(5, 6)) * 2).astype(np.float32)

TYPES: dict[str, tuple[Any, int, int]] = {
    "int8": (np.int8, 3, 17),
    "uint8": (np.uint8, 120, 13),
    "uint8 opset 10": (np.uint8, 120, 10),
    "int16": (np.int16, -7, 21),
    "uint16": (np.uint16, 32000, 21),
    "int4": (ml_dtypes.int4, 1, 21),
    "uint4": (ml_dtypes.uint4, 7, 21),
}


def f32(*values: float) -> Any:
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def whole(low: int, high: int, *shape: int, dtype: Any = np.int8) -> Any:
    return RNG.integers(low, high, shape).astype(dtype)


def close(found: Array, wanted: Array, step: float) -> bool:
    """Equal but for a few ties, which round to the next level; without a step, but for float32."""
    difference = np.abs(np.asarray(found, np.float64) - wanted.astype(np.float64))
    if not step:
        return bool(difference.max() <= 1e-5 * np.abs(wanted).max())
    return bool(difference.max() <= 1.01 * step and np.mean(difference > 0.01 * step) < 0.03)


def check(save: Save, model: ModelProto, step: float, x: Array = X) -> Graph:
    """Compare the file, the reference, the export, and all of it simplified."""
    graph = load(save(model)).graph
    given = model.graph.input[0].name
    wanted = original(model, {given: x})
    feed = {given: x.astype(np.float32)}
    simple = run_passes(graph, SIMPLIFY)
    for form in (graph, simple):
        values, exported = evaluate(form, feed), AnnSession(form).run(feed)
        for name, source in form.outputs.items():
            assert close(values[source], wanted[name], step)
            assert close(exported[name], wanted[name], step)
    return simple


def staircases(graph: Graph) -> list[tuple[int | None, int | None]]:
    return [(node.low, node.high) for node in graph.of_type(Staircase)]


# -- QuantizeLinear and DequantizeLinear ---------------------------------------------------------


@pytest.mark.parametrize(("dtype", "zero", "opset"), TYPES.values(), ids=TYPES.keys())
def test_an_activation(build: Build, save: Save, dtype: Any, zero: int, opset: int) -> None:
    low, high = integer_range(np.dtype(dtype))
    step = 8 / (high - low)
    model = build(
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        opset=opset, s=f32(step), z=np.array(zero, dtype),
    )  # fmt: skip
    simple = check(save, model, step)
    assert staircases(simple) == [(low - zero, high - zero)]


def test_a_convolution_of_integers(build: Build, save: Save) -> None:
    """Per-channel weights, int32 bias, and a Relu that the quantiser takes over."""
    weight, unit = whole(-127, 128, 4, 2, 3, 3), f32(0.01, 0.02, 0.005, 0.03)
    model = build(
        """q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)
        w = DequantizeLinear<axis=0>(wq, ws, wz) b = DequantizeLinear<axis=0>(bq, bs)
        c = Conv(d, w, b) r = Relu(c) p = QuantizeLinear(r, t, t0) y = DequantizeLinear(p, t, t0)
        """,
        s=f32(0.05), z=np.int8(10), t=f32(0.25), t0=np.int8(-20),
        wq=weight, ws=unit, wz=np.zeros(4, np.int8),
        bq=whole(-300, 300, 4, dtype=np.int32), bs=unit * f32(0.05),
    )  # fmt: skip
    simple = check(save, model, 0.25)
    assert staircases(simple) == [(-138, 117), (0, 147)]
    (conv,) = simple.of_type(Conv)
    assert conv.weight_scale is not None
    assert np.array_equal(conv.weight_scale, unit.astype(np.float64))
    integers = conv.weight / conv.weight_scale.reshape(-1, 1, 1, 1)
    assert np.array_equal(np.rint(integers), weight)
    assert np.abs(integers - weight).max() < 1e-12  # not rounded to float32 on the way


LINEAR = {
    "gemm": "y = Gemm(d, v)",
    "gemm turned": "y = Gemm<transB=1,alpha=0.5>(d, u)",
    "matmul": "y = MatMul(d, v)",
    "transposed": "t = Transpose<perm=[1,0]>(u) y = MatMul(d, t)",
}


@pytest.mark.parametrize("last", LINEAR.values(), ids=LINEAR.keys())
def test_weights_of_a_linear_map(build: Build, save: Save, last: str) -> None:
    matrix, unit = whole(-7, 8, 4, 6), f32(0.1, 0.2, 0.3, 0.4)
    model = build(
        f"""q = QuantizeLinear(x, s) d = DequantizeLinear(q, s)
        u = DequantizeLinear<axis=0>(rows, us)  v = DequantizeLinear<axis=1>(columns, us) {last}""",
        "float[N,6] x", s=f32(0.1), rows=matrix, columns=matrix.T.copy(), us=unit,
    )  # fmt: skip
    (linear,) = check(save, model, 0, FLAT).of_type(Linear)
    assert linear.weight_scale is not None
    integers = linear.weight / linear.weight_scale[:, None]
    assert np.array_equal(np.rint(integers), matrix)


def test_a_weight_quantised_in_the_file(build: Build, save: Save) -> None:
    """Quantisation-aware training exports float weights with both operators behind them."""
    model = build(
        "wq = QuantizeLinear<axis=0>(w, ws, z) w2 = DequantizeLinear<axis=0>(wq, ws, z)"
        "y = Conv(x, w2)",
        w=RNG.normal(size=(3, 2, 3, 3)), ws=f32(0.01, 0.02, 0.03), z=np.zeros(3, np.int8),
    )  # fmt: skip
    (conv,) = check(save, model, 0).of_type(Conv)
    assert conv.weight_scale is not None
    assert conv.weight_scale.shape == (3,)


def test_narrowed_integers(build: Build, save: Save) -> None:
    """Fewer bits than the type has, by a Clip between the two operators."""
    model = build(
        "q = QuantizeLinear(x, s, z) c = Clip(q, low, high) y = DequantizeLinear(c, s, z)"
        "w3 = Clip(w, low, high) w2 = DequantizeLinear(w3, s, z)",
        s=f32(0.3), z=np.int8(0), low=np.int8(-8), high=np.int8(7), w=whole(-9, 9, 2, 2),
    )  # fmt: skip
    assert staircases(check(save, model, 0.3)) == [(-8, 7)]


def test_integers_on_the_way(build: Build, save: Save) -> None:
    """Operators that move or compare integers keep what they stand for."""
    model = build(
        """q = QuantizeLinear(x, s, z) m = MaxPool<kernel_shape=[2,2]>(q) c = Concat<axis=1>(m, m)
        f = Flatten(c) y = DequantizeLinear(f, s, z)""",
        s=f32(0.3), z=np.uint8(100), opset=13,
    )  # fmt: skip
    check(save, model, 0.3)


def test_padded_integers(build: Build, save: Save) -> None:
    """The zero point stands for the zeros that a convolution takes over."""
    model = build(
        """q = QuantizeLinear(x, s, z) p = Pad(q, pads, z)
        c = QLinearConv(p, s, z, w, s, wz, t, z) y = DequantizeLinear(c, t, z)""",
        s=f32(0.05), z=np.uint8(100), t=f32(0.2137), w=whole(-90, 90, 3, 2, 3, 3), wz=np.int8(0),
        pads=np.array([0, 0, 1, 1, 0, 0, 1, 2]),
    )  # fmt: skip
    (conv,) = check(save, model, 0.2137).of_type(Conv)
    assert conv.padding == (1, 1, 1, 2)


def test_scales_that_differ(build: Build, save: Save) -> None:
    """Integers read on another grid are other numbers: an affine map, and the new grid."""
    model = build(
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, t, t0)",
        s=f32(0.3), z=np.uint8(100), t=f32(0.5), t0=np.uint8(90),
    )  # fmt: skip
    simple = check(save, model, 0.5)
    assert staircases(simple) == [(-100, 155), (-90, 165)]


def test_integers_as_input_and_output(build: Build, save: Save) -> None:
    model = build(
        """d = DequantizeLinear(x, s, z) w = DequantizeLinear(wq, s) c = Conv(d, w)
        y = QuantizeLinear(c, t, t0)""",
        "uint8[N,2,7,9] x", "uint8[] y",
        s=f32(0.02), z=np.uint8(128), wq=whole(-9, 9, 3, 2, 3, 3), t=f32(0.1), t0=np.uint8(120),
    )  # fmt: skip
    x = RNG.integers(0, 256, X.shape).astype(np.uint8)
    check(save, model, 1.0, x)
    assert load(save(model)).input_ranges == {"x": (0.0, 255.0)}


def test_a_scale_for_each_channel(build: Build, save: Save) -> None:
    model = build(
        "q = QuantizeLinear<axis=1>(x, s, z) y = DequantizeLinear<axis=1>(q, s, z)",
        s=f32(0.2, 0.4), z=np.zeros(2, np.int8),
    )  # fmt: skip
    (node,) = check(save, model, 0.2).of_type(Staircase)
    assert node.step.shape == (2, 1, 1)


@pytest.mark.parametrize("operator", ["Tanh", "Sigmoid", "LeakyRelu<alpha=0.25>"])
def test_a_function_before_a_quantiser(build: Build, save: Save, operator: str) -> None:
    model = build(
        f"t = {operator}(x) q = QuantizeLinear(t, s, z) y = DequantizeLinear(q, s, z)",
        s=f32(1 / 100), z=np.int8(0),
    )  # fmt: skip
    (node,) = check(save, model, 0.01).of_type(Staircase)
    function = "leaky_relu" if "Leaky" in operator else operator.lower()
    assert (node.function, node.slope) == (function, 0.25 if "Leaky" in operator else 1.0)


def test_a_join_that_is_quantised(build: Build, save: Save) -> None:
    """The quantiser moves into the branches, and melts into those with its own scale."""
    model = build(
        """q = QuantizeLinear(x, s) d = DequantizeLinear(q, s)  r = QuantizeLinear(x, t)
        e = DequantizeLinear(r, t)  c = Concat<axis=1>(d, e)
        p = QuantizeLinear(c, s) y = DequantizeLinear(p, s)""",
        s=f32(0.05), t=f32(0.02),
    )  # fmt: skip
    simple = check(save, model, 0.05)
    assert [float(n.step[0]) for n in simple.of_type(Staircase)] == pytest.approx(
        [0.05, 0.02, 0.05]
    )
    assert len(simple.of_type(Concat)) == 1


# -- operators on integers -----------------------------------------------------------------------

UNARY = "q = QuantizeLinear(x, s, z)  r = {}  y = DequantizeLinear(r, t, t0)"
MS = "com.microsoft."
OPERATORS = {
    "conv": "QLinearConv<pads=[1,1,1,1]>(q, s, z, w, ws, wz, t, t0, b)",
    "conv without bias": "QLinearConv(q, s, z, w, w1, wz1, t, t0)",
    "depthwise": "QLinearConv<group=2>(q, s, z, w2, w1, wz1, t, t0)",
    "add": f"{MS}QLinearAdd(q, s, z, q, s, z, t, t0)",
    "add constant": f"{MS}QLinearAdd(q, s, z, k, s, z, t, t0)",
    "multiply": f"{MS}QLinearMul(q, s, z, k, s, z, t, t0)",
    "average": f"{MS}QLinearAveragePool<kernel_shape=[2,3],strides=[2,2]>(q, s, z, t, t0)",
    "average padded": f"{MS}QLinearAveragePool<kernel_shape=[3,3],pads=[1,1,1,1],"
    "count_include_pad=1>(q, s, z, t, t0)",
    "mean": f"{MS}QLinearGlobalAveragePool<channels_last=0>(q, s, z, t, t0)",
    "concat": f"{MS}QLinearConcat<axis=1>(t, t0, q, s, z, q, s, z)",
    "sigmoid": f"{MS}QLinearSigmoid(q, s, z, small, t0)",
}


@pytest.mark.parametrize("nodes", OPERATORS.values(), ids=OPERATORS.keys())
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_an_operator_on_integers(build: Build, save: Save, nodes: str, dtype: Any) -> None:
    step = 0.01 if "small" in nodes else 0.2137
    middle = 0 if dtype is np.int8 else 128
    model = build(
        UNARY.format(nodes).replace("(r, t,", "(r, small,") if "small" in nodes
        else UNARY.format(nodes),
        s=f32(0.05), z=dtype(middle + 5), t=f32(0.2137), t0=dtype(middle - 11), small=f32(0.01),
        w=whole(-100, 100, 4, 2, 3, 3), ws=f32(0.01, 0.02, 0.015, 0.03), wz=np.zeros(4, np.int8),
        w2=whole(-100, 100, 4, 1, 3, 3), w1=f32(0.02), wz1=np.int8(0),
        b=whole(-500, 500, 4, dtype=np.int32), k=whole(1, 90, 2, 1, 1, dtype=dtype),
    )  # fmt: skip
    simple = check(save, model, step)
    low, high = (-128, 127) if dtype is np.int8 else (0, 255)
    assert (low - middle + 11, high - middle + 11) in staircases(simple)


MATRICES = {
    "matmul": "r = QLinearMatMul(q, s, z, m, ms, mz, t, t0) y = DequantizeLinear(r, t, t0)",
    "gemm": f"r = {MS}QGemm<transB=1,alpha=0.5>(q, s, z, n, ms, mz, b, t, t0)"
    "y = DequantizeLinear(r, t, t0)",
    "gemm to real": f"y = {MS}QGemm(q, s, z, m, ms1, mz1, b)",
    "integer": "i = MatMulInteger(q, m, z) c = Cast<to=1>(i) p = Mul(c, k) y = Add(p, k)",
    "integer dequantised": "i = MatMulInteger(q, m, z) y = DequantizeLinear(i, k)",
}


@pytest.mark.parametrize("nodes", MATRICES.values(), ids=MATRICES.keys())
def test_a_matrix_of_integers(build: Build, save: Save, nodes: str) -> None:
    matrix = whole(-100, 100, 6, 4)
    model = build(
        f"q = QuantizeLinear(x, s, z) {nodes}", "float[N,6] x",
        s=f32(0.05), z=np.int8(9), t=f32(0.2137), t0=np.int8(-11), k=f32(0.05 * 0.02),
        m=matrix, n=matrix.T.copy(), ms=f32(0.01, 0.02, 0.015, 0.03), mz=np.zeros(4, np.int8),
        ms1=f32(0.02), mz1=np.int8(0), b=whole(-500, 500, 4, dtype=np.int32),
    )  # fmt: skip
    (linear,) = check(save, model, 0.2137 if "t0" in nodes else 0, FLAT).of_type(Linear)
    assert linear.weight_scale is not None
    assert np.array_equal(np.rint(linear.weight / linear.weight_scale[:, None]), matrix.T)


def test_a_convolution_to_integer_sums(build: Build, save: Save) -> None:
    model = build(
        "q = QuantizeLinear(x, s, z) i = ConvInteger<pads=[1,1,1,1]>(q, w, z, wz)"
        "c = Cast<to=1>(i) y = Mul(c, k)",
        s=f32(0.05), z=np.uint8(99), w=whole(0, 255, 4, 2, 3, 3, dtype=np.uint8),
        wz=np.uint8(128), k=f32(0.05 * 0.02),
    )  # fmt: skip
    (conv,) = check(save, model, 0).of_type(Conv)
    assert conv.weight_scale is not None
    assert not graph_has_affine(load(save(model)).graph, conv)


def graph_has_affine(graph: Graph, conv: Conv) -> bool:
    """Whether anything but the weights scales what a convolution reads."""
    return isinstance(graph[conv.inputs[0]], Affine)


# -- refusals ------------------------------------------------------------------------------------

REFUSED = {
    "dynamic": (
        "q, s0, z0 = DynamicQuantizeLinear(x) i = ConvInteger(q, w, z0) c = Cast<to=1>(i)"
        "y = Mul(c, s)",
        "DynamicQuantizeLinear", "scale from each sample",
    ),
    "integers not dequantised": (
        "q = QuantizeLinear(x, s) r = Cast<to=1>(x) y = QLinearConv(r, s, z, w, s, z, s, z)",
        "QLinearConv", "holds real numbers",
    ),
    "a sum of integers": ("q = QuantizeLinear(x, s, z) y = Relu(q)", "Relu", "quantised integers"),
    "a scale of 0": ("q = QuantizeLinear(x, none) y = DequantizeLinear(q, s)", "QuantizeLinear",
                     "not above 0"),
    "zero points": (
        "q = QuantizeLinear<axis=1>(x, s2, z2) y = DequantizeLinear<axis=1>(q, s2, z2)",
        "QuantizeLinear", "different zero points",
    ),
    "an axis of pixels": (
        "q = QuantizeLinear<axis=2>(x, s7) y = DequantizeLinear<axis=2>(q, s7)",
        "QuantizeLinear", "axis other than the channels",
    ),
    "float8": (
        "q = QuantizeLinear<output_dtype=17>(x, s) y = DequantizeLinear(q, s)",
        "QuantizeLinear", "float8",
    ),
    "leaky": (f"q = QuantizeLinear(x, s, z) r = {MS}QLinearLeakyRelu(q, s, z, s, z)"
              "y = DequantizeLinear(r, s, z)", f"{MS}QLinearLeakyRelu", "not supported"),
    "scales of joined integers": (
        "q = QuantizeLinear(x, s, z) r = QuantizeLinear(x, s7, z) c = Concat<axis=1>(q, r)"
        "y = DequantizeLinear(c, s, z)",
        "QuantizeLinear", "scales",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "operator", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(build: Build, save: Save, nodes: str, operator: str, reason: str) -> None:
    model = build(
        nodes, opset=23 if "output_dtype" in nodes else 17, s=f32(0.1), z=np.int8(3),
        none=f32(0.0), s2=f32(0.1, 0.2), z2=np.array([0, 1], np.int8),
        s7=np.full(7, 0.1, np.float32), w=whole(-9, 9, 4, 2, 3, 3),
    )  # fmt: skip
    found = examine(save(model)).unsupported
    entry = found[0]
    assert entry.operator == operator
    assert reason in f"{entry.reason} {entry.hint}"
    assert entry.hint
