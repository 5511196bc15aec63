"""Networks that move their values: the exact network and the others compute the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

import snnc
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.onnx_import import load
from snnc.compiler.oracle import verify_model
from snnc.ir import IF, Gather
from tests.command_line import write_model

MOVES = {
    "transpose": "m = Transpose<perm=[0,2,3,1]>(hd) n = Transpose<perm=[0,2,1,3]>(m)",
    "depth-to-space": "n = DepthToSpace<blocksize=2>(hd)",
    "resize": "n = Resize(hd, , twice)",
}
POOLED = {"transpose": 4 * 3 * 3, "depth-to-space": 7 * 7, "resize": 4 * 7 * 7}
"""Number of features behind the pool."""


@pytest.mark.parametrize("moves", MOVES)
def test_values_are_moved(tmp_path: Path, moves: str) -> None:
    path = write(tmp_path / "moves.onnx", moves)
    x = np.random.default_rng(1).uniform(-1, 17, (3, 1, 4, 4)).astype(np.float32)
    found = verify_model(snnc.compile(path, code="exact"), path, {"x": x})
    assert found.equal
    assert found.onnxruntime is not None
    assert found.onnxruntime.to_json()["equal"]


def test_other_codes_move_values_too(tmp_path: Path) -> None:
    path = write(tmp_path / "moves.onnx", "resize")
    x = np.random.default_rng(1).uniform(0, 16, (8, 1, 4, 4)).astype(np.float32)
    exact = snnc.compile(path, code="exact").run({"x": x}).decoded["y"][:, -1]
    rate = snnc.compile(path, code="rate", calibration={"x": x}, timesteps=1024)
    assert rate.graph.of_type(Gather)
    found = rate.run({"x": x}).decoded["y"][:, -1]
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    "moves",
    [
        "i = Constant<value_ints = [-1, 2, 8, 8]>() n = Reshape(r, i)",
        "n = DepthToSpace<blocksize = 2>(r)",
    ],
    ids=["reshape", "depth-to-space"],
)
@pytest.mark.parametrize("rule", ["max", "spike-norm"])
def test_channels_that_a_view_mixes_have_one_threshold(
    tmp_path: Path, moves: str, rule: str
) -> None:
    """A window behind the view cannot know which channel a value was in."""
    rng = np.random.default_rng(0)
    path = write_model(
        tmp_path / "mixed.onnx",
        f"h = Conv(x, w) r = Relu(h) {moves} k = Conv(n, v) s = Relu(k) y = Flatten(s)",
        "(float[N,2,4,4] x) => (float[N,108] y)",
        {"w": rng.normal(size=(8, 2, 1, 1)), "v": rng.normal(size=(3, 2, 3, 3))},
    )
    x = rng.normal(size=(200, 2, 4, 4)).astype(np.float32)
    network = snnc.compile(path, calibration=x, per_channel=True, timesteps=64, thresholds=rule)
    mixed, apart = network.graph.of_type(IF)
    assert np.ptp(mixed.unit) == 0 < np.ptp(apart.unit)
    found, wanted = network.run(x[:20]).outputs, AnnSession(load(path).graph).run({"x": x[:20]})
    assert isinstance(found, np.ndarray)
    # 8-bit weights and inputs, half a step each, over some tens of products.
    np.testing.assert_allclose(found, wanted["y"], atol=0.03 * np.abs(wanted["y"]).max())


def write(path: Path, moves: str) -> Path:
    """Write a file whose steps are powers of two, with four channels that are moved."""
    rng = np.random.default_rng(0)
    nodes = f"""
        xq = QuantizeLinear(x, sx, z)  xd = DequantizeLinear(xq, sx, z)
        w = DequantizeLinear(wq, sw)
        h = Conv<pads=[1,1,1,1]>(xd, w)
        hq = QuantizeLinear(h, sx, z)  hd = DequantizeLinear(hq, sx, z)
        {MOVES[moves]}
        p = MaxPool<kernel_shape=[2,2]>(n)  f = Flatten(p)
        v = DequantizeLinear(vq, sw)
        y = MatMul(f, v)
    """
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        f"g (float[N,1,4,4] x) => (float[N,3] y) {{{nodes}}}"
    )
    constants = {
        "sx": np.float32(1 / 16),
        "sw": np.float32(1 / 32),
        "z": np.uint8(0),
        "wq": rng.integers(-7, 8, (4, 1, 3, 3)).astype(np.int8),
        "vq": rng.integers(-7, 8, (POOLED[moves], 3)).astype(np.int8),
        "twice": np.array([1, 1, 2, 2], np.float32),
    }
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    onnx.save(model, path)
    return path
