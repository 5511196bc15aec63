"""A backend that somebody else installed is found and chosen by ``--target``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from snnc import compile, load
from snnc.backends.registry import known_targets
from snnc.ir.errors import SnncError
from tests.hostile_models import model, node

BACKEND = '''
"""A target of its own: the simulator of snnc, and one more file."""

from dataclasses import dataclass, replace
from pathlib import Path

from snnc.backends.numpy_sim import NumpyBackend
from snnc.ir import Graph


class TinyBackend(NumpyBackend):
    target = replace(NumpyBackend.target, name="tiny", summary="a chip of a test")

    def availability(self) -> str:
        return "tiny 1.0"

    def lower(self, graph: Graph, timesteps: int) -> "TinyProgram":
        return TinyProgram(super().lower(graph, timesteps))


class TinyProgram:
    def __init__(self, simulated) -> None:
        self.simulated = simulated

    def __getattr__(self, name: str):
        return getattr(self.simulated, name)

    def save(self, folder: Path) -> None:
        (folder / "tiny.txt").write_text(f"{len(self.graph)} nodes")
'''


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with an installed package: its module and its metadata."""
    site = tmp_path / "site"
    info = site / "snnc_tiny-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "snnc_tiny.py").write_text(BACKEND)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: snnc-tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[snnc.backends]\ntiny = snnc_tiny:TinyBackend\n")
    (info / "RECORD").write_text("snnc_tiny.py,,\n")
    onnx.save(model([node("Relu", ["x"], ["y"])]), tmp_path / "m.onnx")
    monkeypatch.syspath_prepend(str(site))
    return site


def test_it_is_chosen_by_name(site: Path, tmp_path: Path) -> None:
    assert "tiny" in known_targets()
    network = compile(tmp_path / "m.onnx", target="tiny")
    network.save(tmp_path / "out")
    assert (tmp_path / "out" / "tiny.txt").read_text() == f"{len(network.graph)} nodes"
    again = load(tmp_path / "out")
    assert again.target == "tiny"
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(again.run(x).decoded["y"], network.run(x).decoded["y"])


def test_it_is_chosen_on_the_command_line(site: Path, tmp_path: Path) -> None:
    code = "from snnc.compiler.cli import main; main('m.onnx --target tiny -o out'.split())"
    paths = os.pathsep.join([str(site), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; main(['targets'])"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert (tmp_path / "out" / "tiny.txt").exists(), done.stderr
    assert "a chip of a test" in done.stdout


def test_a_plugin_that_breaks_is_named(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "snnc_tiny.py").write_text("raise RuntimeError('not today')")
    monkeypatch.delitem(sys.modules, "snnc_tiny", raising=False)
    with pytest.raises(SnncError, match=r"target 'tiny' cannot be loaded: .*not today"):
        compile(tmp_path / "m.onnx", target="tiny")
