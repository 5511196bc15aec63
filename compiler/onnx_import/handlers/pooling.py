"""Pooling, and means over a whole image."""

from __future__ import annotations

from ....ir import AveragePool, MaxPool, Node, Reshape
from ..operation import Operation
from ..values import Activation, RefusalError
from .window import absorb_padding, read_pool_window, total_padding


def average_pool(op: Operation) -> tuple[Node, ...]:
    """Convert ``AveragePool``; zeros added by a Pad before it count in its divisor."""
    source = op.image()
    window = read_pool_window(op, source)
    if window.dilation != (1, 1):
        raise RefusalError("has dilations", "use an average pool without dilation")
    counted = bool(op.integer("count_include_pad", 0))
    padding = window.padding
    image, zeros = absorb_padding(op, source)
    together = total_padding(padding, zeros)
    # Zeros that come from a Pad count in the divisor, so they may only join counted zeros.
    if any(zeros) and (counted or not any(padding)) and window.meets_image(together):
        source, padding, counted = image, together, True
    node = AveragePool(
        name=op.output,
        inputs=(source.name,),
        kernel=window.kernel,
        stride=window.stride,
        padding=padding,
        count_include_pad=counted,
    )
    return (node,)


def max_pool(op: Operation) -> tuple[Node, ...]:
    """Convert ``MaxPool`` without indices."""
    op.ignore("storage_order")  # orders the indices only
    source = op.image()
    window = read_pool_window(op, source)
    node = MaxPool(
        name=op.output,
        inputs=(source.name,),
        kernel=window.kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
    )
    return (node,)


def global_average_pool(op: Operation) -> tuple[Node, ...]:
    """Convert ``GlobalAveragePool``."""
    return (_mean(op.image(), op.output),)


def global_max_pool(op: Operation) -> tuple[Node, ...]:
    """Convert ``GlobalMaxPool``."""
    source = op.image()
    _, height, width = source.type.shape
    return (MaxPool(name=op.output, inputs=(source.name,), kernel=(height, width)),)


def reduce_mean(op: Operation) -> tuple[Node, ...]:
    """Convert ``ReduceMean`` over height and width."""
    source = op.activation()
    axes = op.axes(1, "axes")
    keep = op.integer("keepdims", 1)
    if op.integer("noop_with_empty_axes", 0) and not axes:
        return ()
    rank = 1 + len(source.type.shape)
    over = sorted(axis + rank if axis < 0 else axis for axis in axes or range(rank))
    if rank != 4 or over != [2, 3]:
        raise RefusalError(
            f"takes the mean over axes {over} of {rank}", "take the mean over height and width"
        )
    if keep:
        return (_mean(source, op.output),)
    mean = _mean(source, op.part("mean"))
    return mean, Reshape(name=op.output, inputs=(mean.name,), shape=source.type.shape[:1])


def _mean(source: Activation, name: str) -> AveragePool:
    _, height, width = source.type.shape
    return AveragePool(name=name, inputs=(source.name,), kernel=(height, width))
