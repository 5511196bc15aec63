"""What a setting costs: the energy that ``snnc estimate`` counts, and the events behind it."""

from __future__ import annotations

from dataclasses import dataclass

from ...backends import Result
from ...ir import Graph
from ..energy import graph_operations, spiking_arithmetic
from ..event_counts import total_activity
from ..hardware import get_hardware

HARDWARE = "horowitz-45nm"
"""Whose costs rank the settings, on every target: others have published none."""


@dataclass(frozen=True)
class Cost:
    """Means over samples.

    Attributes:
        energy_joules: Of the spiking network, for one sample, as in ``snnc estimate``.
        spikes: Events of populations and max pools.
        synops: Synaptic operations these events cause.
        unit_synops: Likewise, each event counted by its magnitude.
    """

    energy_joules: float
    spikes: float
    synops: float
    unit_synops: float


def count(graph: Graph, timesteps: int, result: Result) -> Cost:
    """Return what a run of a spiking graph cost for one sample."""
    hardware, arithmetic = get_hardware(HARDWARE), spiking_arithmetic(graph)
    operations = graph_operations(graph, timesteps, result.activity)
    joules = [node.joules(hardware, *arithmetic) for node in operations]
    total = total_activity(graph, result.activity)
    return Cost(
        sum(energy for energy in joules if energy is not None),
        *(
            float(part.sum(axis=1).mean())
            for part in (total.spikes, total.synops, total.unit_synops)
        ),
    )
