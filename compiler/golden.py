"""Golden data: a few samples and what the network answers to them."""

from __future__ import annotations

from ..backends.artifact import Golden, golden_answers
from ..backends.numpy_sim import NumpyBackend
from ..backends.sample_blocks import sequence_length
from ..ir import Graph, latency
from ..ir.reference import spiking_nodes
from .data import Samples

GOLDEN_SAMPLES = 4
GOLDEN_PAYLOADS = 1 << 24
"""Most payloads the golden data hold; a large network gets fewer samples, at least one."""

MOST_PAYLOADS = 1 << 28
"""Most payloads of one sample; beyond it golden data hold outputs only."""


def make_golden(graph: Graph, samples: Samples, timesteps: int) -> Golden:
    """Return golden data from the first calibration samples, computed by the simulator.

    Where not even one sample's payloads can be held, there are outputs only.
    """
    neurons = sum(graph.types[node.name].size for node in spiking_nodes(graph))
    steps = timesteps + latency(graph)
    payloads = steps * max(1, neurons) * sequence_length(graph, samples)
    count = max(1, min(GOLDEN_SAMPLES, GOLDEN_PAYLOADS // payloads))
    inputs = {name: x[:count] for name, x in samples.items()}
    record = payloads <= MOST_PAYLOADS
    result = NumpyBackend().lower(graph, timesteps).run(inputs, record=record)
    return golden_answers(inputs, result)
