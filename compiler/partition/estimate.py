"""What a cut model costs: each spiking region like a network of its own, the host in MACs only.

What a multiplication on the host takes depends on the host, which no model of energy here
describes: its multiply-accumulates are counted and not costed. Nor are the numbers that go
between host and chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

from ...backends.base import UNLIMITED, Progress
from ...backends.resources import Resources
from ...ir import Graph
from ..cost import Estimate, estimate
from ..cost.hardware import Hardware
from ..data import Inputs
from .network import PartitionedNetwork, SpikingPart, inputs_of_regions
from .region import Division

HOST_BASIS = "counted, not costed: no model of energy describes the host"


@dataclass(frozen=True)
class CutEstimate:
    """What a cut model costs.

    Attributes:
        division: The cut.
        regions: For each spiking region, what it costs.
        latency_steps: Steps until the outputs are out: all regions, one after the other.
        numbers: Real numbers that go between regions, for one sample.
    """

    division: Division
    regions: Mapping[str, Estimate]
    latency_steps: int
    numbers: int

    def joules(self, network: str) -> float | None:
        """Return the energy of all spiking regions together, or None where it is not known."""
        parts = [found.joules(network) for found in self.regions.values()]
        known = [part for part in parts if part is not None]
        return fsum(known) if len(known) == len(parts) else None

    def total(self, network: str, count: str) -> float:
        """Return a count of all spiking regions together, for one sample."""
        return fsum(found.total(network, count) for found in self.regions.values())

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as one JSON object; counts and joules are for one sample."""
        regions = {name: found.to_json() for name, found in self.regions.items()}
        one = next(iter(self.regions.values()))
        sums = {
            name: {
                "energy_joules": self.joules(name),
                **{count: self.total(name, count) for count in ("synops", "macs", "acs")},
            }
            for name in one.networks
        }
        sums["snn"]["latency_steps"] = self.latency_steps
        return {
            "hardware": one.hardware.name,
            "samples": one.samples,
            "spiking_share": self.division.spiking_share,
            "host": {
                "macs": self.division.host_macs,
                "uncounted": list(self.division.uncounted),
                "energy_joules": None,
                "basis": HOST_BASIS,
                "numbers_between_regions": self.numbers,
            },
            **sums,
            "regions": regions,
        }


def estimate_cut(
    network: PartitionedNetwork,
    anns: Mapping[str, Graph],
    samples: Inputs,
    hardware: Hardware,
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
) -> CutEstimate:
    """Count what a cut model does on samples, and what it costs.

    Args:
        network: The network.
        anns: For each spiking region its source model.
        samples: For each input, ``(samples, *shape)``.
        hardware: The model of energy.
        progress: Called with samples done and in all, region by region.
        resources: Memory and cores to use.
    """
    parts = [part for part in network.parts if isinstance(part, SpikingPart)]
    arrived = inputs_of_regions(network, samples, resources)
    regions = {
        part.region.name: estimate(
            part.network,
            anns[part.region.name],
            arrived[part.region.name],
            hardware,
            progress,
            resources,
        )
        for part in parts
    }
    crossing = {n: part.network.graph for part in parts for n in part.region.outputs}
    sent = sum(g.types[g.outputs[name]].size for name, g in crossing.items())
    read = sum(x[0].size for inputs in arrived.values() for x in inputs.values())
    return CutEstimate(
        division=network.division,
        regions=regions,
        latency_steps=network.timesteps + network.depth_latency,
        numbers=sent + read,
    )
