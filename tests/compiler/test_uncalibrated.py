"""Without calibration data ``snnc.compile`` warns in Python, too."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.compiler.partition import CutWarning
from snnc.compiler.uncalibrated import CalibrationWarning
from tests.command_line import Command, write_model

WEIGHTS = {"w": np.eye(4), "v": np.ones((4, 3))}
IO = "(float[N,4] x) => (float[N,3] y)"
SAMPLES = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)


def warned(path: Path, **given: Any) -> list[warnings.WarningMessage]:
    """Return what a compilation warns of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        snnc.compile(path, **given)
    return told


@pytest.mark.parametrize(
    ("nodes", "given", "said"),
    [
        ("h = MatMul (x, w) r = Relu (h) y = MatMul (r, v)", {}, "thresholds come from"),
        (
            "h = MatMul (x, w) r = Relu (h) y = MatMul (r, v)",
            {"code": "exact", "approximate": True},
            "ranges of values come from",
        ),
        ("h = MatMul (x, w) r = Relu (h) y = MatMul (r, v)", {"calibration": SAMPLES}, None),
    ],
)
def test_one_warning(tmp_path: Path, nodes: str, given: dict[str, Any], said: str | None) -> None:
    told = warned(write_model(tmp_path / "m.onnx", nodes, IO, WEIGHTS), **given)
    assert [each.category for each in told] == ([CalibrationWarning] if said else [])
    if said:
        assert f"no calibration data: {said}" in str(told[0].message)
        assert told[0].filename == __file__, "where the user called"


def test_a_cut_warns_of_both(tmp_path: Path) -> None:
    nodes = "h = MatMul (x, w) r = Relu (h) k = MatMul (r, w) s = Softmax (k) y = MatMul (s, v)"
    told = warned(write_model(tmp_path / "m.onnx", nodes, IO, WEIGHTS))
    assert [each.category for each in told] == [CutWarning, CalibrationWarning]


def test_the_command_line_says_it_once(command: Command, model_file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert command(model_file).err.count("no calibration data") == 1


@pytest.mark.parametrize(("count", "warned"), [(2, True), (1, False)])
def test_samples_that_are_all_the_same_are_worth_a_warning(
    command: Command, model_file: Path, tmp_path: Path, count: int, warned: bool
) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((count, 1, 6, 6), np.float32))
    found = command(model_file, "--calibration", tmp_path / "x.npz", "-o", tmp_path / "out")
    assert found.status == 0
    assert ("warning: all calibration samples are the same" in found.err) is warned
