"""The source model of an artifact: the ANN that its network was converted from."""

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

    Its values may be as large as those of the graph beside it: whoever compiled it has allowed
    them, with ``--max-elements`` where they are large.

    Raises:
        ArtifactError: The artifact has none.
        ModelError: It cannot be read.
    """
    content = require_ann(artifact)
    with TemporaryDirectory(prefix="snnc-ann-") as folder:
        path = Path(folder) / "ann.onnx"
        with writing(path):
            path.write_bytes(content)
        return load(path, MAX_ELEMENTS).graph
