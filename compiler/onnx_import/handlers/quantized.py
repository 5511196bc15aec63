"""QuantizeLinear and DequantizeLinear of activations: together a staircase.

``QuantizeLinear`` makes the staircase, in real numbers, and notes what the integers of its
tensor stand for; ``DequantizeLinear`` takes the note away. Operators in between that only move
or compare integers (MaxPool, Reshape, Concat) keep it.
"""

from __future__ import annotations

import numpy as np

from ....ir import Affine, Node, Staircase
from ..grids import activation_grid, integer_range, target_type
from ..operation import Operation
from ..values import Activation, Grid, Made, RefusalError

QUANTIZERS = frozenset({"QuantizeLinear", "Quant", "IntQuant"})
"""Operators that round, and may round a tanh or a sigmoid."""

_INTO_INTEGERS = "quantise the activation once, and dequantise it before it is quantised again"


def quantize_linear(op: Operation) -> Made:
    """Convert ``QuantizeLinear``."""
    op.ignore("saturate", "precision")  # saturate: for float8, which is refused
    source = op.tensor()
    if source.grid is not None:
        raise RefusalError("quantises integers", _INTO_INTEGERS)
    refuse_blocks(op)
    axis, bounds = op.integer("axis", 1), integer_range(target_type(op, 2))
    grid = activation_grid(op, source.type.shape, bounds, scale=1, zero=2, axis=axis)
    return Made((quantizer(op.output, source, grid),), grid)


def dequantize_linear(op: Operation) -> Made:
    """Convert ``DequantizeLinear``."""
    op.integer("output_dtype", 0)
    refuse_blocks(op)
    return Made(real(op, 0, scale=1, zero=2, axis=op.integer("axis", 1), name=op.output))


def refuse_blocks(op: Operation) -> None:
    """Raise ``RefusalError`` for an activation with one scale a block."""
    if op.integer("block_size", 0):
        raise RefusalError(
            "quantises an activation in blocks",
            "quantise activations with one scale, or one for each channel",
        )


def quantizer(name: str, source: Activation, grid: Grid) -> Staircase:
    """Return the staircase that rounds an activation to a grid."""
    assert grid.bounds is not None
    low, high = grid.bounds
    return Staircase(
        name=name,
        inputs=(source.name,),
        step=grid.scale,
        low=low - grid.zero,
        high=high - grid.zero,
        rounding="half_even",
        function=source.function,
        slope=source.slope,
    )


def real(
    op: Operation, index: int, *, scale: int, zero: int, axis: int = 1, name: str
) -> tuple[Node, ...]:
    """Return the nodes that make real numbers of an activation of integers; see ``on_grid``.

    Args:
        op: The node.
        index: The activation among the inputs.
        scale: Its scale among the inputs.
        zero: Its zero point.
        axis: The axis along which they differ.
        name: The name of the last node.
    """
    source, held = integers(op, index)
    shape = source.type.shape
    meant = activation_grid(op, shape, held.bounds, scale=scale, zero=zero, axis=axis)
    return on_grid(op, source, held, meant, name)


def integers(op: Operation, index: int) -> tuple[Activation, Grid]:
    """Return an input that holds integers, and what they stand for."""
    source = op.tensor(index)
    if source.grid is None:
        raise RefusalError(
            f"its input {index} holds real numbers, not quantised integers",
            "put a QuantizeLinear before it",
        )
    return source, source.grid


def on_grid(
    op: Operation, source: Activation, held: Grid, meant: Grid, name: str
) -> tuple[Node, ...]:
    """Return the nodes that read integers as another grid has it.

    None are needed where scale and zero point are those they were quantised with. Where they
    are not, or where the integers are an input of the model, an affine map is; a staircase
    after it says on which grid its values are.
    """
    if meant.same(held):
        return ()
    affine = Affine(
        name=op.part("affine") if meant.bounds else name,
        inputs=(source.name,),
        scale=meant.scale / held.scale,
        shift=meant.scale * (held.zero - meant.zero),
    )
    if meant.bounds is None:
        return (affine,)
    return affine, quantizer(name, Activation(affine, source.type), meant)


def as_integers(name: str, source: str, grid: Grid) -> Affine:
    """Return the map from real numbers to the integers they are on a grid."""
    zero = np.full(1, float(grid.zero))
    return Affine(name=name, inputs=(source,), scale=1 / grid.scale, shift=zero)
