"""Loops between time steps: the part of a network that cannot be computed layer by layer.

Where a node reads what a later one sent a step before, all nodes on that loop are advanced
together, one step at a time. What lies before and behind a loop is computed over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...ir import Array, Conv, Feedback, Graph, Linear, Node, Signal
from ...ir.reference import State, brought_back
from .convolution import Multiplication, Precision
from .kernels import advanced, synapse

Group = tuple[Node, ...]


def groups(graph: Graph) -> list[Group]:
    """Return all nodes, those on a loop together, each group after those that it reads."""
    back = graph.of_type(Feedback)
    if not back:
        return [(node,) for node in graph]
    import networkx

    edges = graph.digraph()
    edges.add_edges_from((node.source, node.name) for node in back)
    places = {node.name: place for place, node in enumerate(graph)}
    loops = networkx.condensation(edges)
    members = {loop: sorted(loops.nodes[loop]["members"], key=places.__getitem__) for loop in loops}
    order = networkx.lexicographical_topological_sort(loops, key=lambda x: places[members[x][0]])
    return [tuple(graph[name] for name in members[loop]) for loop in order]


class Loop:
    """The nodes of a loop.

    Args:
        graph: The graph.
        nodes: Those on the loop, in the order of the graph.
        products: For each synapse, its weights times frames.
        precisions: For each synapse, the float type of its currents.
    """

    def __init__(
        self,
        graph: Graph,
        nodes: Group,
        products: Mapping[str, Callable[[], Multiplication]],
        precisions: Mapping[str, Precision],
    ) -> None:
        self.graph, self.nodes, self.precisions = graph, nodes, precisions
        synapses = [node.name for node in nodes if isinstance(node, (Conv, Linear))]
        self.products = {name: products[name]() for name in synapses}

    @property
    def entering(self) -> list[str]:
        """The nodes outside that one inside reads."""
        inside = {node.name for node in self.nodes}
        return list(dict.fromkeys(n for node in self.nodes for n in node.inputs if n not in inside))

    def run(
        self, arrays: Mapping[str, Array], kept: Sequence[str], samples: int, steps: int
    ) -> dict[str, Array]:
        """Advance the loop through all steps.

        Args:
            arrays: Of each node in ``entering``, ``(steps or 1, samples, *shape)``.
            kept: The nodes whose values are asked for.
            samples: Number of samples.
            steps: Number of steps.

        Returns:
            Of each of those, ``(steps, samples, *shape)``.
        """
        types = self.graph.types
        traces = {
            name: np.empty((steps, samples, *types[name].shape), edge_type(self.graph, name))
            for name in kept
        }
        states: dict[str, State] = {node.name: {} for node in self.nodes}
        values: dict[str, Array] = {}
        for t in range(1, steps + 1):
            last = values
            values = {name: x[min(t, len(x)) - 1] for name, x in arrays.items()}
            for node in self.nodes:
                if isinstance(node, Feedback):
                    values[node.name] = brought_back(node, last, samples)
                    continue
                arguments = [values[name] for name in node.inputs]
                if isinstance(node, (Conv, Linear)):
                    values[node.name] = self._current(node, arguments[0])
                else:
                    values[node.name] = advanced(node, arguments, states[node.name], t)
            for name, trace in traces.items():
                trace[t - 1] = values[name]
        return traces

    def _current(self, node: Conv | Linear, payloads: Array) -> Array:
        precision, multiply = self.precisions[node.name], self.products[node.name]
        return np.asarray(synapse(node, payloads[None], precision, multiply)[0])


def edge_type(graph: Graph, name: str) -> type[np.generic]:
    """Return a type that holds every value of an edge; small for bounded payloads."""
    type = graph.types[name]
    if type.signal is not Signal.SPIKES or type.payload is None:
        return np.float64
    return np.int8 if max(map(abs, type.payload)) <= 127 else np.int32
