"""Operators that read and give quantised integers: QLinearConv, ConvInteger and their like.

Each is the standard operator of the real numbers its integers stand for, and a rounding to the
output's grid. The bias of a convolution has the unit of its sums.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....ir import Array, Node
from ..grids import activation_grid, integer_range, scale_of, zeros_of
from ..operation import Operation
from ..quantized_constants import bias, dequantized, whole
from ..values import Activation, Grid, Made, RefusalError, Value
from . import arithmetic, join, linear, pooling, reductions
from .quantized import integers, on_grid, quantizer, real


def conv(op: Operation) -> Made:
    """Convert ``QLinearConv``."""
    inputs = [_real(op, 0), dequantized(op, 3, scale=4, zero=5)]
    if op.given(8):
        inputs.append(bias(op, 8, _unit_of_sums(op)))
    return _rounded(op, linear.conv(op.reading(*inputs)), scale=6, zero=7)


def matmul(op: Operation) -> Made:
    """Convert ``QLinearMatMul`` with a constant matrix."""
    weight = dequantized(op, 3, scale=4, zero=5, axis=1)
    return _rounded(op, linear.matmul(op.reading(_real(op, 0), weight)), scale=6, zero=7)


def gemm(op: Operation) -> tuple[Node, ...] | Made:
    """Convert ``QGemm``, whose output is real where it has no scale."""
    axis = 0 if op.integer("transB", 0) else 1
    inputs = [_real(op, 0), dequantized(op, 3, scale=4, zero=5, axis=axis)]
    if op.given(6):
        inputs.append(bias(op, 6, op.number("alpha", 1.0) * _unit_of_sums(op)))
    if not op.given(7):
        return linear.gemm(op.reading(*inputs, name=op.output))
    return _rounded(op, linear.gemm(op.reading(*inputs)), scale=7, zero=8)


def conv_integer(op: Operation) -> Made:
    """Convert ``ConvInteger``: integer sums in units of its input's scale."""
    source, grid = _less_zero(op)
    weight = whole(op, 1, zero=3, axis=0)
    return Made(linear.conv(op.reading(source, weight, name=op.output)), grid)


def matmul_integer(op: Operation) -> Made:
    """Convert ``MatMulInteger`` with a constant matrix; see ``conv_integer``."""
    source, grid = _less_zero(op)
    weight = whole(op, 1, zero=3, axis=1)
    return Made(linear.matmul(op.reading(source, weight, name=op.output)), grid)


def add(op: Operation) -> Made:
    """Convert ``QLinearAdd``."""
    inner = op.reading(_real(op, 0), _real(op, 3))
    return _rounded(op, arithmetic.add(inner), scale=6, zero=7)


def multiply(op: Operation) -> Made:
    """Convert ``QLinearMul``."""
    inner = op.reading(_real(op, 0), _real(op, 3))
    return _rounded(op, arithmetic.multiply(inner), scale=6, zero=7)


def average_pool(op: Operation) -> Made:
    """Convert ``QLinearAveragePool``."""
    _refuse_channels_last(op)
    return _rounded(op, pooling.average_pool(op.reading(_real(op, 0))), scale=3, zero=4)


def global_average_pool(op: Operation) -> Made:
    """Convert ``QLinearGlobalAveragePool``."""
    _refuse_channels_last(op)
    return _rounded(op, pooling.global_average_pool(op.reading(_real(op, 0))), scale=3, zero=4)


def reduce_mean(op: Operation) -> Made:
    """Convert ``QLinearReduceMean``."""
    return _rounded(op, reductions.reduce_mean(op.reading(_real(op, 0))), scale=3, zero=4)


def concat(op: Operation) -> Made:
    """Convert ``QLinearConcat``: scale and zero point of the output, then of each input."""
    sources = [_real(op, index) for index in range(2, len(op.inputs), 3)]
    return _rounded(op, join.concat(op.reading(*sources)), scale=0, zero=1)


def sigmoid(op: Operation) -> Made:
    """Convert ``QLinearSigmoid``."""
    source = op.reading(_real(op, 0)).activation()
    return _quantized(op, replace(source, function="sigmoid"), scale=3, zero=4)


def _real(op: Operation, index: int) -> Value:
    """Return an input of integers as real numbers; its scale and zero point follow it."""
    if op.is_constant(index):
        return dequantized(op, index, scale=index + 1, zero=index + 2)
    nodes = real(op, index, scale=index + 1, zero=index + 2, name=op.part("input"))
    return op.emit(nodes) if nodes else replace(op.tensor(index), grid=None)


def _less_zero(op: Operation) -> tuple[Activation, Grid]:
    """Return integers less the zero point of a ConvInteger, and what its sums stand for.

    The integers are ``real / scale`` for the scale that quantised them.
    """
    source, held = integers(op, 0)
    if held.scale.size > 1:
        raise RefusalError(
            "sums integers whose scales differ between channels",
            "quantise activations with one scale",
        )
    zeros = zeros_of(op, 2)
    if zeros is not None and zeros.size > 1:
        raise RefusalError("has a zero point for each row", "quantise with one zero point")
    meant = replace(held, zero=0 if zeros is None else int(zeros.flat[0]))
    nodes = on_grid(op, source, held, meant, op.part("input"))
    return op.emit(nodes) if nodes else replace(source, grid=None), Grid(held.scale, 0, None)


def _unit_of_sums(op: Operation) -> Array:
    """Return the scale of the input times that of the weights, ``(1,)`` or ``(out,)``."""
    return np.asarray(scale_of(op, 1).reshape(-1) * scale_of(op, 4).reshape(-1))


def _refuse_channels_last(op: Operation) -> None:
    if op.integer("channels_last", 0):
        raise RefusalError("has its channels last", "export the model with channels first")


def _rounded(op: Operation, nodes: tuple[Node, ...], *, scale: int, zero: int) -> Made:
    """Return a real value, computed by some nodes, rounded to the output's grid."""
    return _quantized(op, op.emit(nodes), scale=scale, zero=zero)


def _quantized(op: Operation, source: Activation, *, scale: int, zero: int) -> Made:
    grid = activation_grid(op, source.type.shape, _bounds(op, zero), scale=scale, zero=zero)
    return Made((quantizer(op.output, source, grid),), grid)


def _bounds(op: Operation, zero: int) -> tuple[int, int]:
    """Return the range of the output's type: that of its zero point, else of the inputs."""
    if op.given(zero):
        return integer_range(op.constant(zero).dtype)
    held = [v.grid.bounds for v in op.inputs if isinstance(v, Activation) and v.grid]
    if not held or held[0] is None:
        raise RefusalError("has no zero point that tells its type", "give it a zero point")
    return held[0]
