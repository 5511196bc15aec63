"""Data-based weight normalisation: rescale every population to a threshold of 1.

With thresholds balanced to the full scale of the activations, dividing a population's incoming
weights and bias by its threshold gives ``W' = W * lam_before / lam`` and ``b' = b / lam``, the
rule of Rueckauer et al., *Front. Neurosci.* 11:682, 2017, eq. 6 (there with one payload unit a
step). Exact: membranes and thresholds shrink alike, every event stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...ir import IF, Array, Conv, Graph, Linear, Node
from ...ir.compact import elementwise


def normalize(graph: Graph) -> Graph:
    """Return the graph with all thresholds at 1, currents in units of the threshold."""
    return _normalized(graph, graph.of_type(IF))


def normalized_population(graph: Graph, name: str) -> Graph:
    """Return the graph with one population's thresholds at 1."""
    return _normalized(graph, [node for node in graph.of_type(IF) if node.name == name])


def _normalized(graph: Graph, chosen: Sequence[IF]) -> Graph:
    names = {node.name for node in chosen}
    divisors: dict[str, Array] = {
        synapse: node.threshold for node in chosen for synapse in node.inputs
    }
    nodes: list[Node] = []
    for node in graph:
        if isinstance(node, (Conv, Linear)) and node.name in divisors:
            divisor = divisors[node.name]
            if np.any(divisor != 1):
                by_channel = divisor.reshape(-1, *(1,) * (node.weight.ndim - 1))
                weight = elementwise(np.divide, node.weight, by_channel)
                node = replace(node, weight=weight)
            nodes.append(node)
        elif isinstance(node, IF) and node.name in names:
            nodes.append(in_thresholds(node))
        else:
            nodes.append(node)
    return Graph(nodes, graph.outputs)


def in_thresholds(node: IF) -> IF:
    """Return a population with a threshold of 1; what it receives has to be divided likewise."""
    return replace(
        node,
        threshold=np.ones(1),
        bias=node.bias / node.threshold,
        initial=node.initial / node.threshold,
    )
