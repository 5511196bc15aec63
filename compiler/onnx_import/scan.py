"""Converts ``Scan``: the nodes of its body, and the values they carry to the next element.

A network that reads a sequence is computed as a whole for each element in turn. What stands
behind a Scan and reads its last state is computed for each element too: its value at the last
element is the model's. What would make that wrong is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import GraphProto, NodeProto

from ...ir import Array, Input, Previous, TensorType
from .liveness import standard
from .operation import Operation
from .values import Activation, Constant, Elements, RefusalError, Unknown, Value

if TYPE_CHECKING:
    from .walk import Walk

OLDEST_OPSET = 9
"""Before it, a Scan had another form."""

_INPUT = "scan an input of the model, and put what stands before the Scan into its body"


@dataclass(frozen=True)
class Scan:
    """The attributes of a Scan.

    Attributes:
        body: The graph that is computed for each element.
        scanned: Number of sequences that are read; the states come before them.
        axes: For each sequence that is read, the axis of its elements.
        out_axes: For each that is written.
        backward: Whether one of them is read or written from its end.
    """

    body: GraphProto
    scanned: int
    axes: tuple[int, ...]
    out_axes: tuple[int, ...]
    backward: bool

    @classmethod
    def of(cls, node: NodeProto) -> Scan:
        """Read the attributes of a node."""
        found = {attribute.name: attribute for attribute in node.attribute}
        scanned = int(found["num_scan_inputs"].i)
        if not 0 < scanned <= len(node.input):
            raise RefusalError(f"num_scan_inputs={scanned} fits no input", "export it again")
        written = len(node.output) - (len(node.input) - scanned)

        def listed(name: str, count: int) -> tuple[int, ...]:
            return tuple(int(i) for i in found[name].ints) if name in found else (0,) * count

        body, axes = found["body"].g, listed("scan_input_axes", scanned)
        out_axes = listed("scan_output_axes", written)
        ports = (len(body.input), len(body.output), len(axes), len(out_axes))
        if ports != (len(node.input), len(node.output), scanned, written):
            raise RefusalError("its body has other inputs or outputs than it", "export it again")
        directions = listed("scan_input_directions", 0) + listed("scan_output_directions", 0)
        return cls(
            body=body,
            scanned=scanned,
            axes=axes,
            out_axes=out_axes,
            backward=any(directions),
        )


def scanned_tensors(nodes: Sequence[NodeProto]) -> set[str]:
    """Return the names of the tensors that a Scan reads, also through a change of their axes."""
    scanned: set[str] = set()
    for node in reversed(nodes):
        if node.op_type == "Scan" and standard(node):
            with suppress(RefusalError):  # it is refused when it is converted
                scanned.update(node.input[-Scan.of(node).scanned :])
            continue
        layer = node.op_type in ("RNN", "GRU", "LSTM") and standard(node)
        if layer or (node.op_type in VIEWS and scanned.intersection(node.output)):
            scanned.add(node.input[0])
    return scanned


def convert(walk: Walk, node: NodeProto, values: Sequence[Value], opset: int) -> None:
    """Convert a Scan: walk through its body, and say what its outputs are.

    Args:
        walk: The walk through the graph that holds it.
        node: The Scan.
        values: What its inputs are.
        opset: Version of the standard operators.
    """
    if opset < OLDEST_OPSET:
        raise RefusalError(f"has the form of opset {opset}", "export the model with opset 13")
    scan = Scan.of(node)
    if scan.backward:
        raise RefusalError("goes backward", "scan forward: later elements are not there yet")
    elements = [
        _scanned(value, axis)
        for value, axis in zip(values[-scan.scanned :], scan.axes, strict=True)
    ]
    _same_count(walk)
    body, inner = walk.enter(scan.body)
    states = [
        Previous(
            name=inside.name,
            source=after.name,
            type=TensorType(initial.shape),
            initial=initial,
        )
        for inside, after, initial in zip(
            body.input, body.output, map(initial_state, values[: -scan.scanned]), strict=False
        )
    ]
    for state in states:
        walk.values[state.name] = walk.emit((state,))
    for inside, sequence in zip(body.input[len(states) :], elements, strict=True):
        walk.values[inside.name] = sequence.element
    _refuse_other_sequences(walk, body, inner.tensors)
    for inside in inner.nodes:
        walk.visit(inside, tail=False)
    results = [walk.value(value.name) for value in body.output]
    count = elements[0].count
    for index, (name, result) in enumerate(zip(node.output, results, strict=True)):
        if isinstance(result, Unknown):
            walk.values[name] = result
        elif not isinstance(result, Activation):
            raise RefusalError(f"its output {index} does not depend on the input", "remove it")
        elif index < len(states):
            _close(walk, states[index], result)
            walk.values[name] = result
        else:
            walk.values[name] = Elements(result, count, scan.out_axes[index - len(states)])


def _scanned(value: Value, axis: int) -> Elements:
    if not isinstance(value, Elements):
        raise RefusalError("scans a value that is computed before it", _INPUT)
    rank = 2 + len(value.element.type.shape)
    if axis % rank != value.axis:
        raise RefusalError(
            f"scans axis {axis}, but the elements are on axis {value.axis}",
            "export the model with the batch first and scan_input_axes=[1] (batch_first=True)",
        )
    return value


def _same_count(walk: Walk) -> None:
    counts = {n.sequence for n in walk.nodes.values() if isinstance(n, Input) and n.sequence}
    if len(counts) > 1:
        raise RefusalError(
            f"the model reads sequences of different lengths: {sorted(counts)}",
            "give all sequences of the model one length",
        )


def initial_state(value: Value) -> Array:
    """Return what a state is before the first element, the same for every sample."""
    if not isinstance(value, Constant):
        raise RefusalError(
            "its initial state is computed while the model runs", "begin with a constant state"
        )
    both = (value.value, value.other)
    if any(array.ndim == 0 or not len(array) for array in both):
        raise RefusalError("its initial state has no batch axis", "export the model again")
    if any(not np.array_equal(a, np.broadcast_to(both[0][:1], a.shape)) for a in both):
        raise RefusalError(
            "its initial state differs from sample to sample", "begin with one constant state"
        )
    return np.asarray(both[0][0], np.float64)


def _refuse_other_sequences(walk: Walk, body: GraphProto, read: frozenset[str]) -> None:
    """Refuse a body that reads from outside what is another value at every element.

    In ONNX it would be the value at the last element of another Scan, always.
    """
    inside = {value.name for value in body.input}
    for name in sorted(read - inside):
        value = walk.values.get(name)
        if isinstance(value, Elements) or (
            isinstance(value, Activation) and value.name in walk.running
        ):
            raise RefusalError(
                f"its body reads {name!r}, which another Scan computes",
                "hand it over as a sequence: make it a scan output there and a scan input here",
            )


def _close(walk: Walk, state: Previous, after: Activation) -> None:
    """Let a state carry the value that the body computes."""
    if after.grid is not None or after.function != "identity":
        raise RefusalError(
            "its state leaves the body as integers or behind a function that is not rounded",
            "end the body with QuantizeLinear and DequantizeLinear of the state",
        )
    if after.type != state.type:
        raise RefusalError(
            f"its state begins as {state.type.shape} and goes on as {after.type.shape}",
            "give the state one shape",
        )
    walk.nodes[state.name] = replace(state, source=after.name)


# Operators that read a sequence as a whole and only look at it


def transpose(op: Operation, source: Elements) -> Value:
    """Convert ``Transpose`` that exchanges batch and elements."""
    order = op.integers("perm")
    if order is None or order != (1, 0, *range(2, len(order))):
        raise RefusalError("moves axes of a sequence", "exchange batch and elements only")
    return replace(source, axis=1 - source.axis)


def gather(op: Operation, source: Elements) -> Value:
    """Convert ``Gather`` of the last element."""
    index = op.constant(1)
    rank = 2 + len(source.element.type.shape)
    last = index.ndim == 0 and int(index) in (-1, source.count - 1)
    if op.integer("axis", 0) % rank != source.axis or not last:
        raise RefusalError("takes apart a sequence", "read its last element only")
    return source.element


def identity(op: Operation, source: Elements) -> Value:
    """Convert ``Identity``."""
    return source


VIEWS: dict[str, Callable[[Operation, Elements], Value]] = {
    "Gather": gather,
    "Identity": identity,
    "Transpose": transpose,
}
"""What reads a sequence as a whole."""
