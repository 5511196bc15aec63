"""Proof, region by region: every spiking one spike for spike, every host one against its record.

Between regions numbers are real: a host region must give what it gave when the model was compiled,
within float32's rounding, which differs between releases of ONNX Runtime and between machines. So
regions are held against their records one by one, and no difference is carried on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from ...backends.base import UNLIMITED, Progress
from ...backends.resources import Resources
from ...ir import Array
from ...ir.errors import ArtifactError
from ..data import Inputs
from ..verify import Verification, verify
from .host import HostPart
from .network import PartitionedNetwork, inputs_of_regions

TOLERANCE = 1e-5
"""Difference of two tensors on the host, in their largest magnitude: float32, summed otherwise."""


@dataclass(frozen=True)
class CutVerification:
    """What a comparison found.

    Attributes:
        target: The target of the spiking regions.
        executed_on: The target that ran.
        regions: For each spiking region, what the comparison found there.
        host: For each host region, the largest difference of an output from its record, in the
            largest magnitude of that output; infinity where what is not finite differs.
    """

    target: str
    executed_on: str
    regions: Mapping[str, Verification]
    host: Mapping[str, float]

    @property
    def equal(self) -> bool:
        """Whether every region does what it must."""
        within = all(difference <= TOLERANCE for difference in self.host.values())
        return within and all(found.equal for found in self.regions.values())

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object; a node has its region's name in front.

        JSON knows no infinity: a host region that differs as much has null.
        """
        found = self.regions
        wrong = next(((n, f) for n, f in found.items() if f.first_difference), None)
        first = None
        if wrong is not None and wrong[1].first_difference is not None:
            name, difference = wrong[0], wrong[1].first_difference
            first = asdict(replace(difference, node=f"{name}/{difference.node}"))
        return {
            "equal": self.equal,
            "target": self.target,
            "executed_on": self.executed_on,
            "samples": max(each.samples for each in found.values()),
            "outputs_compared": sum(each.outputs_compared for each in found.values()),
            "spike_counts_compared": sum(each.spike_counts_compared for each in found.values()),
            "first_difference": first,
            "regions": {name: each.to_json() for name, each in found.items()},
            "host": {n: x if isfinite(x) else None for n, x in self.host.items()},
        }


def verify_cut(
    network: PartitionedNetwork,
    samples: Inputs | None = None,
    *,
    executed_on: str = "",
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
) -> CutVerification:
    """Compare what every region does with what it must do.

    Args:
        network: The network, its spiking regions on the target to be checked.
        samples: Samples to compare the spiking regions on, instead of the golden ones: each reads
            what the regions before it make of them.
        executed_on: Name of the target it was loaded for; its own by default.
        progress: Called with samples done and in all, region by region.
        resources: Memory and cores to use.

    Raises:
        ArtifactError: The golden data do not fit the regions.
    """
    arrived = None if samples is None else inputs_of_regions(network, samples, resources)
    regions, host = {}, {}
    for part in network.parts:
        name = part.region.name
        if isinstance(part, HostPart):
            host[name] = _host_difference(part, network.golden)
            continue
        regions[name] = verify(
            part.network,
            None if arrived is None else arrived[name],
            executed_on=executed_on,
            progress=progress,
            resources=resources,
        )
    return CutVerification(network.target, executed_on or network.target, regions, host)


def _host_difference(part: HostPart, golden: Mapping[str, Array]) -> float:
    missing = [n for n in (*part.region.inputs, *part.region.outputs) if n not in golden]
    if missing:
        raise ArtifactError(
            f"golden.npz has no values of {missing[0]!r}", hint="compile the model again"
        )
    largest = 0.0
    for name, found in part.run(golden).items():
        wanted = golden[name]
        if wanted.shape != found.shape:
            raise ArtifactError(
                f"{name}: golden.npz holds {wanted.shape} but the host gives {found.shape}",
                hint="compile the model again",
            )
        largest = max(largest, _difference(wanted.astype(np.float64), found.astype(np.float64)))
    return largest


def _difference(wanted: Array, found: Array) -> float:
    """Return the largest difference, in the largest finite magnitude of what is wanted.

    Masks and logarithms hold infinities, and divisions NaN: those have to stand in the same places.
    """
    finite = np.isfinite(wanted)
    if not np.array_equal(wanted[~finite], found[~finite], equal_nan=True):
        return np.inf
    difference = float(np.max(np.abs(wanted[finite] - found[finite]), initial=0.0))
    scale = float(np.max(np.abs(wanted[finite]), initial=0.0))
    relative = difference / scale if scale else difference
    return relative if np.isfinite(relative) else np.inf
