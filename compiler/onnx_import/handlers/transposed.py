"""ConvTranspose as a convolution of an image with zeros between its pixels.

What a pixel adds to the windows around it, a window collects from them: the kernel is turned
round and its channels are exchanged (Dumoulin and Visin, arXiv 1603.07285). A zero is no event,
so the spiking network does no operation for it.
"""

from __future__ import annotations

import numpy as np

from ....ir import Array, Conv, Node
from ....ir.shapes import Padding
from ..operation import Operation, shown
from ..values import RefusalError
from . import volumes
from .gathering import expect_room, gathers
from .linear import vector

_AGAIN = "export the model with explicit pads"


def conv_transpose(op: Operation) -> tuple[Node, ...]:
    """Convert ``ConvTranspose`` of images and volumes."""
    volume = volumes.is_volume(op)
    source, weight = op.activation() if volume else op.image(), op.parameter(1)
    if weight.ndim == 3:
        weight = weight[:, :, None]
    rank = len(source.type.shape) - 1
    if weight.ndim != 2 + rank or 0 in weight.shape:
        raise RefusalError(
            f"weight {weight.shape} is not in x out x {rank} axes", "give each axis a kernel"
        )
    kernel = weight.shape[2:]
    given = op.integers("kernel_shape")
    if given is not None and given not in (kernel, kernel[1:]):
        raise RefusalError(f"kernel_shape is not that of the weight, {kernel}", "export it again")
    groups = op.integer("group", 1)
    if groups < 1 or len(weight) % groups:
        raise RefusalError(f"group={groups} does not fit its weight", "export the model again")
    stride, dilation = _each(op, "strides", rank, 1), _each(op, "dilations", rank, 1)
    begins, ends = _cut(op, source.type.shape[1:], kernel, stride, dilation)
    places: dict[int, Array] = {}
    for axis, size in enumerate(source.type.shape[1:]):
        expect_room(op, (size - 1) * stride[axis] + 1, dilation[axis] * kernel[axis])
        stuffed = np.full((size - 1) * stride[axis] + 1, -1)
        stuffed[:: stride[axis]] = np.arange(size)
        reach = dilation[axis] * (kernel[axis] - 1)
        before, behind = reach - begins[axis], reach - ends[axis]
        stuffed = stuffed[max(-before, 0) : len(stuffed) - max(-behind, 0)]
        if not len(stuffed):
            raise RefusalError("cuts off all it computes", _AGAIN)
        places[1 + axis] = stuffed
        begins[axis], ends[axis] = max(before, 0), max(behind, 0)
    expect_room(op, source.type.shape[0], *map(len, places.values()))
    spread = gathers(op, source, places, op.part("stuffed"))
    image = op.emit(spread) if spread else source
    turned = np.flip(weight, range(2, 2 + rank)).reshape(groups, -1, *weight.shape[1:])
    turned = np.moveaxis(turned, 2, 1).reshape(-1, len(weight) // groups, *kernel)
    turned = np.ascontiguousarray(turned)
    bias = vector(op, 2, len(turned)) if op.given(2) else None
    if volume:
        window = volumes.Window(
            image.type.shape[1:], kernel, (1, 1, 1), tuple(begins), tuple(ends), dilation
        )
        return volumes.convolved(op, image, turned, bias, window)
    full: Padding = (begins[0], begins[1], ends[0], ends[1])
    node = Conv(
        name=op.output,
        inputs=(image.name,),
        weight=turned,
        bias=bias,
        padding=full,
        dilation=(dilation[0], dilation[1]),
        groups=groups,
    )
    return (node,)


def _each(op: Operation, name: str, rank: int, default: int) -> tuple[int, ...]:
    """Return an attribute of one integer for each axis; a line is an image of height 1."""
    values = op.integers(name) or (default,) * rank
    if len(values) == 1 and rank == 2:
        values = (default, *values)
    if len(values) != rank or (default and min(values) < 1):
        raise RefusalError(f"{name}={shown(values)} is not {rank} integers", _AGAIN)
    return values


def _cut(
    op: Operation,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[list[int], list[int]]:
    """Return what is cut off before and behind each axis; less than 0 is added."""
    rank = len(size)
    pads = op.integers("pads") or (0,) * (2 * rank)
    extra = _each(op, "output_padding", rank, 0)
    wanted = op.integers("output_shape")
    if len(pads) == 2 and rank == 2:
        pads = (0, pads[0], 0, pads[1])
    if len(pads) != 2 * rank:
        raise RefusalError(f"pads={shown(pads)} is not {2 * rank} numbers", _AGAIN)
    begins, ends = list(pads[:rank]), list(pads[rank:])
    mode = op.text("auto_pad", "NOTSET")
    if wanted is not None:
        wanted = (1, *wanted) if len(wanted) == 1 else wanted[-rank:]
        if len(wanted) != rank:
            raise RefusalError(f"output_shape={shown(wanted)} is not {rank} sizes", _AGAIN)
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = tuple(n * step for n, step in zip(size, stride, strict=True))
    elif mode == "VALID":
        begins, ends = [0] * rank, [0] * rank
    for axis in range(rank):
        if wanted is not None:
            full = stride[axis] * (size[axis] - 1) + dilation[axis] * (kernel[axis] - 1) + 1
            total = full + extra[axis] - wanted[axis]
            small, large = total // 2, total - total // 2
            upper = mode == "SAME_UPPER"
            begins[axis], ends[axis] = (small, large) if upper else (large, small)
        ends[axis] -= extra[axis]
    return begins, ends
