"""Conv, Gemm, MatMul and Pad: linear maps with constant weights."""

from __future__ import annotations

import numpy as np

from ....ir import Affine, Array, Conv, Linear, Node
from ....ir.compact import elementwise
from ..operation import Operation, shown
from ..values import Activation, Made, RefusalError
from . import volumes
from .along import along
from .gathering import surrounded
from .window import absorb_padding, read_window, total_padding


def conv(op: Operation) -> tuple[Node, ...]:
    """Convert ``Conv``; zeros added by a Pad before it become part of its padding."""
    if volumes.is_volume(op):
        return volumes.conv(op)
    source = op.image()
    weight = op.parameter(1)
    if weight.ndim == 3:  # of a line, which is an image of height 1
        weight = weight[:, :, None]
    if weight.ndim != 4 or 0 in weight.shape:
        raise RefusalError(
            f"weight {weight.shape} is not out x in x height x width", "use a 2-D convolution"
        )
    kernel = (weight.shape[2], weight.shape[3])
    if op.integers("kernel_shape") not in (None, kernel, kernel[-weight_rank(op) :]):
        raise RefusalError(f"kernel_shape is not that of the weight, {kernel}", "export it again")
    groups = op.integer("group", 1)
    if groups < 1:
        raise RefusalError(f"group={groups} is not positive", "export the model again")
    window = read_window(op, source, kernel)
    image, zeros = absorb_padding(op, source)
    node = Conv(
        name=op.output,
        inputs=(image.name,),
        weight=weight,
        bias=vector(op, 2, len(weight)) if op.given(2) else None,
        stride=window.stride,
        padding=total_padding(window.padding, zeros),
        dilation=window.dilation,
        groups=groups,
        weight_scale=op.unit(1, axis=0),
    )
    return (node,)


def gemm(op: Operation) -> tuple[Node, ...]:
    """Convert ``Gemm`` with constant B and C."""
    source = flat(op)
    weight = matrix(op)
    if op.integer("transA", 0):
        raise RefusalError(
            "transA=1 exchanges batch and features", "export the layer as torch.nn.Linear"
        )
    turned, alpha = bool(op.integer("transB", 0)), op.number("alpha", 1.0)
    weight = scaled(weight if turned else weight.T, alpha)
    unit = op.unit(1, axis=0 if turned else 1)
    beta = op.number("beta", 1.0)
    bias = beta * vector(op, 2, len(weight)) if op.given(2) else None
    node = Linear(
        name=op.output,
        inputs=(source.name,),
        weight=weight,
        bias=bias,
        weight_scale=None if unit is None else alpha * unit,
    )
    return (node,)


def matmul(op: Operation) -> tuple[Node, ...]:
    """Convert ``MatMul`` with a constant matrix, on whatever stands along the last axis."""
    if not op.is_constant(0) and not op.is_constant(1):
        raise RefusalError(
            "multiplies two activations",
            "let the host compute attention, and the layers around it spike; or use layers with "
            "weights",
        )
    if op.is_constant(0):
        source = op.activation(1)
        if len(source.type.shape) < 2:
            raise RefusalError("multiplies a matrix by a batch", "swap its inputs")
        left = op.parameter(0)
        if left.ndim != 2 or left.shape[1] != source.type.shape[-2]:
            raise RefusalError(f"its weight has shape {left.shape}", "use a matrix as the weight")
        return along(op, source, len(source.type.shape) - 2, left)
    source = op.activation()
    weight = matrix(op)
    if not source.type.shape or source.type.shape[-1] != len(weight):
        raise RefusalError(
            f"multiplies batch and {source.type.shape} by {weight.shape}", "mend the shapes"
        )
    axis = len(source.type.shape) - 1
    return along(op, source, axis, weight.T, weight_scale=op.unit(1, axis=1))


def pad(op: Operation) -> Made:
    """Convert ``Pad`` with zeros, or with values of the activation.

    A Conv or AveragePool after it takes zeros around an image over, and this node is dropped.
    Integers are padded with what stands for 0.
    """
    source = op.tensor()
    mode = op.text("mode", "constant")
    value = op.number("value", 0.0)
    if op.given(2):
        given = op.constant(2) if source.grid else op.parameter(2)
        value = float(given.reshape(-1)[0]) if given.size else 0.0
    value -= source.grid.zero if source.grid else 0
    pads = _pads(op, 1 + len(source.type.shape))
    if not any(pads):
        return Made(grid=source.grid)
    if mode == "constant" and value and source.grid:
        raise RefusalError(f"pads with {value:g}", "pad with zeros (padding_mode='zeros')")
    rank = len(source.type.shape)
    if pads[0] or pads[1 + rank]:
        raise RefusalError("pads the batch", "pad the other axes only")
    begins, ends = list(pads[1 : 1 + rank]), list(pads[2 + rank :])
    if mode != "constant" or not value:
        return Made(surrounded(op, source, begins, ends, mode), source.grid)
    zeros = op.reading(*op.inputs, name=op.part("zeros"))
    made = op.emit(surrounded(zeros, source, begins, ends, mode))
    inside = np.zeros(source.type.shape)
    widths = [(max(a, 0), max(b, 0)) for a, b in zip(begins, ends, strict=True)]
    kept = tuple(
        slice(max(-a, 0), n - max(-b, 0))
        for n, a, b in zip(source.type.shape, begins, ends, strict=True)
    )
    border = np.pad(inside[kept], widths, constant_values=value)
    return Made((Affine(name=op.output, inputs=(made.name,), scale=np.ones(()), shift=border),))


def weight_rank(op: Operation) -> int:
    """Return how many axes the window of a weight has in the file."""
    return op.constant(1).ndim - 2


def _pads(op: Operation, rank: int) -> tuple[int, ...]:
    """Return what is added before each axis, then what is added after each."""
    listed = op.axes(1, "pads") or ()
    chosen = op.axes(3, "axes") if op.given(3) else None
    axes = range(rank) if chosen is None else [a + rank if a < 0 else a for a in chosen]
    if len(listed) != 2 * len(axes) or any(not 0 <= axis < rank for axis in axes):
        raise RefusalError(f"pads={shown(listed)} does not fit {rank} axes", "export it again")
    pads = [0] * (2 * rank)
    for position, axis in enumerate(axes):
        pads[axis], pads[axis + rank] = listed[position], listed[position + len(axes)]
    return tuple(pads)


def flat(op: Operation) -> Activation:
    """Return the first input, which must have no axes but batch and features."""
    source = op.activation()
    if len(source.type.shape) != 1:
        raise RefusalError(
            f"needs batch x features but reads batch and {source.type.shape}",
            "put a Flatten before the layer; a linear layer over a sequence is not supported",
        )
    return source


def scaled(weight: Array, factor: float) -> Array:
    """Return a weight times a number, or as it is: weights may be most of what there is."""
    return weight if factor == 1 else elementwise(np.multiply, weight, np.asarray(factor))


def matrix(op: Operation) -> Array:
    """Return the second input, a constant matrix."""
    weight = op.parameter(1)
    if weight.ndim != 2 or 0 in weight.shape:
        raise RefusalError(f"its weight has shape {weight.shape}", "use a matrix as the weight")
    return weight


def vector(op: Operation, index: int, size: int) -> Array:
    """Return a constant input as one number for each output, ``(size,)``."""
    value = op.parameter(index)
    shape = value.shape[1:] if value.ndim == 2 and value.shape[0] == 1 else value.shape
    if shape not in ((), (1,), (size,)):
        raise RefusalError(
            f"its input {index} has shape {value.shape} but there are {size} outputs",
            "use one bias an output",
        )
    return np.broadcast_to(value.reshape(shape), (size,)).copy()
