"""A model of two matrices whose operations can be counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import snnc
from snnc.compiler.cost import get_hardware
from snnc.compiler.onnx_import import load as load_model
from snnc.ir import Graph
from tests.command_line import write_model

HOROWITZ = get_hardware("horowitz-45nm")
W1 = np.array([[1.0, 0.0, 0.5], [0.25, -1.0, 0.0]])
W2 = np.array([[1.0, -0.5], [0.0, 0.75]])
X = np.array([[1.0, 0.5, 0.0], [0.25, 1.0, 1.0]], np.float32)


def compiled(folder: Path, **options: Any) -> tuple[snnc.Network, Graph]:
    path = write_model(
        folder / "m.onnx",
        "h = Gemm <transB = 1> (x, w1) r = Relu (h) y = Gemm <transB = 1> (r, w2)",
        "(float[N,3] x) => (float[N,2] y)",
        {"w1": W1, "w2": W2},
    )
    network = snnc.compile(path, calibration=X, **options)
    return network, load_model(path).graph
