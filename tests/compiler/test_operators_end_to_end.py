"""Operators that reach the spiking network: how near it is, and that targets agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

import snnc
from snnc.ir import IF, Array, Gather, Integrator
from snnc.ir.errors import ConversionError
from snnc.ir.reference import run

RNG = np.random.default_rng(0)


def real(*shape: int) -> Array:
    return 0.5 * RNG.normal(size=shape).astype(np.float32)


WEIGHTS = {
    "w": real(4, 2, 3, 3),
    "v": real(3, 4, 3, 3),
    "line": real(4, 2, 3),
    "after": real(4, 4, 3),
    "slopes": np.abs(real(4, 1, 1)),
    "up": real(4, 3, 4, 4),
    "factors": np.array([1, 1, 2, 2], np.float32),
    "starts": np.array([1, 2]),
    "ends": np.array([100, -1]),
    "axes": np.array([2, 3]),
    "border": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
    "tokens": np.array([0, 4, -1]),
    "m": real(4, 8),
    "b": real(8),
    "n": real(8, 4),
    "gamma": np.abs(real(4)) + 0.5,
    "volume": real(4, 2, 3, 3, 3),
    "full": real(3, 4),
}
HEAD = "a = Conv<pads=[1,1,1,1]>(x, w) "
EXACT = {
    "leaky": HEAD + "c = LeakyRelu<alpha=0.1>(a) y = Conv(c, v)",
    "prelu": HEAD + "c = PRelu(a, slopes) y = Conv(c, v)",
    "leaky into a pool": HEAD
    + "c = LeakyRelu<alpha=0.1>(a) d = MaxPool<kernel_shape=[2,2]>(c) y = Conv(d, v)",
    "transposed": HEAD + "c = Relu(a) y = ConvTranspose<strides=[2,2],pads=[1,1,1,1]>(c, up)",
    "nearest": HEAD + "c = Relu(a) d = Resize(c, , factors) y = Conv(d, v)",
    "linear": HEAD + 'c = Relu(a) d = Resize<mode="linear">(c, , factors) y = Conv(d, v)',
    "split": HEAD
    + "c = Relu(a) d, e = Split<axis=1,num_outputs=2>(c) f = Concat<axis=1>(e, d) y = Conv(f, v)",
    "split before": HEAD
    + "d, e = Split<axis=1,num_outputs=2>(a) g = Relu(e) h = Relu(d) f = Concat<axis=1>(g, h) "
    "y = Conv(f, v)",
    "slice": HEAD + "c = Relu(a) d = Slice(c, starts, ends, axes) y = Conv(d, v)",
    "reflect": HEAD + 'c = Relu(a) d = Pad<mode="reflect">(c, border) y = Conv(d, v)',
    "zeros": HEAD
    + "c = Relu(a) d = Pad(c, border) e = MaxPool<kernel_shape=[3,3]>(d) y = Conv(e, v)",
    "maxima": HEAD + "c = Relu(a) y = ReduceMax<keepdims=0>(c, axes)",
    "tokens": HEAD
    + "f = Reshape(a, tokens) t = Transpose<perm=[0,2,1]>(f) g = MatMul(t, m) h = Add(g, b) "
    "i = Relu(h) y = MatMul(i, n)",
}
LINE = {
    "line": "a = Conv<pads=[1,1]>(x, line) s = BatchNormalization(a, gamma, gamma, gamma, gamma) "
    "c = Relu(s) d = MaxPool<kernel_shape=[2],strides=[2]>(c) e = Conv(d, after) y = Relu(e)",
    "residual": "a = Conv<pads=[1,1]>(x, line) c = Relu(a) d = Conv<pads=[1,1]>(c, after) "
    "e = Add(c, d) f = Relu(e) y = Conv(f, after)",
}
VOLUME = {
    "volume": "a = Conv<pads=[1,1,1,1,1,1]>(x, volume) c = Relu(a) "
    "d = MaxPool<kernel_shape=[2,2,2],strides=[2,2,2]>(c) e = GlobalAveragePool(d) "
    "f = Flatten(e) y = Gemm<transB=1>(f, full)",
}
SMOOTH = {
    "silu": "s = Sigmoid(a) c = Mul(a, s)",
    "gelu": "c = Gelu(a)",
    "erf": "p = Mul(a, half) q = Erf(p) r = Add(q, one) s = Mul(a, r) c = Mul(s, half)",
    "tanh": "c = Tanh(a)",
    "sigmoid": "c = Sigmoid(a)",
    "hard swish": "c = HardSwish(a)",
    "elu": "c = Elu(a)",
    "mish": "c = Mish(a)",
    "softplus": "c = Softplus(a)",
}
SHAPES = {
    **dict.fromkeys(EXACT, (2, 7, 9)),
    **dict.fromkeys(LINE, (2, 16)),
    **dict.fromkeys(VOLUME, (2, 6, 6, 6)),
}


def model(folder: Path, nodes: str, shape: tuple[int, ...]) -> tuple[Path, Array, Array]:
    """Write a model; return its file, samples, and what ONNX Runtime answers."""
    sizes = ",".join(map(str, shape))
    header = '<ir_version: 8, opset_import: ["" : 20]>'
    text = f"{header} g (float[N,{sizes}] x) => (float[] y) {{ {nodes} }}"
    proto = onnx.parser.parse_model(text)
    known = {**WEIGHTS, "half": np.float32(0.7), "one": np.float32(1.0)}
    used = {name for node in proto.graph.node for name in node.input}
    for name in sorted(used & set(known)):
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(known[name]), name))
    proto = onnx.shape_inference.infer_shapes(proto)
    path = folder / "model.onnx"
    onnx.save(proto, path)
    x = np.random.default_rng(1).normal(size=(24, *shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return path, x, np.asarray(session.run(None, {"x": x})[0])


def error(found: Any, wanted: Array) -> float:
    return float(np.abs(found - wanted).mean() / np.abs(wanted).mean())


ALL = {**EXACT, **LINE, **VOLUME}


@pytest.mark.parametrize("name", ALL)
def test_the_error_shrinks_with_time(name: str, tmp_path: Path) -> None:
    path, x, wanted = model(tmp_path, ALL[name], SHAPES[name])
    short, long = (snnc.compile(path, calibration=x, timesteps=t) for t in (4, 64))
    few, many = error(short.run(x).outputs, wanted), error(long.run(x).outputs, wanted)
    # Weights of 8 bits and inputs of 8 bits are off by up to one in 254 each, in every layer.
    assert many < min(few, 0.03)


@pytest.mark.parametrize("name", ["leaky", "transposed", "split", "reflect", "line"])
def test_the_simulator_is_equal_to_the_reference(name: str, tmp_path: Path) -> None:
    path, x, _ = model(tmp_path, ALL[name], SHAPES[name])
    net = snnc.compile(path, calibration=x, timesteps=4)
    trace = run(net.artifact.graph, {"x": x[:3]}, 4)
    result = net.run(x[:3], record=True)
    np.testing.assert_array_equal(
        np.asarray(result.outputs), trace.outputs["y"][-1].astype(np.float32)
    )


def test_a_transposed_convolution_has_one_population(tmp_path: Path) -> None:
    path, x, _ = model(tmp_path, EXACT["transposed"], SHAPES["transposed"])
    graph = snnc.compile(path, calibration=x, timesteps=4).artifact.graph
    assert (len(graph.of_type(IF)), len(graph.of_type(Integrator))) == (1, 1)
    assert len(graph.of_type(Gather)) == 2  # zeros between rows, then between columns


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_come_from_pieces(name: str, tmp_path: Path) -> None:
    nodes = f"{HEAD} {SMOOTH[name]} y = Conv(c, v)"
    path, x, wanted = model(tmp_path, nodes, (2, 7, 9))
    with pytest.raises(ConversionError) as refused:
        snnc.compile(path, calibration=x, timesteps=4)
    assert "--approximate" in refused.value.problems[0].hint
    net = snnc.compile(path, calibration=x, timesteps=32, approximate=True)
    (note,) = [text for text in net.report["approximations"] if "clipped pieces" in text]
    off = float(note.split("at most ")[1].split()[0])
    assert off < 0.05
    assert error(net.run(x).outputs, wanted) < 0.05
