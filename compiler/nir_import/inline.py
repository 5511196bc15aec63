"""Graphs inside graphs are written out: one flat graph, with names like ``rnn/lif``."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...ir.errors import Problem
from .nodes import Identity, Input, NirGraph, NirNode, Output


def inlined(graph: NirGraph) -> tuple[NirGraph, list[Problem]]:
    """Return the same network without graphs inside it, and what is wrong with its edges.

    The ports of an inner graph become nodes that pass values on. An edge names a graph and not
    one of its ports, so an inner graph has one input and one output.
    """
    writing = _Writing()
    writing.write(graph, "")
    if not any(isinstance(node, Input) for node in graph.nodes.values()):
        writing.problem("the graph", "has no node Input", "add one in front of its first node")
    if not any(isinstance(node, Output) for node in graph.nodes.values()):
        writing.problem("the graph", "has no node Output", "add one behind its last node")
    edges = tuple(dict.fromkeys(writing.edges))
    return NirGraph(nodes=writing.nodes, edges=edges), writing.problems


@dataclass
class _Writing:
    nodes: dict[str, NirNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, where: str, what: str, hint: str) -> None:
        self.problems.append(Problem(f"{where}: {what}", hint))

    def write(self, graph: NirGraph, prefix: str) -> None:
        """Add the nodes and the edges of a graph."""
        for name, node in graph.nodes.items():
            if isinstance(node, NirGraph):
                self.write(node, f"{prefix}{name}/")
                continue
            inner_port = prefix and isinstance(node, (Input, Output))
            if prefix + name in self.nodes:
                self.problem(prefix + name, "two nodes have this name", "rename one of them")
            self.nodes[prefix + name] = Identity() if inner_port else node
        for source, target in graph.edges:
            ends = (
                self.end(graph, prefix, source, Output, (source, target)),
                self.end(graph, prefix, target, Input, (source, target)),
            )
            if ends[0] is not None and ends[1] is not None:
                self.edges.append((ends[0], ends[1]))

    def end(
        self,
        graph: NirGraph,
        prefix: str,
        name: str,
        port: type[Input | Output],
        edge: tuple[str, str],
    ) -> str | None:
        """Return the node that an edge begins or ends at; of an inner graph that is its port."""
        said = f"the edge from {edge[0]!r} to {edge[1]!r}"
        if name not in graph.nodes:
            self.problem(prefix + name, f"{said} names a node that is not there", "remove the edge")
            return None
        node = graph.nodes[name]
        if not prefix and isinstance(node, port):
            way = "leaves an output" if port is Output else "enters an input"
            self.problem(name, f"{said} {way}", "turn the edge round")
            return None
        if not isinstance(node, NirGraph):
            return prefix + name
        ports = [inner for inner, each in node.nodes.items() if isinstance(each, port)]
        if len(ports) != 1:
            self.problem(
                prefix + name,
                f"{said} is ambiguous: the graph has {len(ports)} nodes {port.__name__}",
                "give every inner graph one Input and one Output",
            )
            return None
        return f"{prefix}{name}/{ports[0]}"
