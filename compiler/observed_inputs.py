"""What the samples say on inputs with a value for every step: whether they are spikes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..backends.base import Rows
from ..ir import Encoder, Feedback, Graph, Input
from .data import Inputs
from .event_counts import carries_input

AT_ONCE = 256
"""Samples that are looked at at a time."""


def has_a_value_each_step(graph: Graph, node: Encoder) -> bool:
    """Whether an encoder reads a value of its own for each time step."""
    source = graph[node.inputs[0]]
    return isinstance(source, Input) and source.stepwise


def as_observed(graph: Graph, samples: Inputs) -> Graph:
    """Return a graph whose stepwise inputs are spikes where the samples hold nothing else.

    A network that reads real numbers at every step says nothing on what they are. Where all of
    them are 0 or 1, or -1 too, they are events of a sensor: they need no multiplications, and one
    or two bits. On these samples both graphs compute the same.
    """
    if any(carries_input(graph, back.source) for back in graph.of_type(Feedback)):
        return graph
    seen = {
        node.name: bounds
        for node in graph.of_type(Encoder)
        if has_a_value_each_step(graph, node) and (node.scale, node.gain, node.shift) == (None,) * 3
        if (bounds := _bounds_of_events(samples[node.inputs[0]]))
    }
    if not seen:
        return graph
    nodes = [
        replace(node, scale=1.0, bounds=seen[node.name])
        if isinstance(node, Encoder) and node.name in seen
        else node
        for node in graph
    ]
    return Graph(nodes, graph.outputs)


def _bounds_of_events(rows: Rows) -> tuple[int, int] | None:
    """Return 0 and 1, or -1 and 1, where samples hold nothing else."""
    least = 0
    for begin in range(0, len(rows), AT_ONCE):
        block = np.asarray(rows[begin : begin + AT_ONCE])
        if not np.isin(block, (-1, 0, 1)).all():
            return None
        least = min(least, int(block.min(initial=0)))
    return least, 1
