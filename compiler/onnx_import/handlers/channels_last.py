"""Operators of QONNX on images whose channels come last: the standard ones between two moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....ir import Array, Node
from ..operation import Operation
from ..values import Activation, Constant, Multiple, RefusalError, Value
from . import join, linear, pooling
from .shape import rearranged

DOMAIN = "qonnx.custom_op.channels_last"

FIRST, LAST = (2, 0, 1), (1, 2, 0)
"""The axes of an image (behind the batch) with the channels first, and with them last again."""


def conv(op: Operation) -> tuple[Node, ...]:
    """Convert ``Conv`` with a weight of out x height x width x in."""
    weight = op.either(1)
    if weight.value.ndim != 4:
        raise RefusalError(f"weight {weight.value.shape} is not that of an image", _HINT)
    inner = _reading(op, [op.activation()], _turned(weight), *op.inputs[2:])
    return _moved_back(op, inner, linear.conv(inner))


def max_pool(op: Operation) -> tuple[Node, ...]:
    """Convert ``MaxPool``."""
    inner = _reading(op, [op.activation()])
    return _moved_back(op, inner, pooling.max_pool(inner))


def concat(op: Operation) -> tuple[Node, ...]:
    """Convert the standard ``Concat``; along the last axis of images it is turned as well."""
    ranks = {1 + len(v.type.shape) for v in op.inputs if isinstance(v, Activation)}
    images = ranks == {4} and op.integer("axis", 1) in (3, -1)
    if not images or any(op.is_constant(index) for index in range(len(op.inputs))):
        return join.concat(op)
    inner = _reading(op, [op.activation(index) for index in range(len(op.inputs))])
    return _moved_back(op, inner, join.joined(inner))


_HINT = "use the two-dimensional form of the layer"


def _reading(op: Operation, images: list[Activation], *parameters: Value) -> Operation:
    """Return a node as it reads images whose channels come first."""
    return op.reading(
        *(op.emit((turned(op.part("first"), image, FIRST),)) for image in images),
        *parameters,
        name=op.part("channels_first"),
    )


def _moved_back(op: Operation, inner: Operation, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    made = op.emit(nodes) if nodes else inner.activation()
    return (turned(op.output, made, LAST),)


def turned(name: str, image: Activation, order: tuple[int, int, int]) -> Node:
    """Return the node that turns the axes of an image."""
    shape = image.type.shape
    if len(shape) != 3:
        raise RefusalError(f"reads batch and {shape}, which is no image", _HINT)
    return rearranged(name, image, shape, order, tuple(shape[axis] for axis in order))


def _turned(weight: Constant) -> Constant:
    def first(x: Array) -> Array:
        return np.moveaxis(x, 3, 1)

    multiple = weight.multiple
    if multiple is not None:
        multiple = Multiple(first(multiple.whole), first(multiple.scale))
    return replace(weight, value=first(weight.value), other=first(weight.other), multiple=multiple)
