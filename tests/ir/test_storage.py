"""Graphs survive storage; files that snnc did not write are refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.ir import Staircase, storage
from snnc.ir.errors import ArtifactError
from snnc.ir.printer import to_text
from snnc.ir.reference import run
from snnc.ir.storage import from_document, read_arrays, to_document, write_arrays
from tests.ann_graphs import AnnBuilder, random_ann
from tests.spiking_graphs import (
    SCHEDULES,
    TIMESTEPS,
    hard_reset_graph,
    random_graph,
    random_inputs,
    scheduled_graph,
)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_spiking_graph_comes_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, integer: bool
) -> None:
    graph = random_graph(seed, integer=integer)
    path = tmp_path_factory.mktemp("storage") / "weights.npz"
    document, arrays = to_document(graph)
    write_arrays(path, arrays)
    back = from_document(json.loads(json.dumps(document)), read_arrays(path))
    assert to_text(back) == to_text(graph)
    inputs = random_inputs(graph, seed, samples=1)
    before, after = run(graph, inputs, TIMESTEPS), run(back, inputs, TIMESTEPS)
    np.testing.assert_array_equal(before.outputs["y"], after.outputs["y"])


@pytest.mark.parametrize("kind", SCHEDULES)
def test_neurons_with_a_schedule_come_back(tmp_path: Path, kind: str) -> None:
    graph = scheduled_graph(3, kind, integer=kind != "differential")
    document, arrays = to_document(graph)
    write_arrays(tmp_path / "weights.npz", arrays)
    back = from_document(json.loads(json.dumps(document)), read_arrays(tmp_path / "weights.npz"))
    assert to_text(back) == to_text(graph)
    inputs = random_inputs(graph, 3, samples=1)
    before, after = run(graph, inputs, TIMESTEPS), run(back, inputs, TIMESTEPS)
    np.testing.assert_array_equal(before.outputs["y"], after.outputs["y"])


def test_a_graph_stored_before_neurons_had_a_reset_resets_by_subtraction() -> None:
    graph = random_graph(3)
    document, arrays = to_document(graph)
    for entry in document["nodes"]:
        entry.pop("reset", None)
    assert to_text(from_document(document, arrays)) == to_text(graph)
    hard = to_document(hard_reset_graph(3))
    assert "reset='zero'" in to_text(from_document(*hard))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_an_ann_comes_back(seed: int) -> None:
    graph = random_ann(seed)
    document, arrays = to_document(graph)
    assert to_text(from_document(json.loads(json.dumps(document)), arrays)) == to_text(graph)


def test_a_staircase_comes_back() -> None:
    net = AnnBuilder(np.random.default_rng(0))
    bounded = net.add(Staircase, net.input(4), step=np.full(4, 0.25), low=-8, high=7, offset=0.5)
    graph = net.graph(net.add(Staircase, bounded, rounding="half_even"))
    document, arrays = to_document(graph)
    back = from_document(json.loads(json.dumps(document)), arrays)
    assert to_text(back) == to_text(graph)
    assert "low=-8, high=7, offset=0.5" in to_text(back)
    assert to_text(back).endswith("rounding='half_even')\nreturn y=%staircase2")


def test_equal_arrays_give_equal_files(tmp_path: Path) -> None:
    arrays = {"a": np.arange(5), "b": np.ones((2, 3), np.int8)}
    for name in ("1.npz", "2.npz"):
        write_arrays(tmp_path / name, arrays)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    with np.load(tmp_path / "1.npz") as file:
        assert file["a"].tolist() == [0, 1, 2, 3, 4]


def test_object_arrays_are_refused_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ArtifactError, match="object"):
        write_arrays(path, {"a": objects})
    np.savez(path, a=objects)
    with pytest.raises(ArtifactError, match="holds objects"):
        read_arrays(path)


@pytest.mark.parametrize("name", ["../a.npy", "/a.npy", "b/a.npy", "..\\a.npy", "a.txt", "c:a.npy"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "evil.npz"
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(1))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, buffer.getvalue())
    with pytest.raises(ArtifactError, match="not a plain array name"):
        read_arrays(path)


def test_oversized_arrays_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }"
    header = header.ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", content)
    with pytest.raises(ArtifactError, match="oversized"):
        read_arrays(path)
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, a=np.zeros(4096))
    monkeypatch.setattr(storage, "MAX_ARRAY_BYTES", 4096)
    with pytest.raises(ArtifactError, match="oversized"):
        read_arrays(bomb)


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 broken"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"weights\.npz cannot be read"):
        read_arrays(path)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"nodes": 3, "outputs": {}},
        {"nodes": [{"kind": "Unknown"}], "outputs": {"y": "x"}},
        {"nodes": [{"kind": "Input", "name": "x", "evil": 1}], "outputs": {"y": "x"}},
        {"nodes": [{"kind": "Clip", "name": "x", "inputs": [], "low": {"array": "a"}}]},
    ],
)
def test_documents_of_another_form_are_refused(document: object) -> None:
    with pytest.raises(ArtifactError, match=r"graph\.json is not a graph"):
        from_document(document, {})
