"""Values compared with each other, numbers around and beside images: against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.compiler.onnx_import import examine

from .conftest import Build, Check, Save

CASES = {
    "maximum": "a = Neg(x) y = Max(x, a)",
    "minimum of three": "a = Neg(x) b = Mul(x, two) y = Min(a, x, b)",
    "maximum by channel": "y = Max(bounds, x)",
    "minimum by channel": "y = Min(x, bounds)",
    "maximum of one": "y = Max(x)",
    "absolute": "y = Abs(x)",
    "pad with a number": "y = Pad(x, border, two)",
    "pad and crop": "y = Pad(x, crop, two)",
    "larger constant": "a = GlobalAveragePool(x) y = Add(a, plane)",
    "larger factor": "a = GlobalMaxPool(x) y = Mul(plane, a)",
    "slope by channel": "y = PRelu(x, slopes)",
    "cast like": "t = CastLike(two, x) a = Mul(x, t) y = CastLike(a, x)",
    "softmax of a pixel": "a = GlobalAveragePool(x) y = Softmax<axis=1>(a)",
}


@pytest.mark.parametrize("case", CASES)
def test_equals_onnx_runtime(build: Build, check: Check, case: str) -> None:
    nodes = CASES[case]
    weights = {
        "two": np.array(2.0),
        "bounds": np.array([[[0.2]], [[-0.3]]]),
        "border": np.array([0, 0, 1, 2, 0, 1, 0, 3], np.int64),
        "crop": np.array([0, 0, -1, 2, 0, 0, 1, -2], np.int64),
        "plane": np.linspace(-1, 1, 126).reshape(2, 7, 9),
        "slopes": np.array([[[0.25]], [[-0.5]]]),
    }
    used = {name: value for name, value in weights.items() if name in nodes}
    opset = 12 if "Softmax" in nodes else 17
    outputs = "float[N,2,1,1] y" if "Softmax" in nodes else "float[] y"
    imported = check(
        build(nodes.replace("Softmax(", "Softmax<axis=1>("), outputs=outputs, opset=opset, **used)
    )
    assert bool(imported.cut) == ("Softmax" in nodes)


@pytest.mark.parametrize(
    "nodes", ["y = Pad(x, vast)", "y = ConvTranspose<strides=[1,4611686018427387904]>(x, k)"]
)
def test_what_makes_too_much_is_refused(build: Build, save: Save, nodes: str) -> None:
    weights = {
        "vast": np.array([0, 0, 0, 0, 0, 0, 0, 1 << 40], np.int64),
        "k": np.ones((2, 2, 2, 2)),
    }
    used = {name: value for name, value in weights.items() if name in nodes}
    (entry,) = examine(save(build(nodes, **used))).unsupported
    assert "makes" in entry.reason
