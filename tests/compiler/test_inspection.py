"""``inspect`` answers as ``compile`` would, without calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends import get_backend
from snnc.compiler.inspection import Inspection, inspect
from snnc.compiler.options import Options
from snnc.ir.errors import ModelError, OptionError, SnncError
from tests.command_line import write_model


def inspected(path: Path, target: str = "numpy", **options: Any) -> Inspection:
    return inspect(path, get_backend(target), Options(**options))


def test_a_model_that_converts(model_file: Path) -> None:
    found = inspected(model_file).to_json()
    assert found["convertible"] is True
    assert found["spiking_share"] == 1.0
    assert found["unsupported"] == found["host"] == []
    assert found["inputs"] == [{"name": "x", "shape": [1, 6, 6]}]
    assert found["outputs"] == [{"name": "y", "shape": [3]}]
    assert found["operators"]["Conv"] == 1
    assert found["opset"] == 17
    assert found["cut"] == [{"output": "y", "operator": "Softmax", "node": "y"}]


def test_approximations_are_announced(tmp_path: Path) -> None:
    nodes = "r = Relu (x) p = AveragePool <kernel_shape = [2, 2]> (r) f = Flatten (p) "
    path = write_model(
        tmp_path / "m.onnx",
        nodes + "h = Gemm (f, w) q = Relu (h) y = Gemm (q, w)",
        "(float[N,1,3,3] x) => (float[N,4] y)",
        {"w": np.eye(4)},
    )
    assert "put between two linear maps" in inspected(path).approximations[0]


@pytest.mark.parametrize(
    ("target", "options", "reason"),
    [
        ("lava", {"code": "multithreshold"}, "several thresholds"),
        ("numpy", {"code": "rate"}, "has the lower bound -1"),
        ("numpy", {}, None),
        ("lava", {"code": "ternary"}, None),
        ("lava", {"weight_bits": "float"}, None),
    ],
)
def test_code_and_target_have_their_say(
    tmp_path: Path, target: str, options: dict[str, Any], reason: str | None
) -> None:
    path = write_model(
        tmp_path / "m.onnx",
        "h = Gemm (x, w) c = Clip (h, low, high) y = Gemm (c, w)",
        "(float[N,4] x) => (float[N,4] y)",
        {"w": np.eye(4), "low": np.array(-1.0), "high": np.array(1.0)},
    )
    found = inspected(path, target, **options)
    assert found.convertible == (reason is None)
    if reason is None:
        assert snnc.compile(path, target=target, **options).graph
        return
    assert any(reason in entry.reason for entry in found.unsupported)
    assert all(entry.hint for entry in found.unsupported)
    with pytest.raises(SnncError, match=reason):
        snnc.compile(path, target=target, **options)


def test_problems_of_the_code_name_node_and_operator(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.onnx",
        "h = Gemm (x, w) c = Clip (h, low, high) y = Gemm (c, w)",
        "(float[N,4] x) => (float[N,4] y)",
        {"w": np.eye(4), "low": np.array(-1.0), "high": np.array(1.0)},
    )
    (entry,) = inspected(path, code="rate").unsupported
    assert (entry.operator, entry.node) == ("Clip", "c")
    assert entry.reason.startswith("has the lower bound")


def silu(folder: Path) -> Path:
    return write_model(
        folder / "silu.onnx",
        "h = Gemm (x, w) s = Sigmoid (h) p = Mul (h, s) y = Gemm (p, w)",
        "(float[N,4] x) => (float[N,4] y)",
        {"w": np.eye(4)},
    )


@pytest.mark.parametrize(
    ("target", "way", "no_way"),
    [
        ("netx", "with Relu", "--code exact"),
        ("nir", "a target that takes --code exact", "or with --code exact"),
        ("numpy", "or with --code exact", "choose a target"),
    ],
)
def test_problems_are_those_of_the_file_and_hints_of_the_target(
    tmp_path: Path, target: str, way: str, no_way: str
) -> None:
    found = inspect(
        silu(tmp_path), get_backend(target), Options(code="rate"), require_full=True
    ).unsupported
    assert [(entry.operator, entry.node) for entry in found] == [("Sigmoid", "s"), ("Mul", "p")]
    for entry in found:
        assert way in entry.hint
        assert no_way not in entry.hint


def test_parts_that_a_conversion_makes_are_those_of_their_node(tmp_path: Path) -> None:
    options = Options(approximate=True)
    found = inspect(silu(tmp_path), get_backend("netx"), options, require_full=True).unsupported
    assert {entry.operator for entry in found} <= {"Input", "Sigmoid", "Mul", "Gemm"}
    assert {entry.node for entry in found} <= {"x", "h", "s", "p", "y"}
    assert len(set(found)) == len(found)


def test_a_target_without_neurons_of_code_exact_says_so(tmp_path: Path) -> None:
    path = silu(tmp_path)
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    options = Options(code="exact", quantize=8, approximate=True)
    found = inspect(path, get_backend("netx"), options, require_full=True, calibration={"x": x})
    assert "no neurons of code exact" in found.unsupported[0].reason
    assert not any("TrackingIF" in entry.reason for entry in found.unsupported)


def test_unusable_files_and_options_raise(tmp_path: Path, model_file: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        inspected(tmp_path / "m.onnx")
    with pytest.raises(OptionError, match="unknown code"):
        inspected(model_file, code="morse")
    with pytest.raises(OptionError, match="unknown threshold rule"):
        inspected(model_file, thresholds="mean")
