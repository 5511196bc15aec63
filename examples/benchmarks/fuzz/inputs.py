"""The inputs: each follows from its number, so that whatever is found can be made again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

from snnc import compile, load
from snnc.compiler.onnx_import import examine

from .mutations import NUMBERS, damaged_bytes, damaged_structure

ROOT = Path(__file__).parents[3]
SEEDS = (
    "compiler/demo/lenet5.onnx",
    *(f"examples/models/{name}.onnx" for name in ("lenet5-int8", "lenet5-int2", "qcrnn-smnist")),
)
"""Models that are damaged."""

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


class Inputs:
    """Makes damaged files in a folder and gives them to snnc.

    Args:
        folder: Where files may be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = [(ROOT / name).read_bytes() for name in SEEDS]
        self.artifact = folder / "artifact"
        if not (self.artifact / "manifest.json").exists():
            shutil.rmtree(self.artifact, ignore_errors=True)
            compile(ROOT / SEEDS[0], timesteps=2, include_ann=False).save(self.artifact)
        names = ("graph.json", "weights.npz", "golden.npz", "manifest.json")
        self.files = {name: (self.artifact / name).read_bytes() for name in names}

    def try_one(self, number: int) -> str:
        """Make input ``number`` and read it.

        Returns:
            What a handler said that did not foresee it, in the words of an exception; else "".
        """
        random = Random(number)
        kind = random.choice(("bytes", "structure", "structure", "structure", "artifact"))
        if kind == "artifact":
            self._artifact(random)
            return ""
        damage = damaged_bytes if kind == "bytes" else damaged_structure
        path = self.folder / "model.onnx"
        path.write_bytes(damage(random.choice(self.models), random))
        reasons = [entry.reason for entry in examine(path).unsupported]
        return next((reason for reason in reasons if "cannot be understood" in reason), "")

    def _artifact(self, random: Random) -> None:
        files = dict(self.files)
        name = random.choice(
            ("graph.json", "graph.json", "weights.npz", "golden.npz", "manifest.json")
        )
        if name.endswith(".json") and random.random() < 0.8:
            document = json.loads(files[name])
            for _ in range(random.choice((1, 1, 2, 4))):
                _change(document, random)
            files[name] = json.dumps(document).encode()
        else:
            files[name] = damaged_bytes(files[name], random)
        for each, content in files.items():
            (self.artifact / each).write_bytes(content)
        if name != "manifest.json":
            manifest = json.loads(files["manifest.json"])
            manifest["files"][name] = hashlib.sha256(files[name]).hexdigest()
            (self.artifact / "manifest.json").write_text(json.dumps(manifest))
        load(self.artifact)


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
                document[key] = random.choice(VALUES)
            return
        document = inner
