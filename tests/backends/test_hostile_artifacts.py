"""Artifacts somebody made by hand: every hash fits, and what is hashed is nonsense."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc import load
from snnc.backends.artifact import Artifact, Golden, save
from snnc.backends.numpy_sim import NumpyBackend
from snnc.ir.errors import SnncError
from snnc.ir.storage import from_document, read_arrays
from tests.spiking_graphs import TIMESTEPS, random_graph, random_inputs

Change = Callable[[Any], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    graph = random_graph(5)
    inputs = random_inputs(graph, 5)
    result = NumpyBackend().lower(graph, TIMESTEPS).run(inputs, record=True)
    rest: dict[str, Any] = {"options": {}, "model": {}, "report": {}}
    golden = Golden(inputs, result.decoded, result.spikes)
    save(Artifact(graph, golden, "numpy", TIMESTEPS, rest), tmp_path / "out", lambda path: None)
    load(tmp_path / "out")
    return tmp_path / "out"


def reseal(folder: Path) -> None:
    """Make all hashes right."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refused(folder: Path) -> None:
    """Reseal the artifact; loading it must end in an error of snnc with a way out."""
    reseal(folder)
    with pytest.raises(SnncError) as error:
        load(folder)
    assert all(problem.message and problem.hint for problem in error.value.problems)


NONSENSE = [
    *(None, True, -1, 0, 1.5, 10**30, "text", "\ud800", [], [1, 2, 3], {}, {"array": "none"}),
    *({"float": "nan and more"}, {"shape": [2**62], "signal": "real", "payload": None}),
    {"shape": [0], "signal": "real", "payload": None},
    {"shape": ["a"], "signal": "no", "payload": 3},
]


def test_a_field_of_any_other_type_is_refused_or_harmless(folder: Path) -> None:
    """Every field of every node, with every nonsense: an error of snnc, or a network."""
    document = json.loads((folder / "graph.json").read_text())
    weights = read_arrays(folder / "weights.npz")
    refusals = 0
    for index, entry in enumerate(document["nodes"]):
        for key in entry:
            for value in NONSENSE[(index + len(key)) % 3 :: 3]:
                changed = json.loads(json.dumps(document))
                changed["nodes"][index][key] = value
                try:
                    NumpyBackend().lower(from_document(changed, weights), TIMESTEPS)
                except SnncError:
                    refusals += 1
    assert refusals > 100


def doubled(document: Any) -> None:
    document["nodes"].append(document["nodes"][0])


def cyclic(document: Any) -> None:
    document["nodes"][1]["inputs"] = [document["nodes"][-1]["name"]]


DOCUMENTS: dict[str, Change] = {
    "two nodes of one name": doubled,
    "a cycle": cyclic,
    "an unknown kind": lambda document: document["nodes"][1].update(kind="__import__"),
    "a kind that is a list": lambda document: document["nodes"][1].update(kind=["Conv"]),
    "no name": lambda document: document["nodes"][1].pop("name"),
    "outputs that are no nodes": lambda document: document["outputs"].update(y="nothing"),
    "an output that is no text": lambda document: document["outputs"].update(y=3),
    "nodes that are texts": lambda document: document.update(nodes=["Conv"]),
    "huge input": lambda document: document["nodes"][0]["type"].update(shape=[2**40, 2**40]),
}


@pytest.mark.parametrize("change", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_graph_that_is_none(folder: Path, change: Change) -> None:
    document = json.loads((folder / "graph.json").read_text())
    change(document)
    (folder / "graph.json").write_text(json.dumps(document))
    refused(folder)


@pytest.mark.parametrize(
    "text",
    ["[" * 100000, '{"nodes": ' + "9" * 10000 + "}", '{"a": NaN', "\ufeff{}", "null", '"\\ud800"'],
    ids=["deep", "digits", "cut", "mark", "null", "surrogate"],
)
def test_a_document_that_is_no_json_of_ours(folder: Path, text: str) -> None:
    (folder / "graph.json").write_text(text)
    refused(folder)


def arrays(folder: Path) -> dict[str, Any]:
    with np.load(folder / "weights.npz") as file:
        return dict(file)


ARRAYS: dict[str, Callable[[Any], Any]] = {
    "another shape": lambda array: np.ones((3, 5, 7, 1, 2)),
    "no elements": lambda array: np.ones((0, *array.shape)),
    "text": lambda array: np.full(array.shape, "1"),
    "complex": lambda array: array.astype(complex),
    "records": lambda array: np.zeros(array.shape, [("a", "i4")]),
    "dates": lambda array: np.zeros(array.shape, "M8[s]"),
}


@pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_of_another_kind(folder: Path, change: Callable[[Any], Any]) -> None:
    found = arrays(folder)
    name = max(found, key=lambda name: found[name].size)
    np.savez(folder / "weights.npz", **{**found, name: change(found[name])})
    refused(folder)


def test_a_missing_array(folder: Path) -> None:
    found = arrays(folder)
    np.savez(folder / "weights.npz", **dict(list(found.items())[1:]))
    refused(folder)


def npy(shape: str, descr: str = "'<f8'") -> bytes:
    """Return the header of an array of any shape, and no data."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


HEADERS = {
    "longer than the file": npy("(1000,)"),
    "negative": npy("(-1,)"),
    "overflow": npy("(4294967296, 4294967296)"),
    "no shape": npy("'evil'"),
    "code": npy("__import__('os').system('false')"),
    "objects": npy("(1,)", "'|O'"),
    "no type": npy("(1,)", "'evil'"),
    "no header": b"\x93NUMPY\x01\x00\xff\xff",
    "version 9": b"\x93NUMPY\x09\x00",
    "unclosed": npy("(1, "),
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS.keys())
def test_array_headers_that_lie(folder: Path, content: bytes) -> None:
    with zipfile.ZipFile(folder / "weights.npz", "w") as archive:
        archive.writestr("0.weight.npy", content)
    refused(folder)


def test_a_bomb_is_not_unpacked(folder: Path) -> None:
    """Four hundred arrays of 8 MB of zeros: 3 MB that unpack to more than 3 GB."""
    one = io.BytesIO()
    np.save(one, np.zeros(1 << 20))
    with zipfile.ZipFile(
        folder / "weights.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as file:
        file.writestr("a0.npy", one.getvalue())
    entry = (folder / "weights.npz").read_bytes()
    with zipfile.ZipFile(folder / "weights.npz", "a") as archive:
        first = archive.infolist()[0]
        for index in range(1, 400):  # all of them the same data
            other = zipfile.ZipInfo(f"a{index}.npy")
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(other, field, getattr(first, field))
            archive.filelist.append(other)
        archive._didModify = True  # type: ignore[attr-defined]
    assert len(entry) < 1 << 20
    reseal(folder)
    with pytest.raises(SnncError, match="unpack to"):
        load(folder)


def test_two_arrays_of_one_name(folder: Path) -> None:
    one = io.BytesIO()
    np.save(one, np.zeros(1))
    with (
        zipfile.ZipFile(folder / "weights.npz", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr(archive.namelist()[0], one.getvalue())
    refused(folder)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_compressed_in_another_way(folder: Path, method: int) -> None:
    one = io.BytesIO()
    np.save(one, np.zeros(1))
    with zipfile.ZipFile(folder / "weights.npz", "w", method) as archive:
        archive.writestr("0.weight.npy", one.getvalue())
    refused(folder)


@pytest.mark.parametrize("name", ["manifest.json", "graph.json", "weights.npz"])
def test_a_pipe_in_the_place_of_a_file_does_not_block(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(SnncError):
        load(folder)


def test_an_endless_manifest_is_not_read(folder: Path) -> None:
    with (folder / "manifest.json").open("wb") as file:
        file.truncate(1 << 36)  # sparse: it takes no space
    with pytest.raises(SnncError):
        load(folder)


@pytest.mark.parametrize("version", [2, 999, -1, 1.5, "1", None, [1], {"a": 1}])
def test_other_versions(folder: Path, version: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": version}))
    with pytest.raises(SnncError, match="has version"):
        load(folder)
