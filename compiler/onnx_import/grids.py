"""Scales, zero points and integer types: how ONNX says what integers stand for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from ...ir import Array
from .operation import Operation
from .values import Grid, RefusalError

INTEGERS = "int8 or uint8 (int4, uint4, int16 and uint16 can be imported too)"


def integer_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the smallest and the largest integer of a type.

    >>> integer_range(np.dtype("uint8"))
    (0, 255)
    """
    match = re.fullmatch(r"(u?)int(\d+)", dtype.name)
    if match is None:
        raise RefusalError(
            f"its quantised values are {dtype.name}, not integers", f"quantise to {INTEGERS}"
        )
    bits = int(match[2])
    return (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def type_of(element: int) -> np.dtype[Any]:
    """Return the NumPy type of an ONNX element type."""
    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(element))
    except (KeyError, TypeError):
        raise RefusalError(
            f"its element type {element} is unknown", f"quantise to {INTEGERS}"
        ) from None


def scale_of(op: Operation, index: int) -> Array:
    """Return a constant scale, float64, finite and above 0."""
    scale = op.constant(index)
    if scale.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise RefusalError(f"its scale holds {scale.dtype}", "give the scale in float32")
    scale = scale.astype(np.float64)
    if scale.size == 0 or not np.all(np.isfinite(scale)) or not np.all(scale > 0):
        raise RefusalError(
            "its scale is not above 0", "quantise the model again, with calibration data"
        )
    return scale


def zeros_of(op: Operation, index: int) -> Array | None:
    """Return constant zero points, int64, or None where there are none."""
    if not op.given(index):
        return None
    zeros = op.constant(index)
    integer_range(zeros.dtype)
    return zeros.astype(np.int64)


def target_type(op: Operation, zero: int) -> np.dtype[Any]:
    """Return the integer type a quantiser rounds to: that of its zero point, uint8 without one."""
    element = op.integer("output_dtype", 0)
    if op.given(zero):
        return op.constant(zero).dtype
    return type_of(element or TensorProto.UINT8)


def aligned(values: Array, shape: Sequence[int], axis: int, block: int) -> Array:
    """Return one value for the tensor, each place along an axis, or each block, to broadcast.

    Args:
        values: Scales or zero points.
        shape: The tensor's shape.
        axis: The axis along which they differ.
        block: Size of a block along the axis, or 0.
    """
    if values.size == 1 and not block:
        return values.reshape((1,) * len(shape))
    rank = len(shape)
    axis += rank if axis < 0 else 0
    if not 0 <= axis < rank:
        raise RefusalError(f"axis={axis} is not one of {rank}", "quantise the model again")
    if block:
        blocks = -(-shape[axis] // block) if block > 0 else 0
        if values.ndim == rank and 0 < blocks <= values.shape[axis]:
            cut: Array = np.take(values, np.arange(shape[axis]) // block, axis=axis)
            if cut.shape == tuple(shape):
                return cut
    elif values.shape == (shape[axis],):
        return np.asarray(values.reshape([-1 if a == axis else 1 for a in range(rank)]))
    raise RefusalError(
        f"has {values.shape} scales or zero points for a tensor of shape {tuple(shape)}",
        "use one scale for the tensor, or one for each place along one axis",
    )


def activation_grid(
    op: Operation,
    shape: tuple[int, ...],
    bounds: tuple[int, int] | None,
    *,
    scale: int,
    zero: int,
    axis: int = 1,
) -> Grid:
    """Return what the integers of an activation stand for.

    Args:
        op: The node.
        shape: The activation's shape, without the batch axis.
        bounds: Smallest and largest integer.
        scale: Index of the scale among the inputs.
        zero: Index of the zero point.
        axis: The axis along which they differ, counted with the batch axis.
    """
    scales, zeros = scale_of(op, scale), zeros_of(op, zero)
    if zeros is None:
        zeros = np.zeros(1, np.int64)
    if not np.all(zeros == zeros.flat[0]):
        raise RefusalError(
            "has different zero points for different channels",
            "quantise activations with one zero point",
        )
    if scales.size == 1:
        return Grid(scales.reshape(1), int(zeros.flat[0]), bounds)
    spread = aligned(scales, (1, *shape), axis, 0)
    if spread.shape[0] != 1 or spread.shape[2:] != (1,) * (len(shape) - 1):
        raise RefusalError(
            "has scales that differ along an axis other than the channels",
            "quantise activations with one scale, or one for each channel",
        )
    return Grid(spread[0], int(zeros.flat[0]), bounds)
