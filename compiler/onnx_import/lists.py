"""Lists of tensors, of a length known before the model runs, as loops fill them.

A list is nothing in the network: only the tensors in it are. ``torch`` exports
``torch.stack(outputs, 1)`` as SequenceEmpty, a SequenceInsert in each trip, and
ConcatFromSequence. What a loop writes trip by trip is a list as well: ONNX puts the trips on an
axis before that of the batch, where no tensor of the network has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...ir import Concat, Gather, Reshape
from .handlers.gathering import normal
from .handlers.join import concat
from .handlers.shape import rearranged
from .operation import MOST_LISTED, Operation
from .values import Activation, Constant, Listed, RefusalError, Value

_AGAIN = "export the model again"
_CONSTANTS = "fold what does not depend on the input before the export"
_FRONT = "bring the batch to the front with Transpose, or choose one trip with Gather"

Rule = Callable[[Operation, int], Value]
"""Converts an operator; the number says how many axes a tensor has before those of a sample."""


def stacked(items: Sequence[Value]) -> Value:
    """Return what a loop writes: the values of its trips along a new axis before all others."""
    if not items:
        raise RefusalError("makes no trip, so that what it writes is empty", "remove the loop")
    constants = [item for item in items if isinstance(item, Constant)]
    if len(constants) == len(items):
        return _joined(constants, 0, new=True)
    return Listed(tuple(items), stacked=True)


def in_front(op: Operation, items: Sequence[Value], name: str) -> Activation:
    """Return real numbers one after the other along a new first axis of a sample."""
    sources = [_real(item) for item in items]
    shape = sources[0].type.shape if sources else ()
    if not sources or any(source.type.shape != shape for source in sources):
        raise RefusalError("puts tensors of several shapes, or none, beside each other", _AGAIN)
    views = [
        op.emit((Reshape(name=op.part("row"), inputs=(source.name,), shape=(1, *shape)),))
        for source in sources
    ]
    if len(views) == 1:
        return op.emit((Reshape(name=name, inputs=(views[0].name,), shape=(1, *shape)),))
    return op.emit((Concat(name=name, inputs=tuple(view.name for view in views)),))


# -- lists that are made -------------------------------------------------------------------------


def _empty(op: Operation, front: int) -> Value:
    op.ignore("dtype")
    return Listed(())


def _construct(op: Operation, front: int) -> Value:
    return Listed(op.inputs)


def _split(op: Operation, front: int) -> Value:
    """Convert ``SplitToSequence``: parts of a tensor along an axis.

    Where ``split`` is one number, ``keepdims`` counts in ONNX Runtime, as exporters expect, but
    not in the words of ONNX.
    """
    source = op.activation()
    rank = front + len(source.type.shape)
    axis = normal(op, op.integer("axis", 0), rank) - front
    keeps = op.integer("keepdims", 1) or (op.given(1) and op.constant(1).ndim > 0)
    if axis < 0:
        raise RefusalError("splits a batch", "split along another axis")
    shape = source.type.shape
    sizes = _parts(op, shape[axis])
    if not keeps and set(sizes) != {1}:
        raise RefusalError("takes the axis of parts away that have several places", _AGAIN)
    ends = np.cumsum(sizes).tolist()
    items = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        places = np.arange(begin, end)
        item = op.emit(
            (Gather(name=op.part("part"), inputs=(source.name,), axis=axis, places=places),)
        )
        if not keeps:
            rest = (*shape[:axis], *shape[axis + 1 :])
            item = op.emit((Reshape(name=op.part("item"), inputs=(item.name,), shape=rest),))
        items.append(item)
    return Listed(tuple(items))


# -- lists that are read -------------------------------------------------------------------------


def _insert(op: Operation, front: int) -> Value:
    items = list(_items(op))
    place = _place(op, 2, len(items) + 1) if op.given(2) else len(items)
    return Listed((*items[:place], op.inputs[1], *items[place:]))


def _at(op: Operation, front: int) -> Value:
    items = _items(op)
    return items[_place(op, 1, len(items))]


def _length(op: Operation, front: int) -> Value:
    count = np.array(len(_items(op)), np.int64)
    return Constant(count, count)


def _concat(op: Operation, front: int) -> Value:
    """Convert ``ConcatFromSequence``: along an axis there is, or along a new one."""
    items, axis = _items(op), op.integer("axis", 0)
    new = bool(op.integer("new_axis", 0))
    constants = [item for item in items if isinstance(item, Constant)]
    if items and len(constants) == len(items):
        return _joined(constants, axis, new=new)
    ranks = [front + len(i.type.shape) for i in items if isinstance(i, Activation)]
    axis = normal(op, axis, max(ranks, default=0) + new)
    if not new:
        nodes = concat(op.altered(items, axis=axis + 1 - front))
        return op.emit(nodes) if nodes else items[0]
    if axis < front:
        return stacked(items)
    return _moved(op, in_front(op, items, op.part("rows")), axis - front)


def _identity(op: Operation, front: int) -> Value:
    return op.inputs[0]


# -- what a loop wrote ---------------------------------------------------------------------------


def _gather(op: Operation, front: int) -> Value:
    items, index = _items(op), op.constant(1)
    if op.integer("axis", 0) != 0 or index.ndim > 1 or index.dtype.kind not in "iu":
        raise RefusalError("takes apart what a loop wrote, other than by its trips", _FRONT)
    if np.any(index < -len(items)) or np.any(index >= len(items)) or not index.size:
        raise RefusalError(f"chooses trips that {len(items)} do not have", _AGAIN)
    chosen = tuple(items[i] for i in index.reshape(-1).tolist())
    return Listed(chosen, stacked=True) if index.ndim else chosen[0]


def _transpose(op: Operation, front: int) -> Value:
    """Convert ``Transpose`` that brings the batch to the front, whatever it does behind it."""
    made = in_front(op, _items(op), op.part("rows"))
    order = op.integers("perm") or tuple(reversed(range(1 + len(made.type.shape))))
    if sorted(order) != list(range(1 + len(made.type.shape))) or order[0] != 1:
        raise RefusalError(f"perm={list(order)} leaves the batch behind the trips", _FRONT)
    moved = tuple(axis and axis - 1 for axis in order[1:])
    shape = tuple(made.type.shape[axis] for axis in moved)
    return op.emit((rearranged(op.output, made, made.type.shape, moved, shape),))


READS: Mapping[str, Rule] = {
    "ConcatFromSequence": _concat,
    "Identity": _identity,
    "SequenceAt": _at,
    "SequenceInsert": _insert,
    "SequenceLength": _length,
}
STACKED: Mapping[str, Rule] = {"Gather": _gather, "Identity": _identity, "Transpose": _transpose}
MAKES: Mapping[str, Rule] = {
    "SequenceConstruct": _construct,
    "SequenceEmpty": _empty,
    "SplitToSequence": _split,
}
OPERATORS = frozenset({*MAKES, *READS})
"""Operators that make or read lists, those among them that do other things as well."""


def rule_of(operator: str, source: Value) -> Rule | None:
    """Return what converts a standard operator that makes or reads a list, if it is one."""
    if isinstance(source, Listed):
        return (STACKED if source.stacked else READS).get(operator)
    return MAKES.get(operator)


def _items(op: Operation) -> tuple[Value, ...]:
    source = op.inputs[0]
    assert isinstance(source, Listed)
    return source.items


def _place(op: Operation, index: int, count: int) -> int:
    """Return a constant place in a list, counted from the front."""
    place = op.constant(index)
    if place.size != 1 or place.dtype.kind not in "iu":
        raise RefusalError("its place in the list is not one integer", _AGAIN)
    return normal(op, int(place.reshape(-1)[0]), count)


def _real(item: Value) -> Activation:
    if not isinstance(item, Activation) or item.grid is not None or item.function != "identity":
        raise RefusalError(
            "puts constants or integers beside activations", "keep what is joined real numbers"
        )
    return item


def _moved(op: Operation, source: Activation, axis: int) -> Activation:
    """Return an activation whose first axis is moved to another place."""
    order = [*range(1, len(source.type.shape))]
    order.insert(axis, 0)
    shape = tuple(source.type.shape[a] for a in order)
    return op.emit((rearranged(op.output, source, source.type.shape, tuple(order), shape),))


def _joined(items: Sequence[Constant], axis: int, *, new: bool) -> Constant:
    """Return constants one after the other, along a new axis or one there is."""
    if sum(item.value.size + item.other.size for item in items) > 2 * MOST_LISTED:
        raise RefusalError(f"joins constants of more than {MOST_LISTED} numbers", _CONSTANTS)
    join = np.stack if new else np.concatenate
    one, two = (
        join([getattr(item, side) for item in items], axis=axis) for side in ("value", "other")
    )
    return Constant(one, two)


def _parts(op: Operation, whole: int) -> tuple[int, ...]:
    """Return the sizes of the parts of ``SplitToSequence``: 1, one number, or as listed."""
    listed = op.constant(1) if op.given(1) else np.array(1)
    if listed.dtype.kind not in "iu" or listed.size > MOST_LISTED or np.any(listed < 1):
        raise RefusalError("its parts are not a few sizes", _AGAIN)
    if not listed.ndim and whole <= MOST_LISTED * int(listed):
        size = min(int(listed), whole)
        listed = np.array([size] * (whole // size) + [whole % size] * (whole % size > 0))
    if listed.ndim != 1 or listed.sum() != whole:
        raise RefusalError(f"makes {listed.size} parts of {whole}", _AGAIN)
    return tuple(listed.tolist())
