"""Kernels that are stale, foreign or damaged: one warning, and the same numbers without them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.library import KernelWarning
from snnc.compiler.commands.console import open_console
from snnc.ir.reference import run
from tests.spiking_graphs import TIMESTEPS, random_graph, random_inputs


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the compiled kernels are looked for."""
    path = tmp_path / "_kernels.abi3.so"
    found = ModuleSpec("_kernels", None, origin=str(path))
    monkeypatch.setattr(library, "find_spec", lambda name: found)
    monkeypatch.delenv("SNNC_NATIVE", raising=False)
    library.library.cache_clear()
    yield path
    library.library.cache_clear()


def foreign(path: Path) -> None:
    """Put the shared library of somebody else there."""
    shutil.copy(next(Path(np.__file__).parent.rglob("*.so")), path)


def damaged(path: Path) -> None:
    path.write_bytes(b"\x7fELF")


@pytest.mark.parametrize("put", [foreign, damaged])
def test_the_simulator_goes_on_without(kernels: Path, put: Callable[[Path], None]) -> None:
    put(kernels)
    graph = random_graph(1)
    inputs = random_inputs(graph, 2)
    with pytest.warns(KernelWarning) as told:
        found = NumpyBackend().lower(graph, TIMESTEPS).run(inputs, record=True)
    assert len(told) == 1
    assert str(kernels) in str(told[0].message)
    assert "pip install" in str(told[0].message)
    expected = run(graph, inputs, TIMESTEPS)
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], payloads.swapaxes(0, 1))


def test_kernels_of_another_version_are_not_used(
    kernels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(library.__file__).parent / kernels.name
    if not own.exists():
        pytest.skip("no compiled kernels here")
    shutil.copy(own, kernels)
    monkeypatch.setattr(library, "FUNCTIONS", (*library.FUNCTIONS, "of_tomorrow"))
    with pytest.warns(KernelWarning, match="has no snnc_of_tomorrow"):
        assert library.library() is None


def test_nobody_is_warned_who_does_without(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged(kernels)
    monkeypatch.setenv("SNNC_NATIVE", "0")
    assert library.library() is None


@pytest.mark.filterwarnings("default")
def test_a_command_says_it_in_two_lines(kernels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged(kernels)
    with open_console(json=True):
        assert library.library() is None
    warning, hint = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {kernels} cannot be loaded")
    assert hint.startswith("hint: install snnc again")
