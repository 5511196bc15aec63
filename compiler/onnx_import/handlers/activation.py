"""Activation functions that only limit or round their input."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan

import numpy as np

from ....ir import Clip, Node, Staircase
from ..operation import Operation
from ..values import Made, RefusalError
from .quantized import integers, quantizer


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
    """Convert ``Min`` of an activation and a number."""
    return limited(op, -inf, _bound(op))


def maximum(op: Operation) -> tuple[Node, ...]:
    """Convert ``Max`` of an activation and a number."""
    return limited(op, _bound(op), inf)


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


def _bound(op: Operation) -> float:
    constants = [i for i in range(len(op.inputs)) if op.is_constant(i)]
    if len(op.inputs) != 2 or len(constants) != 1:
        raise RefusalError("compares activations with each other", "compare with one number")
    return _scalar(op, constants[0])


def _scalar(op: Operation, index: int) -> float:
    value = op.constant(index)
    if value.size != 1 or value.dtype.kind != "f":
        raise RefusalError(f"its bound has shape {value.shape}", "use one number as the bound")
    return float(value.reshape(()))
