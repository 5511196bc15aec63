"""The quantisers of QONNX, as Brevitas, QKeras and FINN export them.

``Quant`` rounds to integers of any width and gives real numbers again (Pappalardo et al.,
arXiv 2206.07527); ``IntQuant`` is its newer name. ``BipolarQuant`` gives plus or minus a scale.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ....ir import Affine, Array, Node, Staircase
from ....ir.compact import elementwise
from ..grids import scale_of
from ..operation import Operation
from ..quantized_constants import multiple_of
from ..values import Constant, RefusalError

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
"""Where the operators were at home, the newest first."""

Rounding = Literal["floor", "half_even"]


def quant(op: Operation) -> tuple[Node, ...]:
    """Convert ``Quant`` of an activation."""
    zero, low, high = _range(op)
    if _is_bipolar(low, high):
        return bipolar_quant(op)
    source = op.tensor()
    node = Staircase(
        name=op.output,
        inputs=(source.name,),
        step=_step(op, source.type.shape),
        low=low - zero,
        high=high - zero,
        rounding=_rounding(op),
        function=source.function,
        slope=source.slope,
    )
    return (node,)


def quant_constant(op: Operation) -> Constant:
    """Return what ``Quant`` gives for a constant; ties are those of float32."""
    values, scale = op.constant(0), scale_of(op, 1)
    zero, low, high = _range(op)
    if _is_bipolar(low, high):
        return bipolar_constant(op)
    to_whole = np.rint if _rounding(op) == "half_even" else np.floor

    def rounded(part: Array, step: Array) -> Array:
        levels = to_whole(part.astype(np.float32) / step.astype(np.float32))
        return np.asarray(np.clip(levels, low - zero, high - zero).astype(np.int64))

    return multiple_of(elementwise(rounded, values, scale), scale)


def bipolar_quant(op: Operation) -> tuple[Node, ...]:
    """Convert ``BipolarQuant`` of an activation: a step from 0 to twice the scale, less the scale.

    Zero itself rounds up.
    """
    source = op.activation()
    scale = _step(op, source.type.shape)
    levels = Staircase(
        name=op.part("step"),
        inputs=(source.name,),
        step=2 * scale,
        low=0,
        high=1,
        offset=1.0,
    )
    shifted = Affine(name=op.output, inputs=(levels.name,), scale=np.ones(1), shift=-scale)
    return levels, shifted


def bipolar_constant(op: Operation) -> Constant:
    """Return what ``BipolarQuant`` gives for a constant."""
    signs = elementwise(lambda part: np.where(part >= 0, 1, -1), op.constant(0))
    return multiple_of(signs, scale_of(op, 1))


def _step(op: Operation, shape: tuple[int, ...]) -> Array:
    """Return the scale of an activation, to broadcast without the batch axis."""
    scale = scale_of(op, 1)
    if scale.size == 1:
        return scale.reshape(1)
    if scale.ndim == len(shape) + 1 and scale.shape == (1, shape[0], *(1,) * (len(shape) - 1)):
        return np.asarray(scale[0])
    raise RefusalError(
        f"has scales of shape {scale.shape} for batch and {shape}",
        "quantise activations with one scale, or one for each channel",
    )


def _range(op: Operation) -> tuple[int, int, int]:
    """Return the zero point, the lowest and the highest integer."""
    zero, bits = (_whole(op, index, name) for index, name in ((2, "zero point"), (3, "bit width")))
    narrow, signed = op.integer("narrow", 0), op.integer("signed", 1)
    if not 1 <= bits <= 32:
        raise RefusalError(f"has {bits} bits", "quantise to 2 to 16 bits")
    if zero % 2 and _rounding(op) == "half_even":  # it is added before the rounding here
        raise RefusalError(
            f"has the zero point {zero}, with which ties round to odd", "use an even zero point"
        )
    if signed:
        return zero, -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return zero, 0, 2**bits - 1 - narrow


def _is_bipolar(low: int, high: int) -> bool:
    """Whether a range is that of one bit with sign, which by definition means -1 and 1."""
    return (low, high) in ((-1, 0), (0, 0))


def _whole(op: Operation, index: int, what: str) -> int:
    value = op.constant(index)
    if value.size == 0 or not np.all(value == np.rint(value.flat[0])):
        raise RefusalError(f"its {what} is not one whole number", f"use one whole {what}")
    return int(value.flat[0])


def _rounding(op: Operation) -> Rounding:
    mode = op.text("rounding_mode", "ROUND").upper()
    modes: dict[str, Rounding] = {
        "ROUND": "half_even",
        "HALF_EVEN": "half_even",
        "FLOOR": "floor",
    }
    if mode not in modes:
        raise RefusalError(f"rounding_mode={mode} is not supported", "use ROUND or FLOOR")
    return modes[mode]
