"""Data larger than memory: read as they are needed, with the same results to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.base import Rows
from snnc.backends.resources import Resources
from snnc.compiler import archive, data, verify
from snnc.compiler.data import load_samples, open_samples
from snnc.ir import Array, Graph, Input, TensorType
from snnc.ir.errors import DataError
from tests.command_line import Command

IMAGE = Graph([Input(name="x", type=TensorType((1, 6, 6)))], {"y": "x"})
LITTLE = Resources(memory=1000)
"""Less than any of these data takes, so that they stay in the file."""


def images(dtype: type, count: int = 300) -> Array:
    return np.random.default_rng(0).integers(0, 100, (count, 1, 6, 6)).astype(dtype)


@pytest.fixture(autouse=True)
def checked_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "CHECKED_BYTES", 3000)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.float64, ">i2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_stays_in_the_file_is_read_as_it_is(
    tmp_path: Path, dtype: type, order: str, save: object
) -> None:
    x = images(dtype) if order == "C" else np.asfortranarray(images(dtype))
    assert callable(save)
    save(tmp_path / "x.npz", x=x, y=np.arange(300))
    rows = open_samples(tmp_path / "x.npz", IMAGE, LITTLE)["x"]
    assert not isinstance(rows, np.ndarray)
    assert (rows.shape, len(rows)) == (x.shape, 300)
    for begin, end in ((0, 7), (7, 50), (90, 91), (3, 5), (295, 400), (300, 310), (0, 300)):
        part = rows[begin:end]
        assert part.dtype == np.float32
        np.testing.assert_array_equal(part, x[begin:end])
    np.testing.assert_array_equal(load_samples(tmp_path / "x.npz", IMAGE)["x"], x)


def test_what_fits_is_read_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=images(np.uint8))
    rows: Rows = open_samples(tmp_path / "x.npz", IMAGE, Resources(memory=10**6))["x"]
    assert isinstance(rows, np.ndarray)


def test_bad_samples_are_found_before_the_run(tmp_path: Path) -> None:
    x = images(np.float64)
    x[271, 0, 2, 2] = np.nan
    np.savez(path := tmp_path / "x.npz", x=x)
    with pytest.raises(DataError, match="NaN or infinity, first in sample 271"):
        open_samples(path, IMAGE, LITTLE)
    x[271, 0, 2, 2] = 0.1
    np.savez(path, x=x)
    with pytest.raises(DataError, match="float64 with values that float32 cannot hold"):
        open_samples(path, IMAGE, LITTLE)


def test_a_header_that_lies_about_its_length_is_refused(tmp_path: Path) -> None:
    """Else a small file could ask for any amount of memory."""
    np.savez(path := tmp_path / "x.npz", x=images(np.float32))
    content = path.read_bytes()
    assert b"(300, 1, 6, 6), }" in content
    path.write_bytes(content.replace(b"(300, 1, 6, 6), }", b"(900, 9, 6, 6), }"))
    with pytest.raises(DataError, match="not as long as its header says"):
        open_samples(path, IMAGE)


def test_damage_within_the_data_is_found(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "x.npz", x=images(np.float32))
    content = bytearray(path.read_bytes())
    content[20_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read: Bad CRC"):
        open_samples(path, IMAGE, LITTLE)


def test_a_network_streams_what_memory_does_not_hold(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    whole = network.run(data_file)
    parts = list(network.stream(data_file, memory="2GB", jobs=3))
    decoded = np.concatenate([part.decoded["y"] for part in parts])
    np.testing.assert_array_equal(decoded, whole.decoded["y"])
    assert len(parts) > 1
    limited = network.run(data_file, memory=2 * 10**9)
    np.testing.assert_array_equal(limited.decoded["y"], whole.decoded["y"])


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--input", "{data}", "--output", "y.npz"),
        ("evaluate", "--data", "{data}"),
        ("evaluate", "--data", "{data}", "--explain"),
        ("estimate", "--data", "{data}"),
        ("verify", "--data", "{data}"),
    ],
)
def test_commands_say_the_same_within_a_limit(
    artifact: Path,
    data_file: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    name, *options = (word.format(data=data_file) for word in words)
    plain = command(name, artifact, *options, "--json")
    written = Path("y.npz").read_bytes() if name == "run" else b""
    monkeypatch.setattr(data, "SHARE", 10**9)  # so that even these few stay in the file
    limited = command(name, artifact, *options, "--memory", "2GB", "--jobs", "3", "--json")
    assert (plain.status, limited.status) == (0, 0), limited.err
    assert json.loads(limited.out) == json.loads(plain.out)
    if name == "run":
        assert Path("y.npz").read_bytes() == written
        assert [path.name for path in Path().iterdir()] == ["y.npz"]


def test_the_target_is_compared_block_by_block(
    artifact: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = snnc.load(artifact)
    samples = load_samples(data_file, network.graph)
    whole = verify.verify(network, samples, executed_on="other")
    monkeypatch.setattr(verify, "BLOCK_BYTES", 1)
    seen: list[tuple[int, int]] = []
    parts = verify.verify(
        network, samples, executed_on="other", progress=lambda *done: seen.append(done)
    )
    assert parts == whole
    assert (whole.samples, len(seen)) == (20, 20)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--memory", "much"), "memory 'much': is no size"),
        (("--memory", "20MB"), "too little to run one sample"),
        (("--jobs", "0"), "jobs 0"),
        (("--jobs", "two"), "invalid int value"),
    ],
)
def test_nonsense_is_refused(
    artifact: Path, data_file: Path, command: Command, words: tuple[str, str], message: str
) -> None:
    for line in (("run", "--input"), ("evaluate", "--data"), ("estimate", "--data")):
        outcome = command(line[0], artifact, line[1], data_file, *words)
        assert outcome.status == 2
        assert message in outcome.err
        assert "hint: " in outcome.err


def test_files_are_closed(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "x.npz", x=images(np.uint8))
    stored = archive.stored_arrays(path, "data")["x"]
    stored[0:3]
    stored.close()
    np.testing.assert_array_equal(stored[2:4], images(np.uint8)[2:4])
