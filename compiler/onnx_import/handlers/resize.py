"""Images of another size: nearest values repeated or left out, others as linear maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from math import prod

import numpy as np

from ....ir import Affine, Array, Node
from ..operation import Operation
from ..values import Activation, RefusalError
from . import interpolation
from .along import along
from .gathering import expect_room, gathered

LARGEST_FACTOR = 1 << 16
"""By how much more numbers an enlarged image may have."""

_HINT = "resize with mode nearest, linear or cubic, to fixed sizes"
CROP = "tf_crop_and_resize"
"""The coordinates that take a part of the image; what lies outside of it has one value."""

_INERT = ("cubic_coeff_a", "exclude_outside", "extrapolation_value")


def resize(op: Operation) -> tuple[Node, ...]:
    """Convert ``Resize`` and ``Upsample``.

    Nearest values are chosen along each axis; linear and cubic interpolation are linear maps
    along each axis.
    """
    op.ignore(*_INERT)
    source = op.activation()
    shape = source.type.shape
    mode = op.text("mode", "nearest")
    old = op.type == "Upsample" or op.opset < 11  # Resize of opset 10 has no coordinates
    how = "asymmetric" if old else op.text("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else op.text("nearest_mode", "round_prefer_floor")
    if mode not in ("nearest", "linear", "bilinear", "cubic") or how not in (*COORDINATES, CROP):
        raise RefusalError(f"is {mode}, {how}", _HINT)
    if nearest not in NEAREST:
        raise RefusalError(f"has an unknown nearest_mode {nearest}", _HINT)
    sizes, scales = _sizes(op, shape)
    if prod(sizes) > LARGEST_FACTOR * prod(shape):
        raise RefusalError(f"enlarges {shape} to {tuple(sizes)}", _HINT)
    expect_room(op, 1, *sizes)
    bounds = _cropped(op, shape) if how == CROP else [(0.0, 1.0)] * len(shape)
    places = [
        _part_of_axis(np.arange(after), before, after, *bound)
        if how == CROP
        else COORDINATES[how](np.arange(after), scale, before, after)
        for before, after, scale, bound in zip(shape, sizes, scales, bounds, strict=True)
    ]
    rounding = NEAREST[nearest] if mode == "nearest" else None
    value = op.number("extrapolation_value", 0.0) if how == CROP else 0.0
    inside = [
        (p >= 0) & (p <= size - 1) | (how != CROP) for p, size in zip(places, shape, strict=True)
    ]
    if not value or all(there.all() for there in inside):
        return _resized(op, source, places, inside, scales, rounding)
    made = op.emit(
        _resized(
            op.reading(*op.inputs, name=op.part("image")), source, places, inside, scales, rounding
        )
    )
    shift = value * (1.0 - reduce(np.multiply.outer, inside))
    return (Affine(name=op.output, inputs=(made.name,), scale=np.ones(()), shift=shift),)


def _part_of_axis(i: Array, before: int, after: int, start: float, end: float) -> Array:
    """Return where the places after lie in the part of an axis from ``start`` to ``end``."""
    if after == 1:
        return np.asarray(0.0 * i + 0.5 * (start + end) * (before - 1))
    return np.asarray((start + i * (end - start) / (after - 1)) * (before - 1))


def _cropped(op: Operation, shape: tuple[int, ...]) -> list[tuple[float, float]]:
    """Return where the part begins and ends along each axis behind the batch, 1 the whole."""
    rank = 1 + len(shape)
    axes = [a + rank if a < 0 else a for a in (op.integers("axes") or range(rank))]
    part = op.parameter(1).reshape(-1) if op.given(1) else np.zeros(0)
    if len(part) != 2 * len(axes) or not np.all(np.abs(part) < LARGEST_FACTOR):
        raise RefusalError(f"takes a part of {part.size} bounds", "export the model again")
    half = len(axes)
    bounds = {a: (float(part[i]), float(part[half + i])) for i, a in enumerate(axes)}
    if bounds.get(0, (0.0, 1.0)) != (0.0, 1.0):
        raise RefusalError("takes a part of the batch", _HINT)
    return [bounds.get(1 + axis, (0.0, 1.0)) for axis in range(len(shape))]


def _resized(
    op: Operation,
    source: Activation,
    places: list[Array],
    inside: list[Array],
    scales: list[float],
    rounding: Callable[[Array], Array] | None,
) -> tuple[Node, ...]:
    """Return the nodes that take values at places of each axis, 0 where they are not inside."""
    shape = source.type.shape
    if rounding is not None:
        chosen = {
            axis: np.where(inside[axis], np.clip(rounding(p), 0, shape[axis] - 1), -1)
            for axis, p in enumerate(places)
        }
        return gathered(op, source, {axis: p.astype(np.int64) for axis, p in chosen.items()})
    matrices = _matrices(op, places, shape, scales)
    spread = {axis: weight * inside[axis][:, None] for axis, weight in matrices.items()}
    return _interpolated(op, source, spread)


def _matrices(
    op: Operation, places: list[Array], shape: tuple[int, ...], scales: list[float]
) -> dict[int, Array]:
    """Return the linear map along each axis that changes."""
    smooths = bool(op.integer("antialias", 0))
    cubic = op.text("mode", "nearest") == "cubic"
    kernel = interpolation.cubic(op.number("cubic_coeff_a", -0.75)) if cubic else None
    found = {}
    for axis, p in enumerate(places):
        size, scale = shape[axis], scales[axis]
        if np.array_equal(p, np.arange(size)):
            continue
        found[axis] = interpolation.interpolation(
            p if cubic or smooths else np.clip(p, 0, size - 1),
            size,
            kernel or interpolation.linear,
            shrinking=min(scale, 1.0) if smooths else 1.0,
            only_inside=bool(op.integer("exclude_outside", 0)),
        )
    return found


def _interpolated(
    op: Operation, source: Activation, matrices: Mapping[int, Array]
) -> tuple[Node, ...]:
    here = source
    for index, (axis, weight) in enumerate(matrices.items()):
        last = index == len(matrices) - 1
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
