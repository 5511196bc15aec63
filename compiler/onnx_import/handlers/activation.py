"""Activation functions that only limit or round their input."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan

import numpy as np

from ....ir import Affine, Clip, Node, Staircase
from ..operation import Operation
from ..values import Activation, Constant, Made, RefusalError
from . import arithmetic
from .quantized import integers, quantizer
from .smooth import leaky


def relu(op: Operation) -> tuple[Node, ...]:
    """Convert ``Relu``."""
    return (Clip(name=op.output, inputs=(op.activation().name,)),)


def clip(op: Operation) -> tuple[Node, ...] | Made:
    """Convert ``Clip``; its bounds are attributes up to opset 10, then inputs."""
    if op.tensor().grid is not None:
        return clipped_integers(op)
    low, high = op.number("min", -inf), op.number("max", inf)
    if op.given(1):
        low = _scalar(op, 1)
    if op.given(2):
        high = _scalar(op, 2)
    return limited(op, low, high)


def minimum(op: Operation) -> tuple[Node, ...]:
    """Convert ``Min``; of an activation and a number it is a bound."""
    bound = _bound(op)
    return _extreme(op, -1.0) if bound is None else limited(op, -inf, bound)


def maximum(op: Operation) -> tuple[Node, ...]:
    """Convert ``Max``; of an activation and a number it is a bound."""
    bound = _bound(op)
    return _extreme(op, 1.0) if bound is None else limited(op, bound, inf)


def _extreme(op: Operation, sign: float) -> tuple[Node, ...]:
    """Convert the extreme of several values: ``max(x, y) = y + max(x - y, 0)``, one after another.

    Args:
        op: The node.
        sign: 1 for the maximum, -1 for the minimum.
    """
    here = op.inputs[0]
    for index, value in enumerate(op.inputs[1:], 1):
        last = index == len(op.inputs) - 1
        if isinstance(here, Constant) and isinstance(value, Constant):
            raise RefusalError("compares two constants with others", "fold them before the export")
        pair = (value, here) if isinstance(here, Constant) else (here, value)
        above = op.emit(arithmetic.subtract(op.reading(*pair, name=op.part("above"))))
        if sign < 0:
            above = op.emit((_turned(above, op.part("below")),))
        beyond = op.emit((Clip(name=op.part("beyond"), inputs=(above.name,)),))
        if sign < 0:
            beyond = op.emit((_turned(beyond, op.part("back")),))
        name = op.output if last else op.part("extreme")
        nodes = arithmetic.add(op.reading(pair[1], beyond, name=name))
        if last:
            return nodes
        here = op.emit(nodes)
    op.activation()
    return ()


def _turned(source: Activation, name: str) -> Node:
    return Affine(name=name, inputs=(source.name,), scale=np.full(1, -1.0), shift=np.zeros(1))


def absolute(op: Operation) -> tuple[Node, ...]:
    """Convert ``Abs``: ``max(x, 0) + max(-x, 0)``."""
    return leaky(op, np.full(1, -1.0))


def floor(op: Operation) -> tuple[Node, ...]:
    """Convert ``Floor``; the arithmetic around it joins in ``passes.recognise_staircase``."""
    return (Staircase(name=op.output, inputs=(op.activation().name,)),)


def nearest(op: Operation) -> tuple[Node, ...]:
    """Convert ``Round``, which rounds ties to even."""
    source = op.activation().name
    return (Staircase(name=op.output, inputs=(source,), rounding="half_even"),)


def limited(op: Operation, low: float, high: float) -> tuple[Node, ...]:
    """Return the node that keeps the input between two bounds."""
    largest = float(np.finfo(np.float32).max)
    low, high = (-inf if low <= -largest else low), (inf if high >= largest else high)
    if isnan(low) or isnan(high) or not low < high:
        raise RefusalError(
            f"its lower bound {low:g} is not below its upper bound {high:g}", "mend the bounds"
        )
    source = next(i for i in (0, 1) if not op.is_constant(i))
    activation = op.activation(source)
    if source == 0 and (low, high) == (-inf, inf):
        return ()
    return (Clip(name=op.output, inputs=(activation.name,), low=low, high=high),)


def clipped_integers(op: Operation) -> Made:
    """Convert ``Clip`` of integers, with which files narrow a type to fewer bits."""
    source, grid = integers(op, 0)
    if grid.bounds is None:
        raise RefusalError("limits integer sums", "dequantise them first")
    low, high = grid.bounds
    low = max(low, int(op.constant(1).reshape(()))) if op.given(1) else low
    high = min(high, int(op.constant(2).reshape(()))) if op.given(2) else high
    if low >= high:
        raise RefusalError(f"its lower bound {low} is not below {high}", "mend the bounds")
    narrowed = replace(grid, bounds=(low, high))
    return Made((quantizer(op.output, source, narrowed),), grid)


def _bound(op: Operation) -> float | None:
    """Return the one number that the other input is compared with, or None."""
    constants = [i for i in range(len(op.inputs)) if op.is_constant(i)]
    single = len(op.inputs) == 2 and len(constants) == 1
    if not single or op.constant(constants[0]).size != 1:
        return None
    return _scalar(op, constants[0])


def _scalar(op: Operation, index: int) -> float:
    value = op.constant(index)
    if value.size != 1 or value.dtype.kind != "f":
        raise RefusalError(f"its bound has shape {value.shape}", "use one number as the bound")
    return float(value.reshape(()))
