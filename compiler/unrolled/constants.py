"""Constants and shapes of a model, found without running it: a file may ask for any amount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, numpy_helper

from ...ir import Array
from ..onnx_import.constants import FOLDABLE, Folder
from ..onnx_import.file import ModelFile
from ..onnx_import.light import without_weights
from ..onnx_import.liveness import standard
from ..onnx_import.shapes import infer_shapes
from ..onnx_import.values import Constant, RefusalError
from .refusal import NotRecognisedError

Shape = tuple[int, ...]

MOST_NUMBERS = 1 << 28
"""Numbers that all tensors of a model may have for one sample."""


def tensor_shapes(proto: ModelProto) -> dict[str, Shape]:
    """Return the shapes of tensors as far as onnx can say them; 0 for a symbolic size."""
    try:
        graph = infer_shapes(without_weights(proto)).graph
    except Exception as error:  # of any class, as damaged files have it
        raise NotRecognisedError("its shapes cannot be inferred") from error
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            found[value.name] = tuple(max(int(dim.dim_value), 0) for dim in tensor.shape.dim)
    return found


def expect_bounded(nodes: Sequence[NodeProto], shapes: Mapping[str, Shape]) -> None:
    """Refuse a model that would take too much memory to run.

    Raises:
        NotRecognisedError: It is too large, or how large it is cannot be said.
    """
    total = 0
    for node in nodes:
        if any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in node.attribute):
            raise NotRecognisedError(f"{node.op_type} {node.output[0]} has a graph inside")
        for name in node.output:
            if name and name not in shapes:
                raise NotRecognisedError(f"{name}: its shape is not known before it is run")
            total += prod(max(1, size) for size in shapes.get(name, ()))
    if total > MOST_NUMBERS:
        raise NotRecognisedError(f"takes {total} numbers for one sample, more than {MOST_NUMBERS}")


def constants(
    file: ModelFile, nodes: Sequence[NodeProto], shapes: Mapping[str, Shape]
) -> dict[str, Array]:
    """Return the tensors that do not depend on values of inputs; a free batch size counts as 1."""
    folder = Folder(file.opset, 1, file.proto.ByteSize())
    found = {t.name: numpy_helper.to_array(t) for t in file.proto.graph.initializer}
    for node in nodes:
        if standard(node) and node.op_type in ("Conv", "Gemm") and _of_zeros(node, found):
            found[node.output[0]] = np.zeros(())
        if not standard(node) or node.op_type not in FOLDABLE:
            continue
        if node.op_type in ("Shape", "Size"):
            shape = shapes.get(node.input[0])
            if shape is not None:
                found[node.output[0]] = _shape(node, shape)
            continue
        reads = {name: found.get(name) for name in node.input if name}
        known = {name: Constant(x, x) for name, x in reads.items() if x is not None}
        if len(known) < len(reads):
            continue
        try:
            folded = folder.fold(node, known)
        except RefusalError as error:
            raise NotRecognisedError(f"{node.output[0]}: {error.reason}") from error
        found.update({name: constant.value for name, constant in folded.items()})
    return found


def _of_zeros(node: NodeProto, known: Mapping[str, Array]) -> bool:
    """Whether weights without bias meet zeros: spikes before the first step."""
    biased = len(node.input) > 2 and bool(node.input[2])
    source = known.get(node.input[0])
    return not biased and source is not None and not np.any(source)


def _shape(node: NodeProto, shape: Shape) -> Array:
    sizes = [max(1, size) for size in shape]
    if node.op_type == "Size":
        return np.array(prod(sizes), np.int64)
    bounds = {a.name: a.i for a in node.attribute}
    return np.array(sizes[bounds.get("start", 0) : bounds.get("end")], np.int64)
