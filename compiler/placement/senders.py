"""Which neuron sends to which place of what a synapse reads: through views, delays and loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...ir import MOVES, Array, Concat, Delay, Feedback, Graph, Node, Reshape
from ...ir.errors import ConversionError


@dataclass
class Senders:
    """Finds the neurons behind the nodes of a graph.

    Attributes:
        graph: A spiking graph.
        first: For each node with neurons the number of its first one.
    """

    graph: Graph
    first: Mapping[str, int]
    _found: dict[str, Array] = field(default_factory=dict)
    _looked_at: set[str] = field(default_factory=set)

    def of(self, name: str) -> Array:
        """Return the number of the neuron that sends to each place of a node, int32.

        Raises:
            ConversionError: The node is in a loop without neurons.
        """
        if name not in self._found:
            self._enter(name)
            self._found[name] = self._behind(self.graph[name])
        return self._found[name]

    def synapse(self, name: str) -> Node:
        """Return the node that a current is from, which may be late or of the step before."""
        node = self.graph[name]
        if not isinstance(node, (Delay, Feedback)):
            return node
        self._enter(name)
        source = self.synapse(_source(node))
        self._looked_at.discard(name)
        return source

    def _behind(self, node: Node) -> Array:
        shape = self.graph.types[node.name].shape
        if node.name in self.first:
            begin, size = self.first[node.name], self.graph.types[node.name].size
            return np.arange(begin, begin + size, dtype=np.int32).reshape(shape)
        if isinstance(node, Concat):
            return np.concatenate([self.of(source) for source in node.inputs])
        if isinstance(node, Reshape):
            return self.of(node.inputs[0]).reshape(shape)
        if isinstance(node, MOVES):
            return np.asarray(node.spread(self.of(node.inputs[0])))
        if isinstance(node, (Delay, Feedback)):
            return self.of(_source(node))
        raise ConversionError(
            f"{node.name}: a {type(node).__name__} has no neurons that a chip could place",
            hint="leave it out where the network is trained",
        )

    def _enter(self, name: str) -> None:
        if name in self._looked_at:
            raise ConversionError(
                f"{name}: is in a loop without neurons, which a chip cannot hold",
                hint="put a population into the loop",
            )
        self._looked_at.add(name)


def _source(node: Delay | Feedback) -> str:
    return node.source if isinstance(node, Feedback) else node.inputs[0]
