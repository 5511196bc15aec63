"""A disk that is full while a command writes: one error, which names the file."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

import pytest

from tests.command_line import Command
from tests.compiler.test_cli import SNNC


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Let no file grow beyond some bytes: the system then says so as of a full disk, unnamed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("room", "words", "named"),
    [
        (128, ["{model}", "-o", "out"], "{folder}/out"),
        (128, ["{model}", "--target", "nir", "-o", "out"], "{folder}/out"),
        (128, ["{model}", "--dump-passes", "dump"], "dump/00_imported.txt"),
        (128, ["run", "{artifact}", "--data", "{data}", "-o", "y.npz"], "{folder}/y.npz"),
        (20000, ["report", "{artifact}", "-o", "r.html"], "{folder}/r.html"),
        (128, ["estimate", "{artifact}", "--data", "{data}"], "{temporary}/snnc-ann-"),
        (2000, ["estimate", "{artifact}", "--data", "{data}", "--csv", "c.csv"], "c.csv"),
        (128, ["{model}", "--quantize", "8", "--calibration", "{data}"], "{temporary}/"),
    ],
)
def test_the_file_is_named(
    command: Command,
    model_file: Path,
    artifact: Path,
    data_file: Path,
    tmp_path: Path,
    room: int,
    words: list[str],
    named: str,
) -> None:
    places = {"model": model_file, "artifact": artifact, "data": data_file}
    places |= {"folder": tmp_path, "temporary": Path(gettempdir())}
    with full_disk(room):
        found = command(*(word.format_map(places) for word in words))
    (error,) = (line for line in found.err.splitlines() if line.startswith("error: "))
    assert found.status == 2
    assert error.startswith(f"error: {named.format_map(places)}")
    assert error.endswith(": File too large")
    assert list(tmp_path.rglob(".*")) == []


def test_standard_output_is_named() -> None:
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [*SNNC, "targets"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert found.returncode == 2
    assert found.stderr.startswith("error: standard output: No space left on device\nhint: ")
    assert found.stderr.count("\n") == 2
