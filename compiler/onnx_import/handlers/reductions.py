"""Sums, means and extremes over axes."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ....ir import Affine, AveragePool, Conv, Linear, MaxPool, Node, Reshape
from ..operation import Operation
from ..values import Activation, RefusalError
from .arithmetic import ONE, ZERO
from .shape import rearranged


def reduce_mean(op: Operation) -> tuple[Node, ...]:
    """Convert ``ReduceMean``."""
    return _reduced(op, total=False)


def reduce_sum(op: Operation) -> tuple[Node, ...]:
    """Convert ``ReduceSum``: as many times the mean."""
    return _reduced(op, total=True)


def reduce_max(op: Operation) -> tuple[Node, ...]:
    """Convert ``ReduceMax``."""
    return _reduced(op, extreme=1)


def reduce_min(op: Operation) -> tuple[Node, ...]:
    """Convert ``ReduceMin``: the maximum of the negative values, negated."""
    return _reduced(op, extreme=-1)


def _reduced(op: Operation, *, total: bool = False, extreme: int = 0) -> tuple[Node, ...]:
    source = op.activation()
    shape = source.type.shape
    rank = 1 + len(shape)
    axes = op.axes(1, "axes")
    keep = op.integer("keepdims", 1)
    if op.integer("noop_with_empty_axes", 0) and not axes:
        return ()
    over = sorted(a + rank if a < 0 else a for a in (axes or range(rank)))
    if len(set(over)) != len(over) or any(not 0 < axis < rank for axis in over):
        raise RefusalError(
            f"goes over axes {over} of {rank}, the batch among them", "name the other axes"
        )
    inside = [axis - 1 for axis in over]
    kept = tuple(1 if axis in inside else size for axis, size in enumerate(shape))
    target = kept if keep else tuple(n for axis, n in enumerate(shape) if axis not in inside)
    if not target:
        target = (1,)
    count = prod(shape[axis] for axis in inside)
    if extreme < 0:
        negated = Affine(name=op.part("negated"), inputs=(source.name,), scale=-ONE, shift=ZERO)
        source = op.emit((negated,))
    pooled = _pooled(op, source, inside, maximum=extreme != 0)
    reduced = op.lookup(pooled.inputs[0]).type
    if pooled.infer(reduced).shape == target and extreme >= 0 and not total:
        return (replace(pooled, name=op.output),)
    here = op.emit((pooled,))
    scale = float(extreme) if extreme < 0 else float(count) if total else 1.0
    if scale != 1:
        scaled = Affine(
            name=op.part("scaled"), inputs=(here.name,), scale=np.full(1, scale), shift=ZERO
        )
        here = op.emit((scaled,))
    if not keep and len(shape) == len(inside):
        raise RefusalError("leaves nothing but the batch axis", "keep one feature axis")
    return (Reshape(name=op.output, inputs=(here.name,), shape=target),)


def _pooled(op: Operation, source: Activation, over: list[int], *, maximum: bool) -> Node:
    """Return the node that computes means or maxima over some axes."""
    shape = source.type.shape
    name = op.part("maximum" if maximum else "mean")
    if not maximum and over == [0] and len(shape) in (1, 3):
        weight = np.full((1, shape[0], *(1,) * (len(shape) - 1)), 1 / shape[0])
        if len(shape) == 3:
            return Conv(name=name, inputs=(source.name,), weight=weight)
        return Linear(name=name, inputs=(source.name,), weight=weight)
    if len(shape) == 3 and 0 not in over:
        kernel = (shape[1] if 1 in over else 1, shape[2] if 2 in over else 1)
    else:
        kept = [axis for axis in range(len(shape)) if axis not in over]
        rows, count = prod(shape[a] for a in kept), prod(shape[a] for a in over)
        order = (*kept, *over)
        moved = rearranged(op.part("rows"), source, shape, order, (rows, 1, count))
        if order == tuple(range(len(shape))):
            moved = Reshape(name=moved.name, inputs=(source.name,), shape=(rows, 1, count))
        source = op.emit((moved,))
        kernel = (1, count)
    if maximum:
        return MaxPool(name=name, inputs=(source.name,), kernel=kernel, stride=kernel)
    return AveragePool(name=name, inputs=(source.name,), kernel=kernel, stride=kernel)
