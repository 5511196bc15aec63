"""What encoders send: the events of the input, counted from the samples themselves."""

from __future__ import annotations

import numpy as np

from ...ir import Encoder, Graph, latency
from ...ir.reference import step
from ..data import Inputs
from ..observed_inputs import AT_ONCE, has_a_value_each_step


def injected_events(graph: Graph, timesteps: int, samples: Inputs) -> dict[str, float]:
    """Return for each encoder of a spiking graph the mean events of a sample.

    Args:
        graph: The graph.
        timesteps: T.
        samples: For each input, ``(samples, *shape)``, of a sequence
            ``(samples, elements, *shape)``, of a stepwise input ``(samples, timesteps, *shape)``.
    """
    steps = timesteps + latency(graph)
    found = {}
    for node in graph.of_type(Encoder):
        rows = samples[node.inputs[0]]
        shape = graph.types[node.inputs[0]].shape
        sent = 0
        for begin in range(0, len(rows), AT_ONCE):
            block = np.asarray(rows[begin : begin + AT_ONCE], np.float64).reshape(-1, *shape)
            sent += np.count_nonzero(step(node, [block], {}, 1))
        repeated = not node.once and not has_a_value_each_step(graph, node)
        found[node.name] = sent * (steps if repeated else 1) / len(rows)
    return found
