"""Images of another size: nearest values repeated or left out, and linear ones as linear maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from ....ir import Array, Node
from ..operation import Operation
from ..values import Activation, RefusalError
from .along import LARGEST as LARGEST_MAP
from .along import along
from .gathering import expect_room, gathered

LARGEST_FACTOR = 1 << 16
"""By how much more numbers an enlarged image may have."""

_HINT = "resize with mode nearest or linear, to fixed sizes"
_INERT = ("cubic_coeff_a", "exclude_outside", "extrapolation_value")


def resize(op: Operation) -> tuple[Node, ...]:
    """Convert ``Resize`` and ``Upsample`` with mode nearest or linear.

    Nearest values are chosen along each axis. Linear interpolation is a linear map along each
    axis, in ONNX's words: ``x[floor(p)] * (1 - r) + x[floor(p) + 1] * r`` with r the fraction of
    the coordinate p, which stays inside the image.
    """
    op.ignore(*_INERT)
    source = op.activation()
    shape = source.type.shape
    mode = op.text("mode", "nearest")
    old = op.type == "Upsample" or op.opset < 11  # Resize of opset 10 has no coordinates
    how = "asymmetric" if old else op.text("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else op.text("nearest_mode", "round_prefer_floor")
    if mode not in ("nearest", "linear", "bilinear") or how not in COORDINATES:
        raise RefusalError(f"is {mode}, {how}", _HINT)
    if nearest not in NEAREST:
        raise RefusalError(f"has an unknown nearest_mode {nearest}", _HINT)
    if op.integer("antialias", 0):
        raise RefusalError("smooths before it chooses (antialias)", _HINT)
    sizes, scales = _sizes(op, shape)
    if prod(sizes) > LARGEST_FACTOR * prod(shape):
        raise RefusalError(f"enlarges {shape} to {tuple(sizes)}", _HINT)
    expect_room(op, 1, *sizes)
    places = [
        COORDINATES[how](np.arange(after), scale, before, after)
        for before, after, scale in zip(shape, sizes, scales, strict=True)
    ]
    if mode == "nearest":
        chosen = {
            axis: np.clip(NEAREST[nearest](p), 0, shape[axis] - 1).astype(np.int64)
            for axis, p in enumerate(places)
        }
        return gathered(op, source, chosen)
    return _interpolated(op, source, places)


def _interpolated(op: Operation, source: Activation, places: list[Array]) -> tuple[Node, ...]:
    changed = [
        (axis, p)
        for axis, p in enumerate(places)
        if not np.array_equal(p, np.arange(source.type.shape[axis]))
    ]
    here = source
    for index, (axis, p) in enumerate(changed):
        size = here.type.shape[axis]
        inside = np.clip(p, 0, size - 1)
        below = np.minimum(np.floor(inside).astype(np.int64), max(size - 2, 0))
        if len(p) * size > LARGEST_MAP:
            raise RefusalError(f"mixes {size} places to {len(p)}", _HINT)
        weight = np.zeros((len(p), size))
        rows = np.arange(len(p))
        weight[rows, below] = 1 - (inside - below)
        if size > 1:
            weight[rows, below + 1] += inside - below
        last = index == len(changed) - 1
        nodes = along(op, here, axis, weight, name=op.output if last else op.part(f"axis{axis}"))
        if last:
            return nodes
        here = op.emit(nodes)
    return ()


Coordinates = Callable[[Array, float, int, int], Array]
"""From places after, the scale and both sizes to places before."""

COORDINATES: Mapping[str, Coordinates] = {
    "half_pixel": lambda i, scale, before, after: (i + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda i, scale, before, after: (
        (i + 0.5) / scale - 0.5 if after > 1 else 0.0 * i
    ),
    "half_pixel_symmetric": lambda i, scale, before, after: (
        before / 2 * (1 - after / (scale * before)) + (i + 0.5) / scale - 0.5
    ),
    "align_corners": lambda i, scale, before, after: (
        i * (before - 1) / (after - 1) if after > 1 else 0.0 * i
    ),
    "asymmetric": lambda i, scale, before, after: i / scale,
}
"""ONNX's ways to say where a value of the new image lies in the old one."""

NEAREST: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda p: np.ceil(p - 0.5),
    "round_prefer_ceil": lambda p: np.floor(p + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
"""ONNX's ways to round a place."""


def _factors(op: Operation, index: int, rank: int) -> tuple[float, ...] | None:
    """Return the factors that a node gives, if it gives any."""
    given = op.numbers("scales") if op.type == "Upsample" else None
    if given is None and op.given(index) and op.constant(index).size:
        if op.constant(index).size > rank:
            raise RefusalError(f"has {op.constant(index).size} factors", _HINT)
        given = tuple(float(f) for f in op.parameter(index).reshape(-1))
    if given is not None and not all(0 < factor <= LARGEST_FACTOR for factor in given):
        raise RefusalError(f"enlarges by {given}", _HINT)
    return given


def _sizes(op: Operation, shape: tuple[int, ...]) -> tuple[list[int], list[float]]:
    """Return the new size of each axis behind the batch, and the factor it grows by."""
    rank = 1 + len(shape)
    listed = op.integers("axes")
    axes = [a + rank if a < 0 else a for a in (listed or range(rank))]
    policy = op.text("keep_aspect_ratio_policy", "stretch")
    at_scales, at_sizes = (1, 3) if op.type == "Upsample" or op.opset < 11 else (2, 3)
    factors, wanted = [1.0] * rank, [0] * rank
    given = _factors(op, at_scales, rank)
    target: tuple[int, ...] = ()
    if given is None and op.given(at_sizes):
        target, _ = op.sizes(at_sizes)
    if len(given or target) != len(axes) or any(not 0 <= a < rank for a in axes):
        raise RefusalError("has no constant factors", "export the model with fixed sizes")
    for place, axis in enumerate(axes):
        before = (op.batch, *shape)[axis]
        factors[axis] = given[place] if given else target[place] / before
        wanted[axis] = int(np.floor(before * factors[axis])) if given else target[place]
    if policy != "stretch" and target:
        choose = min if policy == "not_larger" else max
        factor = choose(factors[axis] for axis in axes)
        for axis in axes:
            factors[axis] = factor
            wanted[axis] = int(np.floor((op.batch, *shape)[axis] * factor + 0.5))
    if 0 in axes and factors[0] != 1:
        raise RefusalError("enlarges the batch", _HINT)
    sizes = [wanted[1 + i] if 1 + i in axes else n for i, n in enumerate(shape)]
    if min(sizes) < 1 or not np.all(np.isfinite(factors)) or min(factors) <= 0:
        raise RefusalError(f"resizes to {sizes}", _HINT)
    return sizes, factors[1:]
