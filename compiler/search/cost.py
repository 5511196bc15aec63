"""What a setting costs: the energy of its arithmetic, and the events behind it."""

from __future__ import annotations

from dataclasses import dataclass

from ...backends import Result
from ...ir import Graph
from ..cost.presets import preset
from ..cost.spiking import spiking_layers
from ..cost.twin import spiking_arithmetic
from ..event_counts import total_activity

HARDWARE = "horowitz-45nm"
"""Whose costs rank the settings, on every target."""


@dataclass(frozen=True)
class Cost:
    """Means over samples.

    Attributes:
        energy_joules: Of the spiking network's arithmetic, for one sample, as in ``snnc estimate``.
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
    layers = spiking_layers(graph, timesteps, result.activity)
    joules = preset(HARDWARE).joules(layers, spiking_arithmetic(graph), "snn")
    assert joules is not None
    total = total_activity(graph, result.activity)
    return Cost(
        joules,
        *(
            float(part.sum(axis=1).mean())
            for part in (total.spikes, total.synops, total.unit_synops)
        ),
    )
