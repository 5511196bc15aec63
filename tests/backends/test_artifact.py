"""The artifact folder: nothing half written, nothing foreign replaced, nothing unsafe loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.backends import artifact as module
from snnc.backends.artifact import Artifact, Golden, load, require_ann, save
from snnc.backends.numpy_sim import NumpyBackend
from snnc.ir.errors import ArtifactError
from snnc.ir.printer import to_text
from tests.spiking_graphs import TIMESTEPS, random_graph, random_inputs

REST: dict[str, Any] = {"options": {"a": 1}, "model": {}, "report": {}}


@pytest.fixture
def artifact() -> Artifact:
    graph = random_graph(5)
    inputs = random_inputs(graph, 5)
    result = NumpyBackend().lower(graph, TIMESTEPS).run(inputs, record=True)
    golden = Golden(inputs, result.decoded, result.spikes)
    return Artifact(graph, golden, "numpy", TIMESTEPS, REST, b"onnx")


def write(artifact: Artifact, folder: Path) -> Path:
    save(artifact, folder, lambda path: None)
    return folder


def reseal(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest, and make all hashes right again."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        content = (folder / name).read_bytes()
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_it_comes_back(artifact: Artifact, tmp_path: Path) -> None:
    back = load(write(artifact, tmp_path / "deep" / "out"))
    assert to_text(back.graph) == to_text(artifact.graph)
    assert (back.target, back.timesteps, back.ann) == ("numpy", TIMESTEPS, b"onnx")
    assert back.manifest["options"] == {"a": 1}
    for name, trains in artifact.golden.spikes.items():
        np.testing.assert_array_equal(back.golden.spikes[name], trains)
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["out"]


def test_an_artifact_is_replaced_as_a_whole(artifact: Artifact, tmp_path: Path) -> None:
    folder = write(artifact, tmp_path / "out")
    (folder / "report.html").write_text("old")
    write(artifact, folder)
    assert not (folder / "report.html").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_no_artifact_is_never_replaced(artifact: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match="is not an snnc artifact"):
        write(artifact, folder)
    assert (folder / "thesis.tex").read_text() == "years of work"
    with pytest.raises(ArtifactError, match="is not an snnc artifact"):
        write(artifact, folder / "thesis.tex")


def test_a_crash_leaves_the_old_artifact(artifact: Artifact, tmp_path: Path) -> None:
    folder = write(artifact, tmp_path / "out")
    before = (folder / "manifest.json").read_bytes()

    def crash(path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(artifact, folder, crash)
    assert (folder / "manifest.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    with pytest.raises(KeyboardInterrupt):
        save(artifact, tmp_path / "new", crash)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_files_of_the_target_are_hashed_too(artifact: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    save(artifact, folder, lambda path: _write(path / "net.nir"))
    load(folder)
    (folder / "net.nir").write_bytes(b"2")
    with pytest.raises(ArtifactError, match=r"net\.nir was changed"):
        load(folder)


def _write(path: Path) -> None:
    path.write_bytes(b"1")


@pytest.mark.parametrize("name", ["graph.json", "weights.npz", "golden.npz", "ann.onnx"])
def test_a_changed_or_missing_file_is_refused(
    artifact: Artifact, tmp_path: Path, name: str
) -> None:
    folder = write(artifact, tmp_path / "out")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name} was changed"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        load(folder)


def test_an_unknown_version_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    folder = write(artifact, tmp_path / "out")
    reseal(folder, lambda manifest: manifest.update(version=999))
    with pytest.raises(ArtifactError, match="has version 999, this snnc reads 1"):
        load(folder)


@pytest.mark.parametrize("name", ["../out2/x", "/etc/hostname", "a/../../x", "..\\x"])
def test_a_name_that_leaves_the_folder_is_refused(
    artifact: Artifact, tmp_path: Path, name: str
) -> None:
    folder = write(artifact, tmp_path / "out")
    reseal(folder, lambda manifest: manifest["files"].update({name: "0"}))
    with pytest.raises(ArtifactError, match="leaves the folder"):
        load(folder)


def test_a_link_out_of_the_folder_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    folder = write(artifact, tmp_path / "out")
    secret = tmp_path / "secret"
    (folder / "ann.onnx").rename(secret)
    (folder / "ann.onnx").symlink_to(secret)
    with pytest.raises(ArtifactError, match="leaves the folder"):
        load(folder)


def test_object_arrays_are_refused(artifact: Artifact, tmp_path: Path) -> None:
    folder = write(artifact, tmp_path / "out")
    np.savez(folder / "weights.npz", a=np.array([{}], dtype=object))
    reseal(folder, lambda manifest: None)
    with pytest.raises(ArtifactError, match="holds objects"):
        load(folder)


def test_what_is_no_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is not an snnc artifact"):
        load(tmp_path)
    with pytest.raises(ArtifactError, match="is not an snnc artifact"):
        load(tmp_path / "missing")
    (tmp_path / "manifest.json").write_text('{"format": "snnc-artifact", "version": 1}')
    with pytest.raises(ArtifactError, match="is incomplete"):
        load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"timesteps": 0},
        {"timesteps": -1},
        {"timesteps": 10**12},
        {"timesteps": "8"},
        {"report": None},
        {"options": []},
        {"files": {"a\0b": "0"}},
        {"golden": 3},
    ],
)
def test_a_damaged_manifest_is_refused(
    artifact: Artifact, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = write(artifact, tmp_path / "out")
    reseal(folder, lambda manifest: manifest.update(change))
    with pytest.raises(ArtifactError):
        load(folder)


def test_a_manifest_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[" * 100000)
    with pytest.raises(ArtifactError, match="is not an snnc artifact"):
        load(tmp_path)


def test_a_manifest_that_does_not_fit_its_files_is_refused(
    artifact: Artifact, tmp_path: Path
) -> None:
    folder = write(artifact, tmp_path / "out")
    reseal(folder, lambda manifest: manifest["golden"].update(inputs=["x", "more", "than", "is"]))
    with pytest.raises(ArtifactError, match=r"does not fit golden\.npz"):
        load(folder)


def test_a_missing_source_model_is_named(artifact: Artifact) -> None:
    assert require_ann(artifact) == b"onnx"
    bare = Artifact(artifact.graph, artifact.golden, "numpy", TIMESTEPS, REST)
    with pytest.raises(ArtifactError, match=r"no file ann\.onnx"):
        require_ann(bare)


def test_a_place_that_cannot_be_written_is_an_error(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        write(artifact, tmp_path / "file" / "out")
    assert module.is_artifact(tmp_path) is False
