"""Concatenation of channels or features."""

from __future__ import annotations

from ....ir import Concat, Node
from ..operation import Operation
from ..values import Activation, RefusalError
from .shape import rearranged


def concat(op: Operation) -> tuple[Node, ...]:
    """Convert ``Concat`` along the first axis behind the batch."""
    if any(op.is_constant(index) for index in range(len(op.inputs))):
        raise RefusalError(
            "joins an activation and a constant", "add the constant channels to a layer's bias"
        )
    sources = [op.activation(index) for index in range(len(op.inputs))]
    if not sources:
        raise RefusalError("joins nothing", "export the model again")
    rank = 1 + len(sources[0].type.shape)
    axis = op.integer("axis", 1)
    if axis in (1, 1 - rank):
        return joined(op)
    axis = axis + rank if axis < 0 else axis
    if not 1 < axis < rank or any(1 + len(source.type.shape) != rank for source in sources):
        raise RefusalError(
            f"joins along axis {axis} of {rank}, not within samples",
            "concatenate along axis 1, the channels or features",
        )
    order = (axis - 1, *(other for other in range(rank - 1) if other != axis - 1))
    inner = op.reading(
        *(op.emit((_turned(op.part("first"), source, order),)) for source in sources),
        name=op.part("joined"),
    )
    nodes = joined(inner)
    made = op.emit(nodes) if nodes else inner.activation()
    return (_turned(op.output, made, tuple(order.index(place) for place in range(rank - 1))),)


def _turned(name: str, source: Activation, order: tuple[int, ...]) -> Node:
    shape = source.type.shape
    return rearranged(name, source, shape, order, tuple(shape[place] for place in order))


def joined(op: Operation) -> tuple[Node, ...]:
    """Return the node that joins all inputs along the channels."""
    sources = [op.activation(index) for index in range(len(op.inputs))]
    if len(sources) == 1:
        return ()
    return (Concat(name=op.output, inputs=tuple(source.name for source in sources)),)
