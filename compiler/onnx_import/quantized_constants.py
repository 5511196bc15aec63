"""Quantises and dequantises constants, without losing that they are integers times a scale.

The standard's own evaluation multiplies in float32; weights are then no longer whole multiples
of their scale. Here the integers and the scale stay apart.
"""

from __future__ import annotations

import numpy as np

from ...ir import Array
from ...ir.compact import elementwise
from .grids import aligned, integer_range, scale_of, target_type, zeros_of
from .operation import Operation
from .values import Constant, Multiple, RefusalError


def quantize_linear(op: Operation) -> Constant:
    """Return what ``QuantizeLinear`` gives for a constant: ties to even, computed in float32."""
    op.ignore("saturate", "precision")
    axis, block = op.integer("axis", 1), op.integer("block_size", 0)
    values, dtype = op.constant(0), target_type(op, 2)
    low, high = integer_range(dtype)
    scale = aligned(scale_of(op, 1), values.shape, axis, block).astype(np.float32)
    zeros = zeros_of(op, 2)
    zero = 0 if zeros is None else aligned(zeros, values.shape, axis, block)

    def rounded(part: Array, step: Array, zero: Array) -> Array:
        levels = np.rint(part.astype(np.float32) / step) + zero
        return np.asarray(np.clip(levels, low, high).astype(np.int64).astype(dtype))

    found = elementwise(rounded, values, scale, np.asarray(zero))
    return Constant(found, found)


def dequantize_linear(op: Operation) -> Constant:
    """Return what ``DequantizeLinear`` gives for a constant."""
    op.integer("output_dtype", 0)
    axis, block = op.integer("axis", 1), op.integer("block_size", 0)
    return dequantized(op, 0, scale=1, zero=2, axis=axis, block=block)


def dequantized(
    op: Operation, index: int, *, scale: int, zero: int, axis: int = 0, block: int = 0
) -> Constant:
    """Return a constant input of integers as real numbers.

    Args:
        op: The node.
        index: The input.
        scale: Index of its scale among the inputs.
        zero: Index of its zero point.
        axis: The axis along which they differ.
        block: Size of a block along the axis, or 0.
    """
    values = op.constant(index)
    integer_range(values.dtype)
    whole = integers(values)
    zeros = zeros_of(op, zero)
    if zeros is not None:
        whole = elementwise(np.subtract, whole, aligned(zeros, values.shape, axis, block))
    return multiple_of(whole, aligned(scale_of(op, scale), values.shape, axis, block))


def integers(values: Array) -> Array:
    """Return whole numbers in int64."""
    return elementwise(lambda part: part.astype(np.int64), values)


def multiple_of(whole: Array, scale: Array) -> Constant:
    """Return integers times scales as a constant."""
    multiple = Multiple(whole, np.broadcast_to(scale.astype(np.float64), whole.shape))
    value = elementwise(lambda *parts: np.multiply(*parts).astype(np.float32), whole, scale)
    return Constant(value, value, multiple)


def whole(op: Operation, index: int, *, zero: int, axis: int) -> Constant:
    """Return a constant input of integers less its zero point, as multiples of 1."""
    values, zeros = op.constant(index), zeros_of(op, zero)
    integer_range(values.dtype)
    found = integers(values)
    if zeros is not None:
        found = elementwise(np.subtract, found, aligned(zeros, values.shape, axis, 0))
    return multiple_of(found, np.ones(1))


def bias(op: Operation, index: int, scale: Array) -> Constant:
    """Return a bias of integers in units of a scale, ``(1,)`` or ``(out,)``."""
    values = op.constant(index)
    if values.dtype.name != "int32" or values.ndim != 1 or scale.size not in (1, values.size):
        raise RefusalError(
            f"its bias holds {values.dtype.name} of shape {values.shape}",
            "quantise the bias to int32, one number an output",
        )
    return multiple_of(values.astype(np.int64), scale.reshape(-1))
