"""Concatenation of channels or features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....ir import Affine, Array, Concat, Gather, Node
from ..operation import Operation
from ..values import Activation, RefusalError
from .gathering import expect_room, normal
from .shape import rearranged


def concat(op: Operation) -> tuple[Node, ...]:
    """Convert ``Concat`` along an axis behind the batch."""
    if any(op.is_constant(index) for index in range(len(op.inputs))):
        return _with_constants(op)
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


def _with_constants(op: Operation) -> tuple[Node, ...]:
    """Join what depends on the input, make room for the constants in it, and add them there."""
    own = [i for i in range(len(op.inputs)) if not op.is_constant(i)]
    inner = op.reading(*(op.inputs[i] for i in own), name=op.part("joined"))
    nodes = concat(inner)
    joined = op.emit(nodes) if nodes else inner.activation()
    shape = joined.type.shape
    axis = normal(op, op.integer("axis", 1), 1 + len(shape)) - 1
    parts: list[Array] = []
    places: list[Array] = []
    taken = 0
    for index in range(len(op.inputs)):
        if index in own:
            size = op.activation(index).type.shape[axis]
            parts.append(np.zeros((*shape[:axis], size, *shape[axis + 1 :])))
            places.append(np.arange(taken, taken + size))
            taken += size
        else:
            parts.append(op.shared(index, 1 + len(shape)))
            size = parts[-1].shape[axis] if parts[-1].ndim == len(shape) else 0
            expect_room(op, 1, *parts[-1].shape)
            places.append(np.full(size, -1))
    try:
        shift = np.concatenate(parts, axis)
    except ValueError:
        sizes = [part.shape for part in parts]
        raise RefusalError(f"joins tensors of shapes {sizes}", "mend the shapes") from None
    spread = Gather(
        name=op.part("spread"), inputs=(joined.name,), axis=axis, places=np.concatenate(places)
    )
    if not shift.any():
        return (replace(spread, name=op.output),)
    return spread, Affine(name=op.output, inputs=(spread.name,), scale=np.ones(()), shift=shift)


def _turned(name: str, source: Activation, order: tuple[int, ...]) -> Node:
    shape = source.type.shape
    return rearranged(name, source, shape, order, tuple(shape[place] for place in order))


def joined(op: Operation) -> tuple[Node, ...]:
    """Return the node that joins all inputs along the channels."""
    sources = [op.activation(index) for index in range(len(op.inputs))]
    if len(sources) == 1:
        return ()
    return (Concat(name=op.output, inputs=tuple(source.name for source in sources)),)
