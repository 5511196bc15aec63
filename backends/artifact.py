"""The artifact: one folder with everything a compiled network needs, checked when loaded.

::

    manifest.json   format, target, neuron contract, options, versions, report, file hashes
    graph.json      the spiking graph          weights.npz   its arrays
    golden.npz      a few inputs, with the outputs and the payloads they must give
    ann.onnx        the cleaned source model (may be left out)
    original.onnx   the model as it was before options changed it (only where they did)

A folder is written beside its final place and renamed, so that a crash leaves the old
artifact or none. Loading trusts nothing: versions, hashes, names and sizes are checked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..ir import Array, Graph, latency
from ..ir.errors import ArtifactError
from ..ir.storage import (
    from_document,
    read_arrays,
    read_json,
    to_document,
    write_arrays,
)
from .base import Result
from .temporary_folder import replace, temporary_folder
from .writing import writing

FORMAT = "snnc-artifact"
VERSION = 1
MANIFEST = "manifest.json"
MAX_TIMESTEPS = 65536
ANN = "ann.onnx"
ORIGINAL = "original.onnx"
REQUIRED = ("graph.json", "weights.npz", "golden.npz")
PARTITIONED = "partitioned"
"""What the manifest gives as its kind where parts of the network run on the host."""
TRAINED = "trained"
"""The code of a network that was trained as a spiking one: nothing was converted."""
MAX_FILE_BYTES = 1 << 34
FILES = (".net", ".nir", ".onnx")
"""How the names of the files end that targets write into an artifact: no names for a folder."""


@dataclass(frozen=True)
class Golden:
    """Inputs and what the network must answer; see ``backends.verify``.

    Attributes:
        inputs: For each input, ``(samples, *shape)``, float32.
        decoded: For each output, ``(samples, timesteps, *shape)``, float32; of a real-valued
            network float64, as long as payloads are kept too.
        spikes: For each population and max pool, ``(samples, timesteps, *shape)``.
    """

    inputs: Mapping[str, Array]
    decoded: Mapping[str, Array]
    spikes: Mapping[str, Array]


def golden_answers(inputs: Mapping[str, Array], result: Result) -> Golden:
    """Return what a run answered to some inputs as what every other must answer."""
    return Golden(inputs, result.unrounded or result.decoded, result.spikes)


@dataclass(frozen=True)
class Artifact:
    """What an artifact folder holds.

    Attributes:
        graph: The spiking graph.
        golden: Inputs with their expected answers.
        target: Name of the target it was compiled for.
        timesteps: T.
        manifest: Everything else the manifest says.
        ann: The cleaned source model as ONNX bytes, or None.
        original: The model of the file as ONNX bytes, where options made the source model another
            one; None where they did not, or nobody kept it.
    """

    graph: Graph
    golden: Golden
    target: str
    timesteps: int
    manifest: Mapping[str, Any] = field(default_factory=dict)
    ann: bytes | None = None
    original: bytes | None = None


def is_artifact(folder: Path) -> bool:
    """Whether a folder looks like an artifact: it has a manifest of this format."""
    try:
        manifest = read_json(folder / MANIFEST)
    except ArtifactError:
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def check_destination(folder: Path) -> None:
    """Raise ``ArtifactError`` where an artifact may not be written."""
    if not is_artifact(folder):
        _expect_new(folder)
    parent = next(parent for parent in folder.absolute().parents if parent.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        what = "is read-only" if parent.is_dir() else "is not a folder"
        raise ArtifactError(
            f"{folder} cannot be written: {parent} {what}", hint="choose another folder with -o"
        )


def _expect_new(folder: Path) -> None:
    """Raise ``ArtifactError`` where there is something, or a file is what the user expects."""
    if folder.exists() or folder.is_symlink():
        raise ArtifactError(
            f"{folder} exists and is not an snnc artifact",
            hint="choose another folder with -o, or remove it yourself",
        )
    if (ending := folder.suffix.lower()) in FILES:
        raise ArtifactError(
            f"{folder} is named like a file, and an artifact is a folder",
            hint=f"give a folder, e.g. {folder.with_suffix('')}; a target that writes {ending} "
            f"files puts network{ending} into it",
        )


def save(artifact: Artifact, folder: Path, extra: Callable[[Path], None]) -> None:
    """Write an artifact; an artifact that is already there is replaced as a whole.

    Args:
        artifact: What to write.
        folder: Where; its parent is created.
        extra: Writes the target's own files into the folder it is given.

    Raises:
        ArtifactError: ``folder`` exists and is no artifact, or cannot be written.
    """

    def write(temporary: Path) -> None:
        _write(artifact, temporary)
        extra(temporary)
        _seal(artifact, temporary)

    write_folder(folder, write)


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let a folder be written beside its place and move it there, as a whole or not at all.

    Raises:
        ArtifactError: ``folder`` exists and is no artifact, or cannot be written.
    """
    check_destination(folder)
    folder = folder.absolute()
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = stack.enter_context(temporary_folder(folder))
            made = temporary / "new"
            made.mkdir(mode=0o755)
        except OSError as error:
            raise ArtifactError(
                f"{folder} cannot be written: {error.strerror}",
                hint="choose another folder with -o",
            ) from error
        with writing(folder):
            write(made)
            replace(made, folder, temporary)


def _write(artifact: Artifact, folder: Path) -> None:
    document, arrays = to_document(artifact.graph)
    (folder / "graph.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    write_arrays(folder / "weights.npz", arrays)
    write_arrays(folder / "golden.npz", _golden_arrays(artifact.golden))
    if artifact.ann is not None:
        (folder / ANN).write_bytes(artifact.ann)
    if artifact.original is not None:
        (folder / ORIGINAL).write_bytes(artifact.original)


def _seal(artifact: Artifact, folder: Path) -> None:
    """Write the manifest, with the hash of every other file."""
    golden = artifact.golden
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "target": artifact.target,
        "timesteps": artifact.timesteps,
        **artifact.manifest,
        # Names of inputs and nodes may hold anything, so entries of golden.npz are numbered.
        "golden": {
            "inputs": list(golden.inputs),
            "decoded": list(golden.decoded),
            "spikes": list(golden.spikes),
        },
    }
    seal_folder(folder, manifest)


def seal_folder(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest, with the hash of every other file."""
    files = {
        path.relative_to(folder).as_posix(): _hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps({**manifest, "files": files}, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def load(folder: Path) -> Artifact:
    """Read an artifact.

    Raises:
        ArtifactError: No artifact, an unknown version, a wrong hash, unsafe content.
    """
    manifest = read_manifest(folder)
    if manifest.get("kind") == PARTITIONED:
        raise ArtifactError(
            f"{folder}: parts of this network run on the host, and this works on a network that "
            "spikes as a whole",
            hint=f"give one of its spiking regions, each of which is an artifact of its own: "
            f"{', '.join(spiking_regions(folder, manifest)) or folder}",
        )
    check_files(folder, manifest["files"], REQUIRED)
    golden = read_arrays(folder / "golden.npz")
    graph = from_document(read_json(folder / "graph.json"), read_arrays(folder / "weights.npz"))
    if latency(graph) > MAX_TIMESTEPS:
        raise ArtifactError(
            f"graph.json waits {latency(graph)} steps", hint="compile the model again"
        )
    try:
        return Artifact(
            graph=graph,
            golden=_golden(manifest["golden"], golden),
            target=str(manifest["target"]),
            timesteps=int(manifest["timesteps"]),
            manifest=manifest,
            ann=(folder / ANN).read_bytes() if ANN in manifest["files"] else None,
            original=(folder / ORIGINAL).read_bytes() if ORIGINAL in manifest["files"] else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{MANIFEST} does not fit golden.npz: {error}", hint="compile the model again"
        ) from error


def is_partitioned(folder: Path) -> bool:
    """Whether a folder is the artifact of a network of which parts run on the host."""
    return is_artifact(folder) and read_json(folder / MANIFEST).get("kind") == PARTITIONED


def spiking_regions(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return the folders of the spiking regions of a partitioned artifact."""
    names = sorted(name for name in manifest["files"] if name.count("/") == 2)
    return [str(folder / name.rsplit("/", 1)[0]) for name in names if name.endswith(f"/{MANIFEST}")]


def is_trained(artifact: Artifact) -> bool:
    """Whether a network was trained as a spiking one, so that there is no ANN it comes from.

    A graph by itself tells most of them; see ``ir.trained``.
    """
    return bool(artifact.manifest.get("options", {}).get("code") == TRAINED)


def require_ann(artifact: Artifact) -> bytes:
    """Return the source model; raise ``ArtifactError`` where the artifact has none."""
    if is_trained(artifact):
        raise ArtifactError(
            "the network was trained as a spiking one: there is no source ANN, which this needs",
            hint="leave out --explain; run, verify, evaluate, estimate, fit and report need none",
        )
    if artifact.ann is None:
        raise ArtifactError(
            "the artifact has no file ann.onnx, which this needs",
            hint="compile the model again without --no-ann",
        )
    return artifact.ann


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a manifest; raise ``ArtifactError`` where it is none of this version."""
    if not is_artifact(folder):
        raise ArtifactError(
            f"{folder} is not an snnc artifact",
            hint="give the folder that `snnc MODEL.onnx -o FOLDER` wrote",
        )
    manifest = read_json(folder / MANIFEST)
    if manifest.get("version") != VERSION:
        raise ArtifactError(
            f"{MANIFEST} has version {manifest.get('version')!r}, this snnc reads {VERSION}",
            hint="compile the model again, or install the snnc that wrote it",
        )
    kinds = {"target": str, "timesteps": int, "golden": dict, "files": dict}
    kinds |= dict.fromkeys(("model", "options", "report"), dict)
    wrong = [key for key, kind in kinds.items() if not isinstance(manifest.get(key), kind)]
    if not wrong and not 1 <= manifest["timesteps"] <= MAX_TIMESTEPS:
        wrong = ["timesteps"]
    if wrong:
        raise ArtifactError(
            f"{MANIFEST} is incomplete or damaged: {', '.join(wrong)}",
            hint="compile the model again",
        )
    return dict(manifest)


def check_files(folder: Path, files: Mapping[str, str], required: Iterable[str]) -> None:
    """Raise ``ArtifactError`` unless all files are there, with their hashes, inside the folder."""
    for name, expected in files.items():
        if not _stays_inside(folder, name):
            raise ArtifactError(
                f"{MANIFEST} names {name!r}, which leaves the folder",
                hint="do not use this artifact: snnc never writes such names",
            )
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{name} is missing", hint="copy the artifact again")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ArtifactError(
                f"{name} is oversized: {path.stat().st_size} bytes", hint="do not use this artifact"
            )
        if _hash(path) != expected:
            raise ArtifactError(
                f"{name} was changed: its hash is not the one in {MANIFEST}",
                hint="copy the artifact again or compile anew",
            )
    for name in required:
        if name not in files:
            raise ArtifactError(f"{MANIFEST} does not list {name}", hint="compile the model again")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _stays_inside(folder: Path, name: str) -> bool:
    parts = PurePosixPath(name).parts
    plain = bool(parts) and not PurePosixPath(name).is_absolute() and ".." not in parts
    return (
        plain
        and not {"\\", "\0"} & set(name)
        and (folder / name).resolve().is_relative_to(folder.resolve())
    )


def _golden_arrays(golden: Golden) -> dict[str, Array]:
    groups = {"input": golden.inputs, "decoded": golden.decoded, "spikes": golden.spikes}
    return {
        f"{group}.{index}": array
        for group, arrays in groups.items()
        for index, array in enumerate(arrays.values())
    }


def _golden(names: Mapping[str, list[str]], arrays: Mapping[str, Array]) -> Golden:
    def group(title: str, key: str) -> dict[str, Array]:
        return {str(name): arrays[f"{title}.{i}"] for i, name in enumerate(names[key])}

    return Golden(group("input", "inputs"), group("decoded", "decoded"), group("spikes", "spikes"))
