"""Enlarging an image by whole factors, each pixel repeated."""

from __future__ import annotations

import numpy as np

from ....ir import Concat, Node
from ..operation import Operation
from ..values import RefusalError
from .shape import rearranged

_HINT = "enlarge by whole factors with mode nearest (asymmetric, floor)"
_INERT = ("cubic_coeff_a", "exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy")


def resize(op: Operation) -> tuple[Node, ...]:
    """Convert ``Resize`` and ``Upsample`` that repeat every pixel a whole number of times.

    With asymmetric coordinates rounded down the pixel at ``i`` is that at ``i // factor``. So it
    is with half-pixel ones rounded to nearest: they lie less than half a pixel from it.
    """
    op.ignore(*_INERT)
    source = op.image()
    mode = op.text("mode", "nearest")
    how = (
        op.text("coordinate_transformation_mode", "half_pixel"),
        op.text("nearest_mode", "round_prefer_floor"),
    )
    asymmetric = op.type == "Upsample" or how == ("asymmetric", "floor")
    centred = how[0] == "half_pixel" and how[1].startswith("round_prefer")
    if mode != "nearest" or not (asymmetric or centred):
        raise RefusalError(f"is {mode}, {how[0]}, {how[1]}", _HINT)
    channels, height, width = source.type.shape
    down, right = _factors(op, source.type.shape)
    if (down, right) == (1, 1):
        return ()
    copies = Concat(name=op.part("copies"), inputs=(source.name,) * (down * right))
    enlarged = rearranged(
        op.output,
        op.emit((copies,)),
        (down, right, channels, height, width),
        (2, 3, 0, 4, 1),
        (channels, height * down, width * right),
    )
    return (enlarged,)


def _factors(op: Operation, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return by how much height and width grow."""
    scales, sizes = (1, 3) if op.type == "Upsample" else (2, 3)
    if op.given(scales) and op.constant(scales).size:
        factors = op.parameter(scales)
    elif op.given(sizes):
        target = op.either(sizes).value
        factors = target / (op.batch, *shape) if target.shape == (4,) else np.zeros(0)
    else:
        raise RefusalError("has no constant factors", "export the model with fixed sizes")
    whole = np.rint(factors)
    if factors.shape != (4,) or np.any(factors != whole) or np.any(whole < 1):
        raise RefusalError(f"enlarges by {factors.tolist()}", _HINT)
    if np.any(whole[:2] != 1):
        raise RefusalError(f"enlarges batch or channels by {factors[:2].tolist()}", _HINT)
    return int(whole[2]), int(whole[3])
