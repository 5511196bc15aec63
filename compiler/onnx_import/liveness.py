"""Which nodes and tensors of an ONNX graph its outputs depend on, and which only label them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onnx import GraphProto, NodeProto

READOUT = ("Softmax", "LogSoftmax", "ArgMax")
"""Operators that name the winner of an output without changing which one it is."""


@dataclass(frozen=True)
class Live:
    """What the outputs of a graph depend on.

    Attributes:
        nodes: The ONNX nodes, in order.
        tensors: All tensors that these nodes or the outputs read.
        tail: For each node, whether only graph outputs and other nodes of the tail read it, and
            it is an operator that may stand in a tail.
    """

    nodes: tuple[NodeProto, ...]
    tensors: frozenset[str]
    tail: tuple[bool, ...]


def live_part(graph: GraphProto) -> Live:
    """Return what the outputs of a graph depend on."""
    tensors = {value.name for value in graph.output}
    read_inside: set[str] = set()  # by nodes that are not in the tail
    nodes, tail = [], []
    for node in reversed(graph.node):
        if not any(name in tensors for name in node.output if name):
            continue
        labels = standard(node) and node.op_type in (*READOUT, "Cast", "Identity")
        in_tail = labels and read_inside.isdisjoint(node.output)
        nodes.append(node)
        tail.append(in_tail)
        reads = set(reads_of(node))
        tensors |= reads
        if not in_tail:
            read_inside |= reads
    return Live(tuple(reversed(nodes)), frozenset(tensors), tuple(reversed(tail)))


def readers(live: Live, graph: GraphProto) -> Mapping[str, frozenset[str | None]]:
    """Return the operators that read each tensor; None for an output of the graph."""
    found: dict[str, set[str | None]] = {value.name: {None} for value in graph.output}
    for node in live.nodes:
        for name in node.input:
            found.setdefault(name, set()).add(node.op_type)
    return {name: frozenset(operators) for name, operators in found.items()}


def standard(node: NodeProto) -> bool:
    """Whether a node is a standard ONNX operator."""
    return not domain(node)


def domain(node: NodeProto) -> str:
    """Return the domain of a node's operator, empty for the standard one."""
    return "" if node.domain == "ai.onnx" else node.domain


def reads_of(node: NodeProto) -> Iterator[str]:
    """Yield the tensors a node reads, also those that graphs inside it take from outside."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from reads_of(inner)
