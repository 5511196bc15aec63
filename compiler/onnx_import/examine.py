"""Import of an ONNX file: what converts, what does not, and the graph."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from os import PathLike
from pathlib import Path

from onnx import GraphProto

from ...ir import Clip, Graph
from ...ir.errors import ModelError, UnsupportedOperatorError
from .file import read
from .liveness import live_part
from .result import Cut, Examination, ImportedModel
from .scan import scanned_tensors
from .signature import read_signature
from .values import Activation, Elements
from .walk import Walk, operator


def load(path: str | PathLike[str]) -> ImportedModel:
    """Import an ONNX file.

    Args:
        path: The file; external data are read from its folder only.

    Raises:
        ModelError: The file cannot be read, or its inputs or outputs cannot be used.
        UnsupportedOperatorError: Some nodes cannot be converted; all are listed.
    """
    examination = examine(path)
    if examination.model is not None:
        return examination.model
    problems = [entry.problem for entry in examination.unsupported]
    lines = "\n".join(f"  - {problem.message}" for problem in problems)
    raise UnsupportedOperatorError(
        f"{path}: {len(problems)} of the model's nodes cannot be converted:\n{lines}",
        problems=problems,
    )


def examine(path: str | PathLike[str]) -> Examination:
    """Say which nodes of an ONNX file can be converted.

    Args:
        path: The file; external data are read from its folder only.

    Raises:
        ModelError: The file cannot be read, or its inputs or outputs cannot be used.
    """
    path = Path(path)
    file = read(path)
    live = live_part(file.proto.graph)
    scanned = scanned_tensors(live.nodes)
    walk = Walk(file, live, read_signature(path, file.proto.graph, live.tensors, scanned))
    walk.run()
    outputs = [value.name for value in file.proto.graph.output]
    cut = tuple(Cut(name, *label) for name in outputs for label in walk.labels.get(name, ()))
    operators = Counter(operator(node) for node in live.nodes)
    model = None
    if not walk.unsupported:
        graph = _graph(path, file.proto.graph, walk)
        model = ImportedModel(graph, cut, operators, file.opset, input_ranges(graph), file.sha256)
    return Examination(tuple(walk.supported), tuple(walk.unsupported), cut, operators, model)


def _graph(path: Path, proto: GraphProto, walk: Walk) -> Graph:
    outputs = {value.name: walk.value(value.name) for value in proto.output}
    nodes = {name: v.name for name, v in outputs.items() if isinstance(v, Activation)}
    constant = [name for name in outputs if name not in nodes]
    if whole := [name for name, value in outputs.items() if isinstance(value, Elements)]:
        raise ModelError(
            f"{path}: output {whole[0]!r} is a whole sequence",
            hint="end the model with what follows from the last element",
        )
    if constant:
        raise ModelError(
            f"{path}: output {constant[0]!r} does not depend on an input",
            hint="remove that output from the model",
        )
    return Graph(walk.nodes.values(), nodes).without_dead_nodes()


def input_ranges(graph: Graph) -> dict[str, tuple[float, float]]:
    """Return the range of each input that nothing reads but bounded Clips."""
    ranges = {}
    for name in (node.name for node in graph if not node.inputs):
        clips = [node for node in graph.users[name] if isinstance(node, Clip)]
        low = min((clip.low for clip in clips), default=float("-inf"))
        high = max((clip.high for clip in clips), default=float("inf"))
        if len(clips) == len(graph.users[name]) and isfinite(low) and isfinite(high):
            ranges[name] = (low, high)
    return ranges
