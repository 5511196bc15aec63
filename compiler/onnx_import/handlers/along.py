"""Linear maps along one axis, the same for every place along the others."""

from __future__ import annotations

from math import prod

import numpy as np

from ....ir import Array, Conv, Linear, Node
from ..operation import Operation
from ..values import Activation, RefusalError
from .shape import rearranged

LARGEST = 2**26
"""Weights that a map may have that stands for an operator without weights."""


def along(
    op: Operation,
    source: Activation,
    axis: int,
    weight: Array,
    *,
    name: str | None = None,
    weight_scale: Array | None = None,
) -> tuple[Node, ...]:
    """Return the nodes of ``y[..., i, ...] = sum_j weight[i, j] x[..., j, ...]``.

    A vector is multiplied by the matrix; of all else the axis becomes the channels of an image
    that a 1x1 convolution reads.

    Args:
        op: The node.
        source: What it reads.
        axis: The axis behind the batch.
        weight: ``(places after, places before)``.
        name: Name of the last node, or None for the operator's output.
        weight_scale: See ``Conv``.
    """
    shape = source.type.shape
    if weight.size > LARGEST:
        raise RefusalError(f"is a map of {weight.size} weights", "use smaller images")
    name = name or op.output
    if len(shape) == 1:
        return (Linear(name=name, inputs=(source.name,), weight=weight, weight_scale=weight_scale),)
    others = tuple(index for index in range(len(shape)) if index != axis)
    rest = tuple(shape[index] for index in others)
    plane = (rest[0], prod(rest[1:])) if len(rest) > 1 else (1, rest[0])
    to_front = rearranged(op.part("columns"), source, shape, (axis, *others), (shape[axis], *plane))
    image = source if axis == 0 and len(shape) == 3 else op.emit((to_front,))
    places = (axis, *others)  # of each axis in front, where it belongs
    inner = Conv(
        name=name if image is source else op.part("map"),
        inputs=(image.name,),
        weight=weight[:, :, None, None],
        weight_scale=weight_scale,
    )
    if image is source:
        return (inner,)
    made = op.emit((inner,))
    target = tuple(len(weight) if index == axis else shape[index] for index in range(len(shape)))
    split = (len(weight), *rest)
    back = tuple(int(i) for i in np.argsort(places))
    return (rearranged(name, made, split, back, target),)
