"""Import of an ONNX file: what converts, what does not, and the graph."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf, isfinite
from os import PathLike
from pathlib import Path

import numpy as np
from onnx import GraphProto

from ...ir import Clip, Graph, Input, Node, Staircase
from ...ir.errors import ModelError, UnsupportedOperatorError
from ...ir.extent import MOST_ELEMENTS
from .file import ModelFile, read
from .fixed_inputs import FixedInputs
from .handlers.quantized import as_integers
from .input_shapes import Shapes
from .liveness import live_part
from .naming import operator, title
from .result import Cut, Examination, ImportedModel
from .scan import scanned_tensors
from .signature import Signature, read_signature
from .spiking_neurons import explained, spiking_neurons
from .values import Activation, Directed, Elements, Grid, Listed
from .walk import Walk


def load(
    path: str | PathLike[str],
    max_elements: int = MOST_ELEMENTS,
    input_shapes: Shapes | None = None,
    fixed_inputs: FixedInputs | None = None,
) -> ImportedModel:
    """Import an ONNX file.

    Args:
        path: The file; external data are read from its folder only.
        max_elements: Numbers that one value of one sample may have.
        input_shapes: Shapes of inputs whose sizes the file leaves open, batch axis first.
        fixed_inputs: Numbers of inputs that are always the same.

    Raises:
        ModelError: The file cannot be read, or its inputs or outputs cannot be used.
        OptionError: ``input_shapes`` or ``fixed_inputs`` do not fit the file.
        UnsupportedOperatorError: Some nodes cannot be converted; all are listed.
    """
    return required_model(path, examine(path, max_elements, input_shapes, fixed_inputs))


def required_model(path: str | PathLike[str], examination: Examination) -> ImportedModel:
    """Return the imported model; raise ``UnsupportedOperatorError`` where there is none."""
    if examination.model is not None:
        return examination.model
    problems = [entry.problem for entry in examination.unsupported]
    lines = "\n".join(f"  - {problem.message}" for problem in problems)
    raise UnsupportedOperatorError(
        f"{path}: {len(problems)} of the model's nodes cannot be converted:\n{lines}",
        problems=problems,
    )


def examine(
    path: str | PathLike[str],
    max_elements: int = MOST_ELEMENTS,
    input_shapes: Shapes | None = None,
    fixed_inputs: FixedInputs | None = None,
) -> Examination:
    """Say which nodes of an ONNX file can be converted.

    Args:
        path: The file; external data are read from its folder only.
        max_elements: As for ``load``.
        input_shapes: As for ``load``.
        fixed_inputs: As for ``load``.

    Raises:
        ModelError: The file cannot be read, or its inputs or outputs cannot be used.
    """
    path = Path(path)
    return examine_file(path, read(path, max_elements, input_shapes, fixed_inputs))


def examine_file(
    path: Path, file: ModelFile, not_rolled_up: str = "", *, unbatched: bool = True
) -> Examination:
    """Say which nodes of a model that was read can be converted.

    Args:
        path: The file, for messages.
        file: The model.
        not_rolled_up: Why it is no spiking network whose steps can be rolled up, where that was
            tried.
        unbatched: Whether a model that cannot be imported with the first axis as the batch may be
            imported without a batch axis, where its sizes are fixed.

    Raises:
        ModelError: The inputs or outputs cannot be used.
    """
    try:
        found = _examined(path, file, not_rolled_up, unbatched=False)
    except ModelError:
        alone = _unbatched(path, file) if unbatched else None
        if alone is None:
            raise
        return alone
    alone = _unbatched(path, file) if unbatched and found.model is None else None
    return alone or found


def _unbatched(path: Path, file: ModelFile) -> Examination | None:
    """Return the examination of a model that converts without a batch axis, or None."""
    try:
        found = _examined(path, file, unbatched=True)
    except ModelError:
        return None
    if found.model is None or not all(n.type.shape for n in found.model.graph.of_type(Input)):
        return None  # a single number is no sample
    return found


def _examined(
    path: Path, file: ModelFile, not_rolled_up: str = "", *, unbatched: bool
) -> Examination:
    live = live_part(file.proto.graph)
    scanned = scanned_tensors(live.nodes)
    signature = read_signature(
        *(path, file.proto.graph, live.tensors, scanned, file.max_elements), unbatched=unbatched
    )
    walk = Walk(file, live, signature)
    walk.run()
    neurons = spiking_neurons(file.proto.graph, live.nodes)
    titles = {id(node): (operator(node), title(node)) for node in live.nodes}
    unsupported = explained(walk.unsupported, neurons, titles, not_rolled_up)
    outputs = [value.name for value in file.proto.graph.output]
    cut = tuple(Cut(name, *label) for name in outputs for label in walk.labels.get(name, ()))
    operators = Counter(operator(node) for node in live.nodes)
    model = None
    if not unsupported:
        graph = _graph(path, file.proto.graph, walk)
        ranges = _ranges(graph, signature)
        model = ImportedModel(
            *(graph, cut, operators, file.opset, ranges, file.sha256), unbatched=unbatched
        )
    return Examination(
        *(tuple(walk.supported), tuple(unsupported), cut, operators, model), unbatched=unbatched
    )


def _graph(path: Path, proto: GraphProto, walk: Walk) -> Graph:
    outputs = {value.name: walk.left(value.name) for value in proto.output}
    nodes = {name: v.name for name, v in outputs.items() if isinstance(v, Activation)}
    constant = [name for name in outputs if name not in nodes]
    if whole := [
        name for name, value in outputs.items() if isinstance(value, (Elements, Directed, Listed))
    ]:
        raise ModelError(
            f"{path}: output {whole[0]!r} is a whole sequence",
            hint="end the model with what follows from the last element",
        )
    if constant:
        raise ModelError(
            f"{path}: output {constant[0]!r} does not depend on an input",
            hint="remove that output from the model",
        )
    graph = Graph(walk.nodes.values(), nodes).without_dead_nodes()
    for name, value in outputs.items():
        if isinstance(value, Activation) and value.grid is not None:
            graph = _integer_output(graph, name, value.grid)
    return graph


def _integer_output(graph: Graph, output: str, grid: Grid) -> Graph:
    """Let an output give integers, as in the file, where its node computes what they stand for."""
    name = graph.outputs[output]
    if name == output:
        name = f"{output}.real"
        while name in graph.nodes:
            name += "'"
        graph = graph.replace(output, replace(graph[output], name=name))
    return Graph([*graph, as_integers(output, name, grid)], {**graph.outputs, output: output})


def _ranges(graph: Graph, signature: Signature) -> dict[str, tuple[float, float]]:
    given = {name: grid.bounds for name, grid in signature.grids.items() if grid.bounds}
    return input_ranges(graph) | {n: (float(low), float(high)) for n, (low, high) in given.items()}


def input_ranges(graph: Graph) -> dict[str, tuple[float, float]]:
    """Return the range of each input that nothing reads but bounded Clips and quantisers."""
    ranges = {}
    for name in (node.name for node in graph if not node.inputs):
        bounds = [_bounds(node) for node in graph.users[name]]
        low = min((low for low, _ in bounds), default=float("-inf"))
        high = max((high for _, high in bounds), default=float("inf"))
        if isfinite(low) and isfinite(high):
            ranges[name] = (low, high)
    return ranges


def _bounds(node: Node) -> tuple[float, float]:
    """Return between which values a node keeps the one it reads."""
    if isinstance(node, Clip):
        return node.low, node.high
    if isinstance(node, Staircase) and node.function == "identity":
        top = 1.0 if node.rounding == "floor" else 0.0  # a level begins there, and is as wide
        low = -inf if node.low is None else node.low - node.offset
        high = inf if node.high is None else node.high + top - node.offset
        return float(np.min(node.step * low)), float(np.max(node.step * high))
    return -inf, inf
