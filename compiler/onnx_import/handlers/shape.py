"""Operators that only move values or view them otherwise, and those that do nothing."""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import TensorProto

from ....ir import Node, Rearrange, Reshape
from ..operation import Operation
from ..values import Activation, RefusalError
from .quantized import as_integers

_HINT = "keep the batch as the first axis and reshape the others only"


def identity(op: Operation) -> tuple[Node, ...]:
    """Convert ``Identity``."""
    op.activation()
    return ()


def dropout(op: Operation) -> tuple[Node, ...]:
    """Convert ``Dropout``, which does nothing when a model is used."""
    op.ignore("ratio", "seed")
    if op.given(2) and op.constant(2).any():
        raise RefusalError("is in training mode", "export the model in evaluation mode")
    return identity(op)


def cast(op: Operation) -> tuple[Node, ...]:
    """Convert ``Cast`` between real numbers that loses nothing worth counting."""
    op.ignore("saturate", "round_mode")  # matter for smaller types only
    if op.integer("to", 0) not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise RefusalError("casts to numbers other than float32", "export the model in float32")
    source = op.tensor()
    if source.grid is None:
        return identity(op)
    return (as_integers(op.output, source.name, source.grid),)


def cast_like(op: Operation) -> tuple[Node, ...]:
    """Convert ``CastLike`` of an activation: to real numbers, whatever the model has of them."""
    op.ignore("saturate", "round_mode")
    if op.is_constant(1) and op.constant(1).dtype not in (np.float32, np.float64):
        raise RefusalError("casts to numbers other than float32", "export the model in float32")
    if not op.is_constant(1):
        op.activation(1)
    return identity(op)


def flatten(op: Operation) -> tuple[Node, ...]:
    """Convert ``Flatten`` that leaves the batch axis alone."""
    shape = op.activation().type.shape
    axis = op.integer("axis", 1)
    one = op.single and axis in (0, -1 - len(shape))  # one sample has nothing to be mixed with
    if axis not in (1, -len(shape)) and not one:
        raise RefusalError(f"axis={axis} mixes batch and features", "flatten from axis 1 on")
    return reshaped(op, (prod(shape),))


def reshape(op: Operation) -> tuple[Node, ...]:
    """Convert ``Reshape`` whose first axis stays the batch."""
    source = op.activation().type.shape
    sizes = [list(listed) for listed in op.sizes(1)]
    zero_is_zero = bool(op.integer("allowzero", 0))
    if len(sizes[0]) < 2 or sizes[0][1:] != sizes[1][1:]:
        raise RefusalError(f"its target shape is {sizes[0]}", _HINT)
    first, other = sizes[0][0], sizes[1][0]
    if (first, other) != (1, 2) and (first != other or first not in (0, -1, op.batch)):
        raise RefusalError(f"its target shape {sizes[0]} does not begin with the batch", _HINT)
    if zero_is_zero and 0 in sizes[0]:
        raise RefusalError("its target shape has an axis of size 0", _HINT)
    return reshaped(op, _features(source, sizes[0][1:], open_batch=first == -1))


def _features(source: tuple[int, ...], target: list[int], *, open_batch: bool) -> tuple[int, ...]:
    """Return the target shape with 0 (as before) and -1 (whatever is left) filled in."""
    if any(size == 0 and axis >= len(source) for axis, size in enumerate(target)):
        raise RefusalError("copies the size of an axis that is not there", _HINT)
    shape = [source[axis] if size == 0 else size for axis, size in enumerate(target)]
    known = prod(size for size in shape if size != -1)
    if shape.count(-1) == 1 and not open_batch and known > 0:
        shape[shape.index(-1)] = prod(source) // known
    if min(shape) < 1 or prod(shape) != prod(source):
        raise RefusalError(f"views {source} as {tuple(target)}: mixes batch and features", _HINT)
    return tuple(shape)


def squeeze(op: Operation) -> tuple[Node, ...]:
    """Convert ``Squeeze`` of named axes."""
    shape = op.activation().type.shape
    axes = op.axes(1, "axes")
    if axes is None:
        raise RefusalError("does not say which axes to remove", "name the axes to squeeze")
    removed = _normalized(axes, 1 + len(shape))
    if any(shape[axis - 1] != 1 for axis in removed):
        raise RefusalError(f"removes axes {sorted(removed)} of {shape}, not all of size 1", _HINT)
    kept = tuple(size for axis, size in enumerate(shape, 1) if axis not in removed)
    if not kept:
        raise RefusalError("leaves nothing but the batch axis", "keep one feature axis")
    return reshaped(op, kept)


def unsqueeze(op: Operation) -> tuple[Node, ...]:
    """Convert ``Unsqueeze``."""
    shape = op.activation().type.shape
    axes = op.axes(1, "axes") or ()
    added = _normalized(axes, 1 + len(shape) + len(axes))
    sizes = iter(shape)
    full = range(1, 1 + len(shape) + len(added))
    return reshaped(op, tuple(1 if axis in added else next(sizes) for axis in full))


def transpose(op: Operation) -> tuple[Node, ...]:
    """Convert ``Transpose`` that leaves the batch where it is."""
    shape = (0, *op.activation().type.shape)  # the batch has any size
    order = op.integers("perm") or tuple(reversed(range(len(shape))))
    if sorted(order) != list(range(len(shape))) or order[0] != 0:
        raise RefusalError(f"perm={list(order)} moves the batch", _HINT)
    features = tuple(axis - 1 for axis in order[1:])
    target = tuple(shape[axis] for axis in order[1:])
    moved = [axis for axis in order if axis < len(shape) and shape[axis] != 1]
    if moved == sorted(moved):  # only axes of size 1 change their place
        return reshaped(op, target)
    return (rearranged(op.output, op.activation(), shape[1:], features, target),)


def depth_to_space(op: Operation) -> tuple[Node, ...]:
    """Convert ``DepthToSpace``: channels become the pixels of a block."""
    source = op.image()
    size, mode = op.integer("blocksize", 1), op.text("mode", "DCR")
    channels, height, width = source.type.shape
    if size < 1 or channels % size**2 or mode not in ("DCR", "CRD"):
        raise RefusalError(f"blocksize={size} and mode={mode} of {channels} channels", _EXPORT)
    left = channels // size**2
    if mode == "CRD":
        split, order = (left, size, size, height, width), (0, 3, 1, 4, 2)
    else:
        split, order = (size, size, left, height, width), (2, 3, 0, 4, 1)
    target = (left, height * size, width * size)
    return (rearranged(op.output, source, split, order, target),)


_EXPORT = "export the model again"


def rearranged(
    name: str,
    source: Activation,
    split: tuple[int, ...],
    order: tuple[int, ...],
    shape: tuple[int, ...],
) -> Node:
    """Return the node that moves the values of an activation; see ``Rearrange``."""
    return Rearrange(name=name, inputs=(source.name,), split=split, order=order, shape=shape)


def reshaped(op: Operation, shape: tuple[int, ...]) -> tuple[Node, ...]:
    """Return the view of the input under a shape, or nothing where it has that shape."""
    source = op.activation()
    if shape == source.type.shape:
        return ()
    return (Reshape(name=op.output, inputs=(source.name,), shape=shape),)


def _normalized(axes: tuple[int, ...], rank: int) -> set[int]:
    """Return axes counted from the front; the batch axis is not among them."""
    found = {axis + rank if axis < 0 else axis for axis in axes}
    if len(found) != len(axes) or any(not 0 < axis < rank for axis in found):
        raise RefusalError(f"axes={list(axes)} of {rank} has the batch or is out of range", _HINT)
    return found
