"""ConvTranspose as a convolution of an image with zeros between its pixels.

What a pixel adds to the windows around it, a window collects from them: the kernel is turned
round and its channels are exchanged (Dumoulin and Visin, arXiv 1603.07285). A zero is no event,
so the spiking network does no operation for it.
"""

from __future__ import annotations

import numpy as np

from ....ir import Array, Conv, Node
from ....ir.shapes import Padding
from ..operation import Operation
from ..values import RefusalError
from .gathering import expect_room, gathers
from .linear import vector
from .window import pair

_AGAIN = "export the model with explicit pads"


def conv_transpose(op: Operation) -> tuple[Node, ...]:
    """Convert ``ConvTranspose``."""
    source, weight = op.image(), op.parameter(1)
    if weight.ndim == 3:
        weight = weight[:, :, None]
    if weight.ndim != 4 or 0 in weight.shape:
        raise RefusalError(
            f"weight {weight.shape} is not in x out x height x width",
            "use a 2-D transposed convolution",
        )
    kernel = weight.shape[2:]
    given = op.integers("kernel_shape")
    if given is not None and given not in (kernel, kernel[1:]):
        raise RefusalError(f"kernel_shape is not that of the weight, {kernel}", "export it again")
    groups = op.integer("group", 1)
    if groups < 1 or len(weight) % groups:
        raise RefusalError(f"group={groups} does not fit its weight", "export the model again")
    stride, dilation = pair(op, "strides"), pair(op, "dilations")
    begins, ends = _cut(op, source.type.shape[1:], kernel, stride, dilation)
    places: dict[int, Array] = {}
    padding = [0, 0, 0, 0]
    for axis in (0, 1):
        size = source.type.shape[1 + axis]
        expect_room(op, (size - 1) * stride[axis] + 1, dilation[axis] * kernel[axis])
        stuffed = np.full((size - 1) * stride[axis] + 1, -1)
        stuffed[:: stride[axis]] = np.arange(size)
        reach = dilation[axis] * (kernel[axis] - 1)
        before, behind = reach - begins[axis], reach - ends[axis]
        stuffed = stuffed[max(-before, 0) : len(stuffed) - max(-behind, 0)]
        if not len(stuffed):
            raise RefusalError("cuts off all it computes", _AGAIN)
        places[1 + axis] = stuffed
        padding[axis], padding[axis + 2] = max(before, 0), max(behind, 0)
    spread = gathers(op, source, places, op.part("stuffed"))
    image = op.emit(spread) if spread else source
    turned = weight[:, :, ::-1, ::-1].reshape(groups, -1, *weight.shape[1:])
    turned = np.moveaxis(turned, 2, 1).reshape(-1, len(weight) // groups, *kernel)
    full: Padding = (padding[0], padding[1], padding[2], padding[3])
    node = Conv(
        name=op.output,
        inputs=(image.name,),
        weight=np.ascontiguousarray(turned),
        bias=vector(op, 2, len(turned)) if op.given(2) else None,
        padding=full,
        dilation=dilation,
        groups=groups,
    )
    return (node,)


def _cut(
    op: Operation,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[list[int], list[int]]:
    """Return what is cut off before and behind each axis; less than 0 is added."""
    pads = op.integers("pads") or (0, 0, 0, 0)
    extra = op.integers("output_padding") or (0, 0)
    wanted = op.integers("output_shape")
    if len(pads) == 2:
        pads = (0, pads[0], 0, pads[1])
    extra = (0, *extra) if len(extra) == 1 else extra
    if len(pads) != 4 or len(extra) != 2:
        raise RefusalError(f"pads={list(pads)} is not four numbers", _AGAIN)
    begins, ends = list(pads[:2]), list(pads[2:])
    mode = op.text("auto_pad", "NOTSET")
    if wanted is not None:
        wanted = (1, *wanted) if len(wanted) == 1 else wanted[-2:]
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = (size[0] * stride[0], size[1] * stride[1])
    elif mode == "VALID":
        begins, ends = [0, 0], [0, 0]
    for axis in (0, 1):
        if wanted is not None:
            full = stride[axis] * (size[axis] - 1) + dilation[axis] * (kernel[axis] - 1) + 1
            total = full + extra[axis] - wanted[axis]
            small, large = total // 2, total - total // 2
            upper = mode == "SAME_UPPER"
            begins[axis], ends[axis] = (small, large) if upper else (large, small)
        ends[axis] -= extra[axis]
    return begins, ends
