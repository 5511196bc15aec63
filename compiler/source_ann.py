"""The source model of an artifact: the ANN that its network was converted from.

ONNX Runtime gets what the importer made of it, not the file.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ..backends.artifact import Artifact, require_ann
from ..backends.writing import writing
from ..ir import Graph
from ..ir.storage import MAX_ELEMENTS
from .onnx_import import load


def source_ann(artifact: Artifact) -> Graph:
    """Return the source model of an artifact.

    Raises:
        ArtifactError: The artifact has none.
        ModelError: It cannot be read.
    """
    return _imported(require_ann(artifact))


def original_ann(artifact: Artifact) -> Graph | None:
    """Return the model from before options made the source model another one, where it is kept.

    Raises:
        ModelError: It cannot be read.
    """
    return None if artifact.original is None else _imported(artifact.original)


def _imported(content: bytes) -> Graph:
    """Return a model of an artifact, which may come from anywhere, as any other file is read.

    Its values may be as large as those of the graph beside it: whoever compiled it has allowed
    them, with ``--max-elements`` where they are large.
    """
    with TemporaryDirectory(prefix="snnc-ann-") as folder:
        path = Path(folder) / "ann.onnx"
        with writing(path):
            path.write_bytes(content)
        return load(path, MAX_ELEMENTS).graph
