"""Enlarging an image by whole factors, each value repeated."""

from __future__ import annotations

from math import prod

import numpy as np

from ....ir import Concat, Node
from ..operation import Operation
from ..values import RefusalError
from .shape import rearranged

LARGEST_FACTOR = 1 << 16
"""Copies of an image in an enlarged one."""

_HINT = "enlarge by whole factors with mode nearest (asymmetric, floor)"
_INERT = ("cubic_coeff_a", "exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy")


def resize(op: Operation) -> tuple[Node, ...]:
    """Convert ``Resize`` and ``Upsample`` that repeat every value a whole number of times.

    With asymmetric coordinates rounded down the value at ``i`` is that at ``i // factor``. So it
    is with half-pixel ones rounded to nearest: they lie less than half a pixel from it.
    """
    op.ignore(*_INERT)
    source = op.activation()
    mode = op.text("mode", "nearest")
    how = (
        op.text("coordinate_transformation_mode", "half_pixel"),
        op.text("nearest_mode", "round_prefer_floor"),
    )
    asymmetric = op.type == "Upsample" or how == ("asymmetric", "floor")
    centred = how[0] == "half_pixel" and how[1].startswith("round_prefer")
    if mode != "nearest" or not (asymmetric or centred):
        raise RefusalError(f"is {mode}, {how[0]}, {how[1]}", _HINT)
    shape = source.type.shape
    factors = _factors(op, shape)
    if prod(factors) == 1:
        return ()
    if prod(factors) > LARGEST_FACTOR:
        raise RefusalError(f"enlarges by {factors}", _HINT)
    copies = Concat(name=op.part("copies"), inputs=(source.name,) * prod(factors))
    axes = range(len(shape))
    enlarged = rearranged(
        op.output,
        op.emit((copies,)),
        (*factors, *shape),
        tuple(place for axis in axes for place in (len(shape) + axis, axis)),
        tuple(size * factor for size, factor in zip(shape, factors, strict=True)),
    )
    return (enlarged,)


def _factors(op: Operation, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return by how much each axis behind the batch grows."""
    scales, sizes = (1, 3) if op.type == "Upsample" else (2, 3)
    if op.given(scales) and op.constant(scales).size:
        factors = op.parameter(scales)
    elif op.given(sizes):
        target = op.either(sizes).value
        factors = target / (op.batch, *shape) if len(target) == 1 + len(shape) else np.zeros(0)
    else:
        raise RefusalError("has no constant factors", "export the model with fixed sizes")
    whole = np.rint(factors)
    if factors.shape != (1 + len(shape),) or np.any(factors != whole) or np.any(whole < 1):
        raise RefusalError(f"enlarges by {factors.tolist()}", _HINT)
    if whole[0] != 1:
        raise RefusalError("enlarges the batch", _HINT)
    return tuple(int(factor) for factor in whole[1:])
