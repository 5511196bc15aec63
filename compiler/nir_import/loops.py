"""Recurrent networks: where a loop is cut, and the order of what is left.

Within a time step snnc goes through a network from its inputs to its outputs, so one edge of
every loop brings what was sent a step before. The rule: of the neurons in a loop the earlier one,
fewest edges from an input and then by name, gets what the others sent at the step before. What is
cut is the edge out of the neuron that sends it, so linear maps in between see it late as well. A
loop through a Delay takes that step besides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from ...backends.nir_file.nodes import Neuron, Threshold
from ...ir.errors import Problem
from .nodes import Input, NirGraph

if TYPE_CHECKING:
    import networkx

Edge = tuple[str, str]

MOST_ROUNDS = 256
"""Loops within loops: more are no network, and take for ever."""

NEURONS = (Neuron, Threshold)
"""Nodes that send something of their own; the others only map what they read."""


@dataclass(frozen=True)
class Order:
    """How to go through a network within one step.

    Attributes:
        names: All nodes, each behind the nodes it reads but for the edges cut.
        cut: Edges that bring what was sent a step before.
    """

    names: tuple[str, ...]
    cut: frozenset[Edge]


def ordered(graph: NirGraph, late: frozenset[Edge] | None = None) -> tuple[Order, list[Problem]]:
    """Return an order of the nodes of a flat graph, and loops that cannot be cut.

    Args:
        graph: The graph.
        late: Edges out of neurons that a file says bring what was sent a step before; loops that
            are left are cut by the rule.
    """
    import networkx

    left: networkx.DiGraph[Any] = networkx.DiGraph()
    left.add_nodes_from(graph.nodes)
    left.add_edges_from(graph.edges)
    rank = {name: (hops, name) for name, hops in _hops(graph, left).items()}
    cut = {edge for edge in graph.edges if edge in (late or ()) and _sends(graph, edge[0])}
    left.remove_edges_from(cut)
    problems: list[Problem] = []
    rounds = 0
    while loops := list(_loops(left)):
        rounds += 1
        if rounds > MOST_ROUNDS:
            problem = Problem(
                f"{min(loops[0])}: is in more than {MOST_ROUNDS} loops within loops",
                "write recurrent neurons as one population",
            )
            return Order((), frozenset()), [problem]
        for part in loops:
            neurons = [name for name in part if isinstance(graph.nodes[name], NEURONS)]
            if not neurons:
                listed = ", ".join(sorted(part)[:5])
                problems.append(
                    Problem(
                        f"{min(part)}: is in a loop without any neuron ({listed})",
                        "put a neuron into the loop",
                    )
                )
                closing = [edge for edge in left.edges if set(edge) <= part]
            else:
                first = min(neurons, key=rank.__getitem__)
                closing = _closing(graph, left, part, first)
                cut.update(closing)
            left.remove_edges_from(closing)
    names = networkx.lexicographical_topological_sort(left, key=rank.__getitem__)
    return Order(tuple(names), frozenset(cut)), problems


def _sends(graph: NirGraph, name: str) -> bool:
    return isinstance(graph.nodes[name], NEURONS)


def _hops(graph: NirGraph, edges: networkx.DiGraph[Any]) -> dict[str, float]:
    """Return how many edges each node is away from an input."""
    hops = {name: 0.0 for name, node in graph.nodes.items() if isinstance(node, Input)}
    waiting = deque(hops)
    while waiting:
        name = waiting.popleft()
        for after in edges.successors(name):
            if after not in hops:
                hops[after] = hops[name] + 1
                waiting.append(after)
    return {name: hops.get(name, inf) for name in graph.nodes}


def _loops(edges: networkx.DiGraph[Any]) -> Iterable[set[str]]:
    """Yield the nodes of each part of a graph where all reach each other."""
    import networkx

    for part in networkx.strongly_connected_components(edges):
        if len(part) > 1 or any(edges.has_edge(name, name) for name in part):
            yield part


def _closing(
    graph: NirGraph, edges: networkx.DiGraph[Any], part: set[str], first: str
) -> list[Edge]:
    """Return the edges out of neurons that lead, over linear maps at most, into the first."""
    found, seen, waiting = [], {first}, [first]
    while waiting:
        name = waiting.pop()
        for before in edges.predecessors(name):
            if before not in part:
                continue
            if isinstance(graph.nodes[before], NEURONS):
                found.append((before, name))
            elif before not in seen:
                seen.add(before)
                waiting.append(before)
    return found
