"""Concatenation of channels or features."""

from __future__ import annotations

from ....ir import Concat, Node
from ..operation import Operation
from ..values import RefusalError


def concat(op: Operation) -> tuple[Node, ...]:
    """Convert ``Concat`` along the first axis behind the batch."""
    if any(op.is_constant(index) for index in range(len(op.inputs))):
        raise RefusalError(
            "joins an activation and a constant", "add the constant channels to a layer's bias"
        )
    sources = [op.activation(index) for index in range(len(op.inputs))]
    rank = 1 + len(sources[0].type.shape)
    axis = op.integer("axis", 1)
    if axis not in (1, 1 - rank):
        raise RefusalError(
            f"joins along axis {axis} of {rank}, not along the channels",
            "concatenate along axis 1, the channels or features",
        )
    return joined(op)


def joined(op: Operation) -> tuple[Node, ...]:
    """Return the node that joins all inputs along the channels."""
    sources = [op.activation(index) for index in range(len(op.inputs))]
    if len(sources) == 1:
        return ()
    return (Concat(name=op.output, inputs=tuple(source.name for source in sources)),)
