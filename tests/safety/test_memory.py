"""Small files that stand for large constants, or for many sums: memory and time stay small."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, numpy_helper

from snnc.backends import get_backend
from snnc.compiler.inspection import inspect
from snnc.compiler.options import Options
from tests.hostile_models import model, node

CHILD = Path(__file__).with_name("inspection_child.py")
SIDE = 4096
"""A weight of 2^24 numbers, an eighth of what a file may have: 134 MB in double precision."""
SCALE, ZERO = np.float32(0.5), np.int8(0)


def uniform(name: str, number: np.generic) -> NodeProto:
    """Return a node whose value is one number again and again."""
    return node("ConstantOfShape", ["s"], [name], value=numpy_helper.from_array(np.array([number])))


def dequantized() -> ModelProto:
    """Return a network whose weight is stored as integers."""
    nodes = [
        uniform("q", np.int8(3)),
        node("DequantizeLinear", ["q", "scale", "zero"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    return model(nodes, (SIDE,), s=[SIDE, SIDE], scale=SCALE, zero=ZERO)


def quantized() -> ModelProto:
    """Return a network whose weight is quantised and dequantised."""
    nodes = [
        uniform("w", np.float32(1)),
        node("QuantizeLinear", ["w", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["v"]),
        node("MatMul", ["x", "v"], ["y"]),
    ]
    return model(nodes, (SIDE,), s=[SIDE, SIDE], scale=SCALE, zero=ZERO)


def scaled() -> ModelProto:
    """Return a network whose weight is scaled by layers around it."""
    nodes = [
        uniform("w", np.float32(1)),
        node("Mul", ["x", "c"], ["a"]),
        node("Gemm", ["a", "w"], ["h"]),
        node("Relu", ["h"], ["y"]),
    ]
    return model(nodes, (SIDE,), s=[SIDE, SIDE], c=np.linspace(1, 2, SIDE, dtype=np.float32))


@pytest.mark.skipif(sys.platform == "win32", reason="memory is not measured there")
@pytest.mark.parametrize(
    ("make", "megabytes"), [(dequantized, 150), (quantized, 150), (scaled, 400)]
)
def test_a_number_that_stands_for_many_takes_little(
    tmp_path: Path, make: Callable[[], ModelProto], megabytes: int
) -> None:
    """Some 90 are the program. Real numbers of the whole weight are 134.

    They are there where layers scale it, and twice while a pass makes new ones of the old.
    """
    path = tmp_path / "m.onnx"
    path.write_bytes(make().SerializeToString())
    command = [sys.executable, str(CHILD), str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(found.stdout) < megabytes


def inspected(folder: Path, made: ModelProto) -> list[str]:
    """Return what stands in the way of a model."""
    path = folder / "m.onnx"
    path.write_bytes(made.SerializeToString())
    found = inspect(path, get_backend("numpy"), Options())
    return [entry.reason for entry in (*found.unsupported, *found.host)]


def test_a_chain_of_sums_is_refused_soon(tmp_path: Path) -> None:
    nodes = [node("Gemm", ["x", "w"], ["h0"])]
    nodes += [node("Add", [f"h{i}"] * 2, [f"h{i + 1}"]) for i in range(40)]
    nodes.append(node("Relu", ["h40"], ["y"]))
    begin = time.process_time()
    reasons = inspected(tmp_path, model(nodes, w=np.eye(4, dtype=np.float32)))
    assert time.process_time() - begin < 10
    assert any("sums up more than 256 values" in reason for reason in reasons), reasons


def test_a_short_chain_of_sums_converts(tmp_path: Path) -> None:
    nodes = [node("Gemm", ["x", "w"], ["h0"])]
    nodes += [node("Add", [f"h{i}"] * 2, [f"h{i + 1}"]) for i in range(4)]
    nodes.append(node("Relu", ["h4"], ["y"]))
    assert not inspected(tmp_path, model(nodes, w=np.eye(4, dtype=np.float32)))


def test_scales_of_millions_of_channels_are_refused(tmp_path: Path) -> None:
    nodes = [
        uniform("w", np.float32(1)),
        node("BatchNormalization", ["x", *"wwww"], ["h"]),
        node("Relu", ["h"], ["y"]),
    ]
    reasons = inspected(tmp_path, model(nodes, (2**23, 1, 1), s=[2**23]))
    assert any("many times the numbers of the file" in reason for reason in reasons), reasons


def test_blocks_larger_than_the_tensor_are_cut(tmp_path: Path) -> None:
    """Scales were repeated as often as the file says, before they were cut to the tensor."""
    nodes = [
        node("DequantizeLinear", ["q", "scales"], ["w"], axis=0, block_size=2**40),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    scales = np.full((1, 4), 0.5, np.float32)
    weight = np.ones((4, 4), np.int8)
    assert not inspected(tmp_path, model(nodes, opset=21, q=weight, scales=scales))


def test_vectors_that_are_handed_on_again_and_again_are_refused(tmp_path: Path) -> None:
    """Each takes a matrix of 8192 x 8192."""
    nodes, last = [], "x"
    for i in range(6):
        nodes += [node("Relu", [last], [f"r{i}"]), node("Mul", [f"r{i}", "c"], [f"m{i}"])]
        last = f"m{i}"
    nodes.append(node("Relu", [last], ["y"]))
    reasons = inspected(tmp_path, model(nodes, (8192,), c=np.float32(2)))
    assert any("handed on one by one" in reason for reason in reasons), reasons


def test_whether_a_chain_of_sums_is_above_zero_is_seen_soon(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["h0"])]
    nodes += [node("Add", [f"h{i}"] * 2, [f"h{i + 1}"]) for i in range(40)]
    nodes += [node("MaxPool", ["h40"], ["p"], kernel_shape=[1, 1]), node("Relu", ["p"], ["y"])]
    begin = time.process_time()
    assert inspected(tmp_path, model(nodes, (1, 2, 2)))
    assert time.process_time() - begin < 10
