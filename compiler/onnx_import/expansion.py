"""How many nodes a model has once its functions are put in the place of their calls.

Thirty functions, each of which calls the next one twice, stand for a billion nodes: they are
counted before they are written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, NodeProto

MOST_NODES = 100_000
"""Nodes a model may have; the largest in use have some ten thousand."""

Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


def expanded_nodes(model: ModelProto) -> int:
    """Return the number of nodes with all functions written out, graphs inside nodes included.

    Functions that call themselves count as ``MOST_NODES`` and one more.
    """
    bodies = {(f.domain, f.name, f.overload): tuple(_all_nodes(f.node)) for f in model.functions}
    counted: dict[Key, int] = {}

    def count(nodes: Iterable[NodeProto]) -> int:
        return sum(1 + counted.get(_key(node), 0) for node in nodes)

    pending = dict(bodies)
    while pending:  # from those that call no others upwards
        ready = [
            key
            for key, nodes in pending.items()
            if not any(_key(node) in pending for node in nodes)
        ]
        if not ready:
            return MOST_NODES + 1
        for key in ready:
            counted[key] = count(pending.pop(key))
    return count(_all_nodes(model.graph.node))


def all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Yield the nodes of a model and of its functions, those of graphs inside nodes too."""
    for part in (model.graph, *model.functions):
        yield from _all_nodes(part.node)


def graphs_inside(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs that a node holds itself."""
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _key(node: NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


def _all_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield nodes and those of the graphs inside them."""
    for node in nodes:
        yield node
        for graph in graphs_inside(node):
            yield from _all_nodes(graph.node)
