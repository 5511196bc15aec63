"""Sizes that a file leaves open are put in; whatever does not fit the file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends import get_backend
from snnc.compiler.cli import main
from snnc.compiler.inspection import inspect
from snnc.compiler.onnx_import import load
from snnc.compiler.options import Options
from snnc.ir.errors import ModelError, OptionError

from .conftest import Build, Save

NODES = "y = Relu (x)"


@pytest.fixture
def path(build: Build, save: Save) -> Path:
    return save(build(NODES, inputs="float[N,3,H,W] x", outputs="float[N,3,H,W] y"))


def test_open_sizes_are_put_in(path: Path) -> None:
    with pytest.raises(ModelError, match="symbolic") as refused:
        snnc.compile(path)
    assert "--input-shape" in str(refused.value.hint)
    network = snnc.compile(path, input_shapes={"x": (1, 3, 4, 5)})
    x = np.ones((2, 3, 4, 5), np.float32)
    assert network.run(x).decoded["y"].shape == (2, 8, 3, 4, 5)
    assert network.artifact.manifest["options"]["input_shapes"] == {"x": (1, 3, 4, 5)}


def test_inspect_knows_them(path: Path) -> None:
    options = Options(input_shapes={"x": [1, 3, 4, 5]})
    assert inspect(path, get_backend("numpy"), options).inputs == {"x": (3, 4, 5)}


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"z": (1, 3, 4, 5)}, "no input 'z'"),
        ({"x": (1, 4, 4, 5)}, r"the file says \(N, 3, H, W\)"),
        ({"x": (3, 4, 5)}, r"gives \(3, 4, 5\)"),
        ({"x": ()}, "the file says"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    path: Path, shapes: dict[str, tuple[int, ...]], reason: str
) -> None:
    with pytest.raises(OptionError, match=reason) as refused:
        load(path, input_shapes=shapes)
    assert refused.value.hint


@pytest.mark.parametrize("shapes", [{"x": (1, 0)}, {"x": (1, -2)}, {"x": "ab"}, {"x": 5}, 7])
def test_nonsense_is_refused(shapes: object) -> None:
    with pytest.raises(OptionError, match="shape"):
        Options(input_shapes=shapes)  # type: ignore[arg-type]


def test_a_terabyte_is_refused(path: Path) -> None:
    with pytest.raises(ModelError, match="more than"):
        load(path, input_shapes={"x": (1, 3, 2**20, 2**20)})


def test_on_the_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(path), "--input-shape", "x=1,3,4,5"]) == 0
    assert "(3, 4, 5)" in capsys.readouterr().out
    assert main(["inspect", str(path), "--input-shape", "x=1,3,four,5"]) == 2
    assert "is no name with its sizes" in capsys.readouterr().err
