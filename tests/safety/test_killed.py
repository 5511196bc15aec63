"""Killed at any moment, a command leaves the old result, the new one or none."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from snnc import compile, load
from snnc.backends.artifact import save
from snnc.backends.temporary_folder import OLD, temporary_folder
from snnc.compiler.cli import main
from tests.hostile_models import model, node

CALL = (
    "import sys; from snnc.compiler.cli import main; print('ready', flush=True); sys.exit(main())"
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, data, and an artifact."""
    folder = tmp_path_factory.mktemp("killed")
    weight = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"])]
    made = model([*nodes, node("MatMul", ["b", "w"], ["y"])], (64,), w=weight)
    onnx.save(made, folder / "m.onnx")
    np.savez(folder / "x.npz", x=np.ones((200, 64), np.float32))
    compile(folder / "m.onnx").save(folder / "net")
    return folder


def is_network(path: Path) -> None:
    load(path)


def is_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None


def is_report(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")


@dataclass(frozen=True)
class Case:
    """A command that writes a result, and what the result must be."""

    words: list[str]
    result: str
    check: Callable[[Path], None]


CASES = (
    Case(["m.onnx", "-o", "made/out"], "out", is_network),
    Case(["run", "./net", "--input", "x.npz", "--output", "made/y.npz"], "y.npz", is_archive),
    Case(["report", "./net", "-o", "made/r.html"], "r.html", is_report),
)


LONGEST = 2.0
"""Seconds of a command that count: on a busy machine the first run takes many more."""

SERVER = multiprocessing.get_context("forkserver")
"""Processes that begin with everything imported: a kill then meets the work, not the start."""


def kill_at(folder: Path, case: Case, delay: float | None) -> float:
    """Start a command and kill it after some seconds; return how long it went on."""
    words = [str(folder / word) if "/" in word or "." in word else word for word in case.words]
    SERVER.set_forkserver_preload(["snnc.compiler.api", "snnc.compiler.onnx_import", "onnxruntime"])
    child = SERVER.Process(target=main, args=(words,))
    child.start()
    begin = time.monotonic()
    child.join(timeout=60 if delay is None else delay)
    child.kill()
    child.join()
    return time.monotonic() - begin


def kill_often(folder: Path, kills: int) -> None:
    """Kill each command some times; whatever is there is whole, and the next run tidies up."""
    rng = random.Random(kills)
    made = folder / "made"
    made.mkdir(exist_ok=True)
    for case in CASES:
        whole = min(LONGEST, kill_at(folder, case, None))
        case.check(made / case.result)
        for _ in range(kills):
            kill_at(folder, case, rng.uniform(0, 1.05) * whole)
            if (made / case.result).exists():
                case.check(made / case.result)
        with temporary_folder(made / case.result):
            pass  # as any next run
        case.check(made / case.result)
        assert [path.name for path in made.iterdir() if path.name.startswith(".")] == []


def test_killed_once(prepared: Path) -> None:
    kill_often(prepared, 1)


@pytest.mark.slow
def test_killed_a_hundred_times(prepared: Path) -> None:
    kill_often(prepared, 34)


def test_killed_at_every_system_call_of_the_exchange(prepared: Path, tmp_path: Path) -> None:
    """What a kill between any two steps leaves behind: the next run finds its way from there."""
    network = load(prepared / "net")
    for step in ("made", "moved", "renamed"):
        place = tmp_path / step / "out"
        network.save(place)
        child = os.fork()
        if not child:  # dies in the middle, without any clean-up
            folder = temporary_folder(place).__enter__()
            save(network.artifact, folder / "new", network.program.save)
            if step != "made":
                (folder / OLD).mkdir()
                os.replace(place, folder / OLD / place.name)
            if step == "renamed":
                os.replace(folder / "new", place)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        assert len(list(place.parent.iterdir())) == (1 if step == "moved" else 2)
        with temporary_folder(place):  # any next writer
            load(place)
        assert [path.name for path in place.parent.iterdir()] == ["out"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "out") as first:
        with temporary_folder(tmp_path / "out") as second:
            assert first != second
            assert first.exists()
        assert first.exists()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in (".out-backup", ".snnc-other-12345678", "snnc-out-1", ".snnc-out-file"):
        (tmp_path / name).mkdir() if name[-4:] != "file" else (tmp_path / name).write_text("")
    before = sorted(tmp_path.iterdir())
    with temporary_folder(tmp_path / "out"):
        pass
    assert sorted(tmp_path.iterdir()) == before
