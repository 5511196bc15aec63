"""What is said of a host node: its own reason, or the nodes because of which it is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnc.backends import get_backend
from snnc.compiler.inspection import inspect
from snnc.compiler.onnx_import import Unsupported
from snnc.compiler.options import Options
from snnc.compiler.partition.build import cut_warning
from tests.command_line import Command, write_model


def dynamic(folder: Path) -> Path:
    """A layer that spikes, and one that takes its scale from each sample."""
    return write_model(
        folder / "dynamic.onnx",
        """
        h = MatMul (x, w) r = Relu (h)
        q, s, z = DynamicQuantizeLinear (r) i = MatMulInteger (q, v, z) f = Cast <to = 1> (i)
        t = Mul (s, scale) m = Mul (f, t) y = Relu (m)
        """,
        "(float[N,4] x) => (float[N,5] y)",
        {"w": np.eye(4), "scale": np.array(0.5)},
        integers={"v": np.ones((4, 5), np.int8)},
    )


def entries(path: Path) -> dict[str, Unsupported]:
    found = inspect(path, get_backend("numpy"), Options())
    return {entry.node: entry for entry in found.host}


def test_what_stands_behind_a_node_names_it(tmp_path: Path) -> None:
    found = entries(dynamic(tmp_path))
    first = found["q"]
    assert not first.follows
    assert "--quantize 8" in first.hint
    assert "quantize_static" in first.hint
    for name in ("i", "t"):
        assert found[name].follows
        assert found[name].reason == "behind q (DynamicQuantizeLinear), which is not imported"
        assert "onnxsim" not in found[name].hint


def test_followers_are_listed_in_short(command: Command, tmp_path: Path) -> None:
    path = dynamic(tmp_path)
    lines = command("inspect", path).out.splitlines()
    (line,) = (text for text in lines if "behind q (DynamicQuantizeLinear)" in text)
    assert "i, f, t" in line
    division = inspect(path, get_backend("numpy"), Options()).division
    assert division is not None
    message, _ = cut_warning(division)
    assert "q (DynamicQuantizeLinear): is not supported; and " in message
    assert "behind" not in message


def test_a_node_that_joins_the_host_names_those_around_it(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "around.onnx",
        """
        a = MatMul (x, w) b = Relu (a) c = LRN <size = 3> (b)
        d = Neg (c) e = Flatten (d) f = Sqrt (e)
        g = Relu (f) y = MatMul (g, w)
        """,
        "(float[N,4] x) => (float[N,4] y)",
        {"w": np.eye(4)},
    )
    found = entries(path)
    assert [name for name, entry in found.items() if entry.follows] == ["d", "e"]
    for name in ("d", "e"):
        assert "make c (LRN) and f (Sqrt) convertible" in found[name].hint
