"""Pooling, and means over a whole image."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ....ir import AveragePool, MaxPool, Node, Reshape
from ..operation import Operation
from ..values import Activation, RefusalError
from . import volumes
from .window import absorb_padding, pair, read_pool_window, read_window, total_padding
from .window_means import window_means


def average_pool(op: Operation) -> tuple[Node, ...]:
    """Convert ``AveragePool``; zeros added by a Pad before it count in its divisor."""
    if volumes.is_volume(op):
        return volumes.pool(op)
    source = op.image()
    counted = bool(op.integer("count_include_pad", 0))
    plain = read_window(op, source, pair(op, "kernel_shape"))
    axes = plain.axes(source.type.shape[1:])
    reaches_over = bool(op.integer("ceil_mode", 0)) and any(axis.rest for axis in axes)
    if plain.dilation != (1, 1) or (reaches_over and counted):
        return window_means(op, source, axes, counted=counted)
    window = read_pool_window(op, source)
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
    if volumes.is_volume(op):
        return volumes.pool(op)
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
    """Convert ``GlobalAveragePool``; a line or a volume is viewed as an image."""
    source, shape = _plane(op)
    _, height, width = source.type.shape
    pool = AveragePool(name="", inputs=(source.name,), kernel=(height, width))
    return _as_before(op, pool, shape)


def global_max_pool(op: Operation) -> tuple[Node, ...]:
    """Convert ``GlobalMaxPool``; a line or a volume is viewed as an image."""
    source, shape = _plane(op)
    _, height, width = source.type.shape
    pool = MaxPool(name="", inputs=(source.name,), kernel=(height, width))
    return _as_before(op, pool, shape)


def _plane(op: Operation) -> tuple[Activation, tuple[int, ...]]:
    source = op.activation()
    shape = source.type.shape
    if len(shape) < 2:
        raise RefusalError("reads a vector", "leave it out")
    if len(shape) == 3:
        return source, shape
    image = (shape[0], shape[1] if len(shape) > 2 else 1, prod(shape[2 if len(shape) > 2 else 1 :]))
    return op.emit((Reshape(name=op.part("image"), inputs=(source.name,), shape=image),)), shape


def _as_before(op: Operation, node: Node, shape: tuple[int, ...]) -> tuple[Node, ...]:
    if len(shape) == 3:
        return (replace(node, name=op.output),)
    made = replace(node, name=op.part("plane"))
    one = (shape[0], *(1,) * (len(shape) - 1))
    return made, Reshape(name=op.output, inputs=(made.name,), shape=one)
