"""Inputs that are always the same become constants; hints on inputs write the option out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import snnc
from snnc.compiler.onnx_import import load
from snnc.compiler.options import Options
from snnc.compiler.partition import PartitionedNetwork
from snnc.compiler.partition.build import CutWarning
from snnc.ir.errors import ModelError, OptionError
from tests.command_line import Command, write_model

SIGNATURE = "(float[N,S] x, int64 sr, float[1,4] h) => (float[N,3] y)"
NODES = """
    fast = Equal (sr, rate)
    a = If (fast) <
        then_branch = g1 () => (float[N,4] u) { u = Gemm (x, w) },
        else_branch = g2 () => (float[N,4] v) { v = Gemm (x, slow) }
    >
    b = Add (a, h) r = Relu (b) y = Gemm (r, v3)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    return write_model(
        tmp_path / "m.onnx",
        NODES,
        SIGNATURE,
        {
            "w": rng.normal(size=(5, 4)),
            "slow": rng.normal(size=(5, 4)),
            "v3": rng.normal(size=(4, 3)),
        },
        integers={"rate": np.array(16000)},
    )


@pytest.mark.parametrize("rate", [16000, 8000])
def test_a_fixed_input_is_a_constant(path: Path, rate: int) -> None:
    fixed = {"sr": rate, "h": [0.5, -1, 0, 2]}
    x = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    network = snnc.compile(
        path,
        calibration={"x": x},
        input_shapes={"x": (1, 5)},
        fixed_inputs=fixed,
        timesteps=64,
        weight_bits="float",
    )
    options = network.artifact.manifest["options"]
    assert options["fixed_inputs"] == {"sr": (rate,), "h": (0.5, -1, 0, 2)}
    session = onnxruntime.InferenceSession(path)
    given = {"x": x, "sr": np.array(rate), "h": np.array([fixed["h"]], np.float32)}
    (wanted,) = session.run(None, given)
    found = network.run(x).decoded["y"][:, -1]
    assert np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()


def test_it_is_fixed_for_the_host_too(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "cut.onnx",
        "a = Gemm (x, w) r = Relu (a) b = Softmax (r) f = Cast <to = 1> (n) s = Mul (b, f) "
        "c = Softmax (s) d = Gemm (c, w) y = Relu (d)",
        "(float[N,4] x, int64 n) => (float[N,4] y)",
        {"w": np.eye(4)},
    )
    with pytest.warns(CutWarning):
        network = snnc.compile(path, fixed_inputs={"n": 3}, weight_bits="float", timesteps=16)
    assert isinstance(network, PartitionedNetwork)
    assert "s" in {entry.node for entry in network.division.host}
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    (wanted,) = onnxruntime.InferenceSession(path).run(None, {"x": x, "n": np.array(3)})
    assert np.abs(network.run(x).decoded["y"][:, -1] - wanted).max() < 0.1


@pytest.mark.parametrize(
    ("fixed", "reason"),
    [
        ({"rs": 1}, "no input 'rs'"),
        ({"w": 1}, "no input 'w'"),
        ({"sr": 0.5}, "gives 0.5, and it holds int64"),
        ({"sr": [1, 2]}, "gives 2 numbers, and it has 1"),
        ({"h": [1, 2]}, "gives 2 numbers, and it has 4"),
        ({"h": float("nan")}, "gives nan, and it holds float"),
        ({"h": 1e300}, "it holds float"),
        ({"sr": 2.0**70}, "it holds int64"),
        ({"x": 1}, "needs its shape"),
    ],
)
def test_what_does_not_fit_is_refused(path: Path, fixed: dict[str, Any], reason: str) -> None:
    with pytest.raises(OptionError, match=reason) as refused:
        load(path, fixed_inputs=Options(fixed_inputs=fixed).fixed_inputs)
    assert refused.value.hint


@pytest.mark.parametrize(
    "fixed", [{"sr": "fast"}, {"sr": None}, {"sr": []}, 7, {"sr": [[1], [1, 2]]}]
)
def test_nonsense_is_refused(fixed: object) -> None:
    with pytest.raises(OptionError, match="are not names with numbers"):
        Options(fixed_inputs=fixed)  # type: ignore[arg-type]


def test_an_input_that_is_too_large_is_refused(tmp_path: Path) -> None:
    model = "h = Add (x, z) y = Relu (h)"
    size = 2**31
    path = write_model(
        tmp_path / "m.onnx", model, f"(float[N,4] x, float[{size},4] z) => (float[N,4] y)", {}
    )
    with pytest.raises(OptionError, match="more than"):
        load(path, fixed_inputs={"z": (1,)})


def test_hints_write_the_option_out(path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        snnc.compile(path)
    hints = {p.message.split("'")[1]: p.hint for p in refused.value.problems}
    assert "--input-shape x=1,S (numbers for S)" in hints["x"]
    assert "--fix-input sr=NUMBER" in hints["sr"]


def test_a_size_without_a_name(path: Path) -> None:
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[1].Clear()
    onnx.save(model, path)
    with pytest.raises(ModelError) as refused:
        snnc.compile(path)
    assert "--input-shape x=1,? (numbers for each ?)" in refused.value.problems[0].hint


def test_on_the_command_line(command: Command, path: Path) -> None:
    words = ("inspect", path, "--input-shape", "x=1,5", "--fix-input", "sr=16000")
    found = command(*words, "--fix-input", "h=0", "--json").json
    assert found["convertible"]
    assert found["inputs"] == [{"name": "x", "shape": [5]}]
    refused = command(*words[:2], "--fix-input", "sr=fast")
    assert refused.status == 2
    assert "is no name with its numbers" in refused.err
