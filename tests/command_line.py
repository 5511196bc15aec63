"""The command line run inside the test process, small ONNX files, tampered artifacts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

from snnc.ir import Array
from snnc.ir.storage import read_arrays, write_arrays


@dataclass(frozen=True)
class Outcome:
    """What one call of ``snnc`` did.

    Attributes:
        status: Exit status.
        out: Standard output.
        err: Standard error.
    """

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)


Command = Callable[..., Outcome]


def write_model(
    path: Path,
    nodes: str,
    io: str,
    weights: Mapping[str, Array],
    integers: Mapping[str, Array] | None = None,
) -> Path:
    """Write an ONNX file given its nodes, inputs and outputs in ONNX's text form."""
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g {io} {{ {nodes} }}'
    )
    for name, value in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    for name, value in (integers or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.int64), name))
    onnx.save(model, path)
    return path


def change_weight(folder: Path, array: str, change: Callable[[Array], None]) -> None:
    """Change an array of an artifact and make the manifest's hash fit again."""
    weights = read_arrays(folder / "weights.npz")
    changed = weights[array].copy()
    change(changed)
    write_arrays(folder / "weights.npz", {**weights, array: changed})
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["weights.npz"] = sha256((folder / "weights.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
