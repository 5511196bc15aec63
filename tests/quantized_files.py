"""A small quantised ONNX file, and the exact network of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import numpy_helper

from snnc.backends.artifact import Artifact, Golden
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.network import Network
from snnc.compiler.onnx_import.file import read
from snnc.compiler.oracle import integer_graph
from snnc.compiler.passes.to_exact import ToExact
from snnc.ir import Graph
from snnc.ir.settling import settling_bound

NODES = """
    xq = QuantizeLinear (x, sx, zu)
    xd = DequantizeLinear (xq, sx, zu)
    w1 = DequantizeLinear <axis = 0> (w1q, s1)
    b1 = DequantizeLinear <axis = 0> (b1q, sb1)
    c = Conv <pads = [1, 1, 1, 1]> (xd, w1, b1)
    r = Relu (c)
    rq = QuantizeLinear (r, sr, zu)
    rd = DequantizeLinear (rq, sr, zu)
    w2 = DequantizeLinear <axis = 0> (w2q, s2)
    h = Conv <pads = [1, 1, 1, 1]> (rd, w2)
    hq = QuantizeLinear (h, sh, zi)
    hd = DequantizeLinear (hq, sh, zi)
    a = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (hd)
    aq = QuantizeLinear (a, sh, zi)
    ad = DequantizeLinear (aq, sh, zi)
    f = Flatten (ad)
    w3 = DequantizeLinear <axis = 1> (w3q, s3)
    y = Gemm (f, w3)
"""


def write_quantized(path: Path, seed: int = 0) -> Path:
    """Write a QDQ file: two convolutions, a mean full of ties, a matrix product.

    Its steps are powers of two, so every value is exact in float32 as well.
    """
    rng = np.random.default_rng(seed)

    def levels(*shape: int) -> NDArray[Any]:
        return rng.integers(-7, 8, shape).astype(np.int8)

    constants: dict[str, Any] = {
        "sx": np.float32(1 / 16),
        "sr": np.float32(1 / 64),
        "sh": np.float32(1 / 2),
        "zu": np.uint8(0),
        "zi": np.int8(0),
        "w1q": levels(3, 1, 3, 3),
        "s1": np.full(3, 1 / 32, np.float32),
        "b1q": rng.integers(-200, 200, 3).astype(np.int32),
        "sb1": np.full(3, 1 / 512, np.float32),
        "w2q": levels(2, 3, 3, 3),
        "s2": np.full(2, 1 / 16, np.float32),
        "w3q": levels(18, 4),
        "s3": np.full(4, 1 / 8, np.float32),
    }
    sides = "(float[N,1,6,6] x) => (float[N,4] y)"
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g {sides} {{{NODES}}}'
    )
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    onnx.save(model, path)
    return path


def samples(count: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Return inputs of that file, some of them beyond its levels."""
    rng = np.random.default_rng(seed)
    return {"x": rng.uniform(-1, 17, (count, 1, 6, 6)).astype(np.float32)}


def exact_network(model: Path, cap: int = 15, graph: Graph | None = None) -> Network:
    """Return the exact network of a file for the simulator, with another graph if one is given."""
    spiking = ToExact(cap)(integer_graph(model))
    steps = settling_bound(spiking)
    manifest = {"model": {"sha256": read(model).sha256}, "options": {"code": "exact"}}
    artifact = Artifact(graph or spiking, Golden({}, {}, {}), "numpy", steps, manifest)
    return Network(artifact, NumpyBackend().lower(artifact.graph, steps))
