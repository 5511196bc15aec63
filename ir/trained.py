"""What tells a network that was trained as a spiking one from one that was converted."""

from __future__ import annotations

from .graph import Graph
from .leaky import LEAKY
from .neurons import Population
from .ops import Input
from .recurrence import Delay, Feedback

OWN = (*LEAKY, Delay, Feedback)
"""Nodes that no conversion makes."""


def looks_trained(graph: Graph) -> bool:
    """Whether a spiking graph has what no conversion makes, so that no option made its numbers.

    That is a node of its own, a value for each step at an input, or an output that shows spikes.
    A trained network with nothing of it, of plain ``IF`` neurons, passes for a converted one: only
    its artifact knows better (``backends.artifact.is_trained``).
    """
    return (
        any(isinstance(node, OWN) for node in graph)
        or any(node.stepwise for node in graph.of_type(Input))
        or any(isinstance(graph[name], Population) for name in graph.outputs.values())
    )
