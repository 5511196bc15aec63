"""Converts ``Loop`` with known trips: the nodes of its body, once for each trip.

The number of the trip is a constant in each of them, and so is whatever follows from it: places
that are chosen, and the condition that ends the loop. What no trip changes is converted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from onnx import GraphProto, NodeProto

from .conditional import truth
from .lists import in_front, stacked
from .liveness import reads_of
from .values import Constant, Listed, RefusalError, Value

if TYPE_CHECKING:
    from .walk import Walk

MOST_NODES = 10_000
"""Nodes that all loops of a model may have together once they are written out."""

_SHORTER = "use fewer trips, or export the loop as a Scan over a sequence"


def convert(walk: Walk, node: NodeProto, values: Sequence[Value], opset: int) -> None:
    """Convert a ``Loop``: walk through its body as often as it is computed.

    Args:
        walk: The walk through the graph that holds it.
        node: The Loop.
        values: What its inputs are: trips, condition, and what a trip hands to the next one.
        opset: Version of the standard operators.
    """
    (body,) = (attribute.g for attribute in node.attribute if attribute.name == "body")
    carried = list(values[2:])
    rows: list[list[Value]] = [[] for _ in node.output[len(carried) :]]
    if len(body.input) != 2 + len(carried) or len(body.output) != 1 + len(node.output):
        raise RefusalError("its body has other inputs or outputs than it", "export it again")
    most = _trips(values[0])
    goes_on = most > 0 and (values[1] is None or truth(values[1]))
    changing = _without_invariants(walk, body) if goes_on else body
    counted = _ends_by_count(changing)
    trip = 0
    while goes_on:
        if trip and counted:  # it will not end sooner
            _expect_room(walk, (most - trip) * max(1, len(changing.node)))
        condition, *results = _once(walk, changing, trip, carried)
        carried, written = results[: len(carried)], results[len(carried) :]
        for row, value in zip(rows, written, strict=True):
            row.append(value)
        trip += 1
        goes_on = trip < most and truth(condition)
    written = [_written(walk, node, values, row) for row in rows]
    outputs = (*carried, *written)
    walk.values.update((n, value) for n, value in zip(node.output, outputs, strict=True) if n)


def _trips(value: Value) -> int:
    """Return how many trips there are at most."""
    if value is None:
        return MOST_NODES + 1  # the condition ends it, or it is too long
    if not isinstance(value, Constant) or not value.fixed or value.value.size != 1:
        raise RefusalError("the number of its trips depends on data", _SHORTER)
    return int(value.value.reshape(-1)[0])


def _without_invariants(walk: Walk, body: GraphProto) -> GraphProto:
    """Convert what is the same in every trip, and return the rest of a body."""
    body, inner = walk.enter(body)
    rest = GraphProto(name=body.name, input=body.input, output=body.output)
    changing = {value.name for value in body.input}
    fixed = []
    for node in inner.nodes:
        if changing.isdisjoint(reads_of(node)):
            fixed.append(node)
        else:
            changing.update(node.output)
            rest.node.append(node)
    walk.inside(fixed)
    return rest


def _once(walk: Walk, body: GraphProto, trip: int, carried: Sequence[Value]) -> list[Value]:
    """Convert one trip, and return what its outputs are."""
    _expect_room(walk, max(1, len(body.node)))
    walk.unrolled += max(1, len(body.node))
    walk.trips.append(trip)
    try:
        body, inner = walk.enter(body)
        known = (_constant(np.int64(trip)), _constant(np.bool_(True)), *carried)
        walk.values.update((v.name, value) for v, value in zip(body.input, known, strict=True))
        walk.inside(inner.nodes)
    finally:
        walk.trips.pop()
    return [walk.value(value.name) for value in body.output]


def _ends_by_count(body: GraphProto) -> bool:
    """Whether the condition that a trip hands on follows from the one it was given alone."""
    needed = {body.output[0].name}
    for node in reversed(body.node):
        if not needed.isdisjoint(node.output):
            needed.update(reads_of(node))
    number, _, *carried = (value.name for value in body.input)
    return needed.isdisjoint((number, *carried))


def _expect_room(walk: Walk, nodes: int) -> None:
    """Refuse a loop that would be too long, written out."""
    if walk.unrolled + nodes > MOST_NODES:
        raise RefusalError(f"has more than {MOST_NODES} nodes when it is written out", _SHORTER)


def _written(walk: Walk, node: NodeProto, values: Sequence[Value], row: Sequence[Value]) -> Value:
    """Return what the trips wrote: an axis before that of the batch, unless there is none."""
    value = stacked(row)
    if not walk.unbatched or not isinstance(value, Listed):
        return value
    op = walk.operation(node, list(values), several=True)
    return in_front(op, row, op.part("trips"))


def _constant(number: np.generic) -> Constant:
    array = np.asarray(number)
    return Constant(array, array)
