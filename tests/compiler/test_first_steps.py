"""What people try first: another name of an option, a tensor, a network in a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.compiler.data import load_samples
from snnc.ir import Graph, Input, TensorType
from snnc.ir.errors import DataError
from tests import nir_files
from tests.command_line import Command

PAIR = Graph([Input(name="x", type=TensorType((2,)))], {"y": "x"})


class Tensor:
    """What becomes an array, or not: one of torch that has a gradient does not."""

    def __init__(self, *, gradient: bool = False) -> None:
        self.gradient = gradient

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:  # type: ignore[type-arg]
        if self.gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.ones((3, 2), np.float32)


def test_the_package_runs_as_a_module() -> None:
    words = (sys.executable, "-m", "snnc")
    found = subprocess.run([*words, "--help"], capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
    assert "usage: snnc" in found.stdout
    refused = subprocess.run([*words, "nothing"], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: snnc: unknown command 'nothing'")


def test_run_takes_data_as_the_other_commands_do(
    command: Command, artifact: Path, data_file: Path
) -> None:
    assert command("run", artifact, "--data", data_file, "-o", "a.npz").status == 0
    assert command("run", artifact, "--input", data_file, "--output", "b.npz").status == 0
    with np.load("a.npz") as a, np.load("b.npz") as b:
        assert a.files == b.files
        assert all(np.array_equal(a[name], b[name]) for name in a.files)


def test_an_artifact_is_no_model(command: Command, artifact: Path) -> None:
    found = command("inspect", artifact)
    assert found.status == 2
    assert f"`snnc show {artifact}`" in found.err
    Path("empty").mkdir()
    assert "snnc show" not in command("inspect", "empty").err


def test_a_tensor_is_an_array() -> None:
    assert load_samples(Tensor(), PAIR)["x"].shape == (3, 2)  # type: ignore[arg-type]
    assert load_samples({"x": Tensor()}, PAIR)["x"].shape == (3, 2)  # type: ignore[dict-item]


@pytest.mark.parametrize("source", [Tensor(gradient=True), {"x": Tensor(gradient=True)}])
def test_a_tensor_that_becomes_none_is_refused(source: object) -> None:
    with pytest.raises(DataError, match="requires grad") as caught:
        load_samples(source, PAIR)  # type: ignore[arg-type]
    assert "detach()" in str(caught.value)


def test_a_network_is_one_line(artifact: Path) -> None:
    assert repr(snnc.load(artifact)) == "<Network for numpy: x (1, 6, 6) -> y, T = 4>"


def test_inspecting_a_nir_file_without_h5py(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = nir_files.chain(tmp_path / "net.nir", nir_files.lif((3,)), shape=(3,))
    assert command("inspect", path).status == 0
    monkeypatch.setitem(sys.modules, "h5py", None)
    found = command("inspect", path, "--json")
    assert (found.status, found.out) == (2, "")
    assert 'uv pip install "snnc[nir]"' in found.err


def test_another_number_of_steps_is_a_choice_for_a_nir_file(
    command: Command, tmp_path: Path
) -> None:
    path = nir_files.chain(tmp_path / "net.nir", nir_files.lif((3,)), shape=(3,))
    assert command(path, "-o", "out").status == 0
    np.savez("x.npz", x=np.zeros((2, 6, 3), np.float32))
    found = command("run", "out", "--data", "x.npz")
    assert found.status == 2
    assert "compiled with --timesteps 6" in found.err
    assert command(path, "-o", "out", "--timesteps", "6").status == 0
    assert command("run", "out", "--data", "x.npz").status == 0
