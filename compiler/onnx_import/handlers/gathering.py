"""Operators that choose, repeat or surround values along their axes: ``Gather`` nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from ....ir import Array, Gather, Node, Rearrange, Reshape
from ..operation import Operation, shown
from ..values import Activation, RefusalError

_BATCH = "leave the batch axis as it is"
_AGAIN = "export the model again"

LARGEST = 2**26
"""Values that a repetition may make of one sample's."""


def slice_(op: Operation) -> tuple[Node, ...]:
    """Convert ``Slice``; its bounds are attributes up to opset 9, then inputs."""
    source = op.activation()
    shape = source.type.shape
    starts, ends = op.axes(1, "starts"), op.axes(2, "ends")
    if starts is None or ends is None:
        raise RefusalError("does not say where it begins and ends", _AGAIN)
    axes = op.axes(3, "axes") or tuple(range(len(starts)))
    steps = op.axes(4, "steps") or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise RefusalError("has bounds that do not belong together", _AGAIN)
    places: dict[int, Array] = {}
    for axis, *bounds in zip(axes, starts, ends, steps, strict=True):
        axis = normal(op, axis, 1 + len(shape))
        whole = axis == 0 and bounds[0] == 0 and bounds[1] >= 2**31 - 1 and bounds[2] == 1
        if axis == 0 and not whole:
            raise RefusalError("chooses samples of a batch", _BATCH)
        if axis > 0:
            size = shape[axis - 1]
            first, last, step = bounds
            if step < 0 and last < -size:  # before the first place; -1 would be the last one
                kept = np.arange(size)[first::step]
            else:
                kept = np.arange(size)[first:last:step]
            places[axis - 1] = kept
    return gathered(op, source, places)


def split(op: Operation, sizes: int) -> list[tuple[int, int]]:
    """Return where the parts of ``Split`` begin and end along its axis, behind the batch.

    Args:
        op: The node.
        sizes: How many outputs it has.
    """
    shape = op.activation().type.shape
    axis = normal(op, op.integer("axis", 0), 1 + len(shape))
    if axis == 0:
        raise RefusalError("splits a batch", "split along another axis")
    whole = shape[axis - 1]
    parts = op.axes(1, "split")
    count = op.integer("num_outputs", sizes)
    if count != sizes:
        raise RefusalError(f"num_outputs={count}, but it has {sizes}", _AGAIN)
    if parts is None:
        each = -(-whole // count)
        parts = (*(each,) * (count - 1), whole - each * (count - 1))
    if len(parts) != sizes or sum(parts) != whole or min(parts) < 1:
        raise RefusalError(f"its parts {shown(parts)} do not fit {whole}", _AGAIN)
    ends = np.cumsum(parts).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def part_of(op: Operation, name: str, begin: int, end: int) -> Node:
    """Return the node of one output of ``Split``."""
    source = op.activation()
    axis = normal(op, op.integer("axis", 0), 1 + len(source.type.shape)) - 1
    return Gather(name=name, inputs=(source.name,), axis=axis, places=np.arange(begin, end))


def gather(op: Operation) -> tuple[Node, ...]:
    """Convert ``Gather`` at constant places."""
    source = op.activation()
    shape = source.type.shape
    axis = normal(op, op.integer("axis", 0), 1 + len(shape)) - 1
    if axis < 0:
        raise RefusalError("chooses samples of a batch", _BATCH)
    if not op.is_constant(1):
        raise RefusalError("chooses places that depend on data", "choose constant places")
    indices = op.constant(1)
    size = shape[axis]
    if indices.dtype.kind not in "iu" or np.any(indices < -size) or np.any(indices >= size):
        raise RefusalError(f"chooses places that {size} values do not have", _AGAIN)
    places = np.where(indices < 0, indices + size, indices).astype(np.int64)
    target = (*shape[:axis], *places.shape, *shape[axis + 1 :])
    if not target or 0 in target:
        raise RefusalError("leaves nothing but the batch axis", "keep one feature axis")
    return gathered(op, source, {axis: places.reshape(-1)}, shape=target)


def tile(op: Operation) -> tuple[Node, ...]:
    """Convert ``Tile``."""
    source = op.activation()
    shape = source.type.shape
    repeats, other = op.sizes(1)
    fits = len(repeats) == 1 + len(shape) and repeats[0] == 1 and min(repeats) >= 1
    if not fits or repeats != other:
        raise RefusalError(f"repeats={shown(repeats)} repeats samples or nothing", _BATCH)
    expect_room(op, *(n * times for n, times in zip(shape, repeats[1:], strict=True)))
    return gathered(
        op, source, {a: np.tile(np.arange(n), repeats[1 + a]) for a, n in enumerate(shape)}
    )


def expand(op: Operation) -> tuple[Node, ...]:
    """Convert ``Expand`` that repeats along axes of size 1."""
    source = op.activation()
    shape = source.type.shape
    target, other = op.sizes(1)
    if len(target) > 1 + len(shape) or target[1:] != other[1:]:
        raise RefusalError(f"its target shape is {shown(target)}", _BATCH)
    wanted = [1] * (1 + len(shape) - len(target)) + list(target)
    follows = len(target) == 1 + len(shape) and (target[0], other[0]) == (1, 2)
    if not follows and wanted[0] not in (1, op.batch):
        raise RefusalError(f"its target shape {wanted} repeats samples", _BATCH)
    sizes = wanted[1:]
    if any(1 not in (size, n) and size != n for size, n in zip(sizes, shape, strict=True)):
        raise RefusalError(f"expands {shape} to {sizes}", _AGAIN)
    target_shape = tuple(map(max, sizes, shape))
    expect_room(op, *target_shape)
    return gathered(op, source, _repeated(shape, target_shape))


def space_to_depth(op: Operation) -> tuple[Node, ...]:
    """Convert ``SpaceToDepth``: the pixels of a block become channels."""
    source = op.image()
    size = op.integer("blocksize", 1)
    channels, height, width = source.type.shape
    if size < 1 or height % size or width % size:
        raise RefusalError(f"blocksize={size} does not divide {height}x{width}", _AGAIN)
    mode = op.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise RefusalError(f"mode={mode} is unknown", _AGAIN)
    node = Rearrange(
        name=op.output,
        inputs=(source.name,),
        split=(channels, height // size, size, width // size, size),
        order=(2, 4, 0, 1, 3) if mode == "DCR" else (0, 2, 4, 1, 3),
        shape=(channels * size**2, height // size, width // size),
    )
    return (node,)


def expect_room(op: Operation, *sizes: int) -> None:
    """Refuse what makes too many values, before any place of them is written down."""
    if min(sizes) < 0 or prod(sizes) > LARGEST or max(sizes) > LARGEST:
        raise RefusalError(f"makes {prod(sizes)} values of each sample", "use a smaller shape")


def broadcast(op: Operation, sources: list[Activation]) -> list[Activation]:
    """Return activations under one shape; values along axes of size 1 are repeated."""
    shapes = [source.type.shape for source in sources]
    rank = len(shapes[0])
    if any(len(shape) != rank for shape in shapes):
        raise _different(shapes)
    target = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    if any(size not in (1, n) for shape in shapes for size, n in zip(shape, target, strict=True)):
        raise _different(shapes)
    enlarged = []
    for source in sources:
        nodes = repeated(op, source, target, op.part("repeated"))
        enlarged.append(op.emit(nodes) if nodes else source)
    return enlarged


def repeated(
    op: Operation, source: Activation, target: tuple[int, ...], name: str
) -> tuple[Node, ...]:
    """Return the nodes that repeat an activation along its axes of size 1; none where it fits."""
    if target == source.type.shape:
        return ()
    expect_room(op, 1, *target)
    places = _repeated(source.type.shape, target)
    return gathers(op, source, places, name) if places else ()


def _different(shapes: list[tuple[int, ...]]) -> RefusalError:
    found = " and ".join(str(shape) for shape in shapes)
    return RefusalError(
        f"combines activations of shapes {found}", "bring both activations to one shape"
    )


def _repeated(shape: tuple[int, ...], target: tuple[int, ...]) -> dict[int, Array]:
    """Return the places that repeat the axes of size 1 up to a shape."""
    return {
        axis: np.zeros(size, np.int64)
        for axis, (size, before) in enumerate(zip(target, shape, strict=True))
        if size != before
    }


def surrounded(
    op: Operation, source: Activation, begins: list[int], ends: list[int], mode: str
) -> tuple[Node, ...]:
    """Return the nodes that add places before and behind each axis, or take some away.

    Args:
        op: The node.
        source: What it reads.
        begins: For each axis what is added before it; negative numbers are taken away.
        ends: Likewise behind it.
        mode: ``constant`` adds zeros; the others are those of ONNX ``Pad``.
    """
    expect_room(
        *(op, 1),
        *(
            n + max(a, 0) + max(b, 0)
            for n, a, b in zip(source.type.shape, begins, ends, strict=True)
        ),
    )
    how = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}
    if mode not in how:
        raise RefusalError(f"pads with {mode}", "pad with zeros, edge or reflect")
    places: dict[int, Array] = {}
    for axis, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        along = np.arange(source.type.shape[axis])
        kept = along[max(-begin, 0) : len(along) - max(-end, 0)]
        width = (max(begin, 0), max(end, 0))
        if not len(kept) or (mode == "reflect" and max(width) >= len(kept)):
            raise RefusalError(f"pads {len(along)} places by {begin} and {end}", _AGAIN)
        if mode == "constant":
            places[axis] = np.pad(kept, width, constant_values=-1)
        else:
            places[axis] = np.pad(kept, width, mode=how[mode])  # type: ignore[call-overload]
    return gathered(op, source, places)


def gathered(
    op: Operation,
    source: Activation,
    places: Mapping[int, Array],
    shape: tuple[int, ...] | None = None,
) -> tuple[Node, ...]:
    """Return the nodes that choose places along some axes; none where all stay as they are.

    Args:
        op: The node.
        source: What it reads.
        places: For each axis behind the batch its places; see ``Gather``.
        shape: What the result is viewed as, or None for what it is.
    """
    sizes = [len(places.get(axis, ())) or n for axis, n in enumerate(source.type.shape)]
    if any(not len(chosen) for chosen in places.values()):
        raise RefusalError("leaves no values", _AGAIN)
    expect_room(op, 1, *sizes)
    nodes = list(gathers(op, source, places, op.output))
    if shape is not None and shape != tuple(sizes):
        before = nodes[-1].name if nodes else source.name
        if nodes:
            nodes[-1] = replace(nodes[-1], name=op.part("gathered"))
            before = nodes[-1].name
        nodes.append(Reshape(name=op.output, inputs=(before,), shape=shape))
    return tuple(nodes)


def gathers(
    op: Operation, source: Activation, places: Mapping[int, Array], name: str
) -> tuple[Node, ...]:
    """Return one node for each axis that changes, the last one under a name."""
    changed = {
        axis: chosen.astype(np.int64)
        for axis, chosen in places.items()
        if not np.array_equal(chosen, np.arange(source.type.shape[axis]))
    }
    nodes: list[Node] = []
    for axis, chosen in sorted(changed.items(), key=lambda item: len(item[1])):
        before = nodes[-1].name if nodes else source.name
        last = len(nodes) == len(changed) - 1
        own = name if last else op.part(f"axis{axis}")
        nodes.append(Gather(name=own, inputs=(before,), axis=axis, places=chosen))
    return tuple(nodes)


def normal(op: Operation, axis: int, rank: int) -> int:
    """Return an axis counted from the front, the batch being 0."""
    if not -rank <= axis < rank:
        raise RefusalError(f"axis={axis} is not one of {rank}", _AGAIN)
    return axis + rank if axis < 0 else axis
