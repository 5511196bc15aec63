"""Below which activity a spiking network is said to need less energy than an ANN."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...ir import Conv, Graph, Linear, latency
from ..event_counts import reads_input
from .connections import connections
from .counts import Layer

SECONDARY = "as quoted in secondary literature"


@dataclass(frozen=True)
class Range:
    """A published break-even.

    Attributes:
        name: Who found it.
        measure: ``spikes_per_synapse`` or ``spike_rate``.
        low: Below it the spiking network wins.
        high: Above it the ANN does; the same as ``low`` for a single value.
        conditions: What it holds for.
        source: Where it was published and read.
    """

    name: str
    measure: str
    low: float
    high: float
    conditions: str
    source: str

    def verdict(self, value: float) -> str:
        """Return on which side of it a network lies.

        >>> RANGES[0].verdict(0.5)
        'within'
        """
        if value < self.low:
            return "below"
        return "above" if value > self.high else "within"


RANGES = (
    Range(
        "Dampfhoffer et al. 2023",
        "spikes_per_synapse",
        0.15,
        1.38,
        "integrate-and-fire against an ANN; from one end to the other with the memory hierarchy",
        f"M. Dampfhoffer et al., IEEE TETCI 7(3), 2023; {SECONDARY}",
    ),
    Range(
        "Davidson and Furber 2021",
        "spikes_per_synapse",
        1.72,
        1.72,
        "arithmetic only",
        f"S. Davidson, S. Furber, Front. Neurosci., 2021; {SECONDARY}",
    ),
    Range(
        "Yan et al. 2024",
        "spike_rate",
        0.057,
        0.057,
        "T = 5, 4-bit weights, fan-in 4096, with movement of data",
        "Z. Yan et al., arXiv 2409.08290v4 (6.4 % in earlier versions)",
    ),
)


@dataclass(frozen=True)
class Activity:
    """How active a spiking network is, for one sample.

    Attributes:
        spikes_per_synapse: Spikes that cross a synapse, the mean over synapses that read spikes.
        spike_rate: Spikes a neuron sends in a step, the mean over populations.
    """

    spikes_per_synapse: float
    spike_rate: float

    def to_json(self) -> dict[str, Any]:
        """Return activity and ranges as a JSON object."""
        ranges = [
            {**asdict(each), "network": each.verdict(getattr(self, each.measure))}
            for each in RANGES
        ]
        return {**asdict(self), "ranges": ranges}


def activity_of(
    graph: Graph, timesteps: int, layers: tuple[Layer, ...], elements: int = 1
) -> Activity:
    """Return how active a network was.

    Args:
        graph: The spiking graph.
        timesteps: T.
        layers: What its nodes did.
        elements: Elements of a sample that is a sequence.
    """
    counts = {layer.node: layer.counts for layer in layers}
    synapses = crossed = 0.0
    for node in graph:
        if isinstance(node, (Conv, Linear)) and not reads_input(graph, node):
            synapses += connections(graph, node, zeros=False)
            crossed += counts[node.name].synops
    steps = elements * (timesteps + latency(graph))
    neurons = sum(graph.types[node.name].size for node in graph.populations)
    spikes = sum(counts[node.name].events for node in graph.populations)
    return Activity(
        spikes_per_synapse=crossed / synapses if synapses else 0.0,
        spike_rate=spikes / (neurons * steps) if neurons else 0.0,
    )
