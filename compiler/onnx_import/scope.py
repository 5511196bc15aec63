"""Names of the tensors in a graph inside a node: two bodies may use the same ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from onnx import GraphProto, NodeProto

from .expansion import graphs_inside


def defined_names(graph: GraphProto) -> set[str]:
    """Return the names of the tensors that a graph has of its own."""
    inside = {value.name for value in graph.input} | {t.name for t in graph.initializer}
    return inside | {name for node in graph.node for name in node.output if name}


def local(body: GraphProto, defined: Collection[str], fresh: Callable[[str], str]) -> GraphProto:
    """Return a graph whose own tensors have names that are not defined yet.

    Args:
        body: The graph inside a node.
        defined: Names of the tensors outside of it.
        fresh: Returns a name that no tensor has, made from the one given.
    """
    rename = {name: fresh(name) for name in sorted(defined_names(body)) if name in defined}
    renamed = GraphProto()
    renamed.CopyFrom(body)
    if rename:
        _rename(renamed, rename)
    return renamed


def _rename(graph: GraphProto, rename: Mapping[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = rename.get(value.name, value.name)
    for node in graph.node:
        _rename_node(node, rename)


def _rename_node(node: NodeProto, rename: Mapping[str, str]) -> None:
    for names in (node.input, node.output):
        names[:] = [rename.get(name, name) for name in names]
    for graph in graphs_inside(node):
        _rename(graph, rename)
