"""Shape inference of ``onnx`` that damaged models neither slow down nor crash.

Inference computes ``Range``, ``Expand`` and chains of ``Concat`` without a look at how much comes
out, and its library aborts (a check of ``std::clamp`` in onnx 1.22) where a ``Slice`` meets a size
that became negative on the way, as behind a ``Pad`` that takes away more than there is.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from math import prod
from typing import IO

from onnx import GraphProto, ModelProto, NodeProto, shape_inference

AXES = 64
"""Axes that a tensor may have in NumPy 2."""

GENERATORS = ("ConstantOfShape", "Expand", "Pad", "Range", "Resize", "Tile", "Upsample")
"""Operators that make many numbers of few."""

MOST_PROPAGATED = 1 << 20
"""Numbers of a constant that onnx may compute while it infers shapes."""

SECONDS, SECONDS_OF_WORK = 60.0, 8
"""Longest that inference may take in a child process, and that a processor may work at it."""

MEMORY = 1 << 30
"""Bytes that it may take there."""


def infer_shapes(light: ModelProto) -> ModelProto:
    """Return a model with the types and shapes that onnx can say.

    Args:
        light: The model without its weights.

    Raises:
        Exception: Of any class: damaged models end in many.
    """
    return _isolated(light) if hasattr(os, "fork") and _may_abort(light) else _inferred(light)


def _inferred(light: ModelProto) -> ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return shape_inference.infer_shapes(light, data_prop=_is_small(light.graph))


def _isolated(light: ModelProto) -> ModelProto:
    """Infer shapes in a child process."""
    from ..child import child

    def answer(pipe: IO[bytes]) -> None:
        content = _inferred(light).SerializeToString()
        pipe.write(len(content).to_bytes(8, "big"))
        pipe.write(content)

    with child(answer, SECONDS, work=SECONDS_OF_WORK, memory=MEMORY) as pipe:
        size = int.from_bytes(pipe.read(8), "big")
        content = pipe.read(size)
    if not content or len(content) < size:
        raise ValueError("shape inference crashed, or took too long")
    found = ModelProto()
    found.ParseFromString(content)
    return found


def _may_abort(light: ModelProto) -> bool:
    graphs = (light.graph.node, *(function.node for function in light.functions))
    return any(node.op_type == "Slice" for nodes in graphs for node in _all_nodes(nodes))


def _all_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield nodes, and those of the graphs inside them."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            waiting.extend(attribute.g.node)
            for graph in attribute.graphs:
                waiting.extend(graph.node)


def _is_small(graph: GraphProto) -> bool:
    """Whether all that onnx computes on the way, shapes for the most part, is small.

    Without that it computes shapes of types only, and says less.
    """
    numbers = {tensor.name: prod(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        found = [numbers.get(name, 0) for name in node.input]
        size = sum(found) if node.op_type == "Concat" else max(found, default=0)
        if node.op_type == "Shape":
            size = AXES
        elif node.op_type == "Constant":
            size = max((prod(attribute.t.dims) for attribute in node.attribute), default=0)
        elif size > MOST_PROPAGATED or (node.op_type in GENERATORS and all(found)):
            return False
        numbers.update(dict.fromkeys(node.output, size))
    return True
