"""Artifacts of each kind, one file of which is damaged; hashes are made right again."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from copy import deepcopy
from pathlib import Path, PurePosixPath
from random import Random
from typing import Any

from snnc import compile

from .models import looping, mixed, unrolled
from .mutations import NUMBERS, damaged_bytes, damaged_structure
from .networks import as_file, networks

MANIFEST = "manifest.json"

VALUES: tuple[Any, ...] = (
    *NUMBERS,
    0.5,
    1e308,
    True,
    None,
    "",
    "IF",
    "\ud800",
    [],
    [[]],
    {},
    [1] * 9,
    {"array": "0"},
)

Files = dict[str, bytes]


class Artifacts:
    """A converted, two cut, a rolled-up and an imported spiking network.

    Args:
        folder: Where they are written, if they are not there yet.
        model: The model that is converted.
    """

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder / "artifact"
        stored = folder / "artifacts"
        if not (stored / "done").exists():
            shutil.rmtree(stored, ignore_errors=True)
            _make(stored, model)
            (stored / "done").touch()
        self.kinds = [_files(path) for path in sorted(stored.iterdir()) if path.is_dir()]

    def damaged(self, random: Random) -> Path:
        """Return the folder of an artifact with one file changed."""
        files = dict(random.choice(self.kinds))
        name = random.choice([*files, *(name for name in files if name.endswith("graph.json"))])
        return self._changed(files, name, random)

    def damaged_host(self, random: Random) -> Path:
        """Return the folder of a cut artifact with the model of a host region changed."""
        files = dict(random.choice([kind for kind in self.kinds if _host_models(kind)]))
        return self._changed(files, random.choice(_host_models(files)), random)

    def _changed(self, files: Files, name: str, random: Random) -> Path:
        if name.endswith(".json") and random.random() < 0.8:
            document = json.loads(files[name])
            for _ in range(random.choice((1, 1, 2, 4))):
                _change(document, random)
            files[name] = json.dumps(document).encode()
        elif name.endswith(".onnx") and random.random() < 0.5:
            files[name] = damaged_structure(files[name], random)
        else:
            files[name] = damaged_bytes(files[name], random)
        _hash_again(files, name)
        shutil.rmtree(self.folder, ignore_errors=True)
        for each, content in files.items():
            (self.folder / each).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / each).write_bytes(content)
        return self.folder


def _make(stored: Path, model: Path) -> None:
    stored.mkdir()
    files = {
        "cut.onnx": mixed(),
        "cut-loop.onnx": looping(),
        "imported.nir": as_file(*networks()[1], "1.0.8", Random(0)),
        "rolled-up.onnx": unrolled(),
    }
    for name, content in files.items():
        (stored / name).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in (model, *(stored / name for name in files)):
            compile(path, timesteps=2, include_ann=path != model).save(stored / path.stem)


def _host_models(files: Files) -> list[str]:
    return [name for name in files if name.endswith("-host/model.onnx")]


def _files(folder: Path) -> Files:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _hash_again(files: Files, changed: str) -> None:
    """Write the hash of a file into the manifests that have it, from the inside out."""
    for parent in PurePosixPath(changed).parents:
        manifest = (parent / MANIFEST).as_posix()
        if manifest == changed or manifest not in files:
            continue
        document = json.loads(files[manifest])
        inside = PurePosixPath(changed).relative_to(parent).as_posix()
        document["files"][inside] = hashlib.sha256(files[changed]).hexdigest()
        files[manifest] = json.dumps(document).encode()
        changed = manifest


def _change(document: Any, random: Random) -> None:
    """Change one value somewhere in a JSON document."""
    while isinstance(document, (dict, list)) and document:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        key = random.choice(keys)
        inner = document[key]
        if not isinstance(inner, (dict, list)) or not inner or random.random() < 0.2:
            if random.random() < 0.2:
                del document[key]
            else:
                document[key] = deepcopy(random.choice(VALUES))  # a later change may go inside
            return
        document = inner
