"""Converts ``If`` with a known condition: the nodes of the branch that is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onnx import NodeProto

from .values import Constant, RefusalError, Value

if TYPE_CHECKING:
    from .walk import Walk

CONSTANT = "export the model without control flow that depends on its data"
"""The way round where a condition is computed from the input."""


def truth(value: Value) -> bool:
    """Return a condition that is known before the model runs."""
    if not isinstance(value, Constant) or not value.fixed or value.value.size != 1:
        raise RefusalError("depends on data", CONSTANT)
    return bool(value.value.any())


def convert(walk: Walk, node: NodeProto, values: Sequence[Value], opset: int) -> None:
    """Convert an ``If``: walk through the branch that is taken.

    Args:
        walk: The walk through the graph that holds it.
        node: The ``If``.
        values: What its inputs are.
        opset: Version of the standard operators.
    """
    wanted = "then_branch" if truth(values[0]) else "else_branch"
    graphs = [attribute.g for attribute in node.attribute if attribute.name == wanted]
    if len(graphs) != 1 or len(graphs[0].output) != len(node.output):
        raise RefusalError(f"has no {wanted} with its outputs", "export the model again")
    body, inner = walk.enter(graphs[0])
    walk.inside(inner.nodes)
    for name, value in zip(node.output, body.output, strict=True):
        walk.values[name] = walk.value(value.name)
