"""The graph: named nodes in topological order. A graph that exists is well-formed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, final

from .errors import GraphError
from .neurons import Population
from .node import Node
from .quantized import Previous
from .recurrence import Feedback
from .types import TensorType

if TYPE_CHECKING:
    import networkx

N = TypeVar("N", bound=Node)


@final
class Graph:
    """An immutable graph; every edit returns a new one.

    Args:
        nodes: The nodes, each after the nodes it reads.
        outputs: For each name an output has for the user (its ONNX name), the node it is.

    Raises:
        GraphError: A name is used twice, or a node reads one that does not come before it.
        ShapeError: Two nodes do not agree on the type between them.
    """

    def __init__(self, nodes: Iterable[Node], outputs: Mapping[str, str]) -> None:
        by_name: dict[str, Node] = {}
        types: dict[str, TensorType] = {}
        for node in nodes:
            if node.name in by_name:
                raise GraphError(f"two nodes are named {node.name!r}")
            missing = [name for name in node.inputs if name not in by_name]
            if missing:
                raise GraphError(
                    f"{node.name}: reads {missing[0]!r}, which does not come before it"
                )
            types[node.name] = node.infer(*(types[name] for name in node.inputs))
            by_name[node.name] = node
        self.nodes: Mapping[str, Node] = MappingProxyType(by_name)
        self.types: Mapping[str, TensorType] = MappingProxyType(types)
        self.outputs: Mapping[str, str] = MappingProxyType(dict(outputs))
        if not self.outputs:
            raise GraphError("the graph has no outputs")
        for output, name in self.outputs.items():
            if name not in by_name:
                raise GraphError(f"output {output!r} is {name!r}, which is not a node")
        self._expect_what_comes_back()

    def _expect_what_comes_back(self) -> None:
        for name, source in self.carried.items():
            found, carried = self.types.get(source), self.types[name]
            if not found or (found.shape, found.signal) != (carried.shape, carried.signal):
                raise GraphError(f"{name}: carries {carried}, but {source!r} is {found}")
        for node in self.of_type(Feedback):
            found = self.types.get(node.source)
            if node.source == node.name:
                raise GraphError(f"{node.name}: brings back nothing but itself")
            if not found or not node.carries(found):
                raise GraphError(
                    f"{node.name}: brings back {node.type}, but {node.source!r} is {found}"
                )

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __len__(self) -> int:
        return len(self.nodes)

    def of_type(self, kind: type[N]) -> tuple[N, ...]:
        """Return all nodes of one class, in order."""
        return tuple(node for node in self if isinstance(node, kind))

    @property
    def populations(self) -> tuple[Population, ...]:
        """All populations, in order."""
        return tuple(node for node in self if isinstance(node, Population))

    @cached_property
    def carried(self) -> Mapping[str, str]:
        """For each node that carries a value through a sequence, the node whose value it is."""
        return MappingProxyType({node.name: node.source for node in self.of_type(Previous)})

    @cached_property
    def feedback(self) -> Mapping[str, str]:
        """For each node that has what another had before, that one: all edges that close loops.

        Before is at the element before in a sequence, or at the time step before.
        """
        closing = (node for node in self if isinstance(node, (Previous, Feedback)))
        return MappingProxyType({node.name: node.source for node in closing})

    @cached_property
    def users(self) -> Mapping[str, tuple[Node, ...]]:
        """For each node's name, the nodes that read it."""
        found: dict[str, list[Node]] = {name: [] for name in self.nodes}
        for node in self:
            for source in dict.fromkeys(node.inputs):
                found[source].append(node)
        return MappingProxyType({name: tuple(users) for name, users in found.items()})

    def only_user(self, name: str) -> Node | None:
        """Return the single reader of a node that does not leave the graph, else None.

        A value that is carried to the next element of a sequence, or step, leaves it too.
        """
        users, leaving = self.users[name], {*self.outputs.values(), *self.feedback.values()}
        return users[0] if len(users) == 1 and name not in leaving else None

    def digraph(self) -> networkx.DiGraph[Any]:
        """Return the graph as a networkx ``DiGraph`` of node names."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(self.nodes)
        graph.add_edges_from((source, node.name) for node in self for source in node.inputs)
        return graph

    def replace(self, old: str, *new: Node) -> Graph:
        """Put nodes in the place of node ``old``; its readers now read the last of them."""
        rename = {old: new[-1].name}
        nodes: list[Node] = []
        for node in self:
            nodes += new if node.name == old else (renamed(node, rename),)
        return Graph(nodes, {key: rename.get(name, name) for key, name in self.outputs.items()})

    def with_nodes(self, new: Mapping[str, tuple[Node, ...]]) -> Graph:
        """Put nodes in the place of others, the last ones under the names of those."""
        nodes = (made for node in self for made in new.get(node.name, (node,)))
        return Graph(nodes, self.outputs)

    def without_dead_nodes(self) -> Graph:
        """Remove nodes that no output depends on; inputs stay."""
        alive: set[str] = set()
        reached = set(self.outputs.values())
        while reached - alive:
            alive |= reached
            for node in reversed(tuple(self)):
                if node.name in alive:
                    alive.update(node.inputs)
            reached = {source for name, source in self.feedback.items() if name in alive}
        return Graph((n for n in self if n.name in alive or not n.inputs), self.outputs)


def renamed(node: Node, rename: Mapping[str, str]) -> Node:
    """Return the node reading renamed inputs."""
    if isinstance(node, (Previous, Feedback)) and node.source in rename:
        return replace(node, source=rename[node.source])
    inputs = tuple(rename.get(name, name) for name in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)
