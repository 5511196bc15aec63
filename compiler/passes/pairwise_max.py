"""Max pools from additions and ReLUs, for targets that have no max pool.

``max(a, b) = a + max(b - a, 0)``, applied to the elements of a window two by two and to the results
again. Exact in the ANN. In the spiking network every ReLU becomes a population, which rounds the
difference, and so does the maximum itself where a synapse reads it: an approximation, unlike the
telescoping max pool. A 2 x 2 window takes three ReLUs of the size of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...ir import Add, Affine, Clip, Conv, Graph, MaxPool, Node
from .kinds import nonnegative


@dataclass(frozen=True)
class PairwiseMax:
    """The pass.

    Attributes:
        note: Receives one sentence for each max pool replaced.
    """

    note: Callable[[str], None]

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph without max pools.

        One whose border could win is left: zeros stand for a border that never wins only where
        no value is below 0.
        """
        made = {
            node.name: _Pool(graph, node).nodes()
            for node in graph.of_type(MaxPool)
            if not any(node.padding) or nonnegative(graph, node.inputs[0])
        }
        for name in made:
            self.note(
                f"{name}: the max pool is computed from pairs, max(a, b) = a + relu(b - a), by "
                "populations that round"
            )
        return graph.with_nodes(made)


class _Pool:
    """One max pool under replacement."""

    def __init__(self, graph: Graph, node: MaxPool) -> None:
        self.graph = graph
        self.node = node
        self.made: list[Node] = []

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes that stand for the pool; the last has its name."""
        values = [self.element(index) for index in np.ndindex(*self.node.kernel)]
        while len(values) > 2:
            first, second, *rest = values
            values = [*rest, self.larger(first, second, f"max{len(self.made)}")]
        if len(values) == 2:
            self.larger(values[0], values[1], "")
        else:
            self.alone(values[0])
        return tuple(self.made)

    def element(self, index: tuple[int, ...]) -> str:
        """Add what one element of the window meets at all its places."""
        channels = self.graph.types[self.node.name].shape[0]
        weight = np.zeros((channels, 1, *self.node.kernel))
        weight[:, 0, index[0], index[1]] = 1
        return self.add(
            Conv(
                name=self.free(f"element{len(self.made)}"),
                inputs=self.node.inputs,
                weight=weight,
                stride=self.node.stride,
                padding=self.node.padding,
                dilation=self.node.dilation,
                groups=channels,
            )
        )

    def larger(self, first: str, second: str, name: str) -> str:
        """Add the larger of two values, under the name of the pool where it is the last."""
        place = len(self.made)
        minus = Affine(
            name=self.free(f"minus{place}"),
            inputs=(first,),
            scale=-np.ones(1),
            shift=np.zeros(1),
        )
        more = Add(name=self.free(f"difference{place}"), inputs=(second, self.add(minus)))
        relu = Clip(name=self.free(f"relu{place}"), inputs=(self.add(more),))
        whole = self.free(name) if name else self.node.name
        return self.add(Add(name=whole, inputs=(first, self.add(relu))))

    def alone(self, only: str) -> str:
        """Add the maximum of a window of one element."""
        return self.add(Add(name=self.node.name, inputs=(only,)))

    def add(self, node: Node) -> str:
        self.made.append(node)
        return node.name

    def free(self, name: str) -> str:
        name = f"{self.node.name}.{name}"
        while name in self.graph.nodes:
            name += "_"
        return name
