"""The whole answer: does a network fit, on how many cores, and what travels between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...backends.base import Progress
from ...backends.chips import Chip
from ...ir import Array, Delay, Graph
from ...ir.errors import ConversionError, Problem
from ...ir.trained import looks_trained
from ..data import Samples
from ..observed_inputs import as_observed
from .activity import assumed_activity, counted_activity
from .layers import Layer, layers
from .mesh import Mesh, mesh_of
from .partition import Core, partition
from .place import in_order, place
from .traffic import Load, Traffic, load, traffic
from .violations import numbers, too_many_chips

CAVEAT = (
    "physical fit is unverified: nothing was run on a chip, and the vendor's compiler has the "
    "last word"
)


@dataclass(frozen=True)
class Share:
    """What one layer takes.

    Attributes:
        layer: Its name.
        neurons: Its neurons.
        synapses: Its synapses, zero weights included.
        fan_in: Synapses of one neuron, away from borders.
        cores: Cores it is spread over.
        fullest: Its largest share of a limit, by the limit's name, each between 0 and 1 where
            it fits.
    """

    layer: str
    neurons: int
    synapses: int
    fan_in: int
    cores: int
    fullest: Mapping[str, float]


@dataclass(frozen=True)
class Fit:
    """Whether and how a network fits a chip: a model, verified on no chip.

    Attributes:
        chip: The chip.
        layers: The layers of the network.
        cores: What each core holds.
        problems: All that keeps the network from fitting, each with a cure.
        traffic: What the cores send each other.
        basis: Where the events are from.
        mesh: The mesh of all chips.
        places: For each core its place on the mesh.
        in_order: The load of the mesh with cores in order.
        placed: The load with cores at ``places``.
        delays: What waits for some steps, in words: no limit of a chip is known for it.
    """

    chip: Chip
    layers: tuple[Layer, ...]
    cores: tuple[Core, ...]
    problems: tuple[Problem, ...]
    traffic: Traffic
    basis: str
    mesh: Mesh
    places: Array
    in_order: Load
    placed: Load
    delays: tuple[str, ...] = ()

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What could keep the network from fitting and cannot be checked."""
        return (*self.chip.unchecked, *self.delays)

    @property
    def fits(self) -> bool:
        """Whether nothing that could be checked stands in the way."""
        return not self.problems

    @property
    def chips(self) -> int:
        """Number of chips."""
        return int(self.mesh.chip[-1]) + 1

    @property
    def saved(self) -> float:
        """Share of the event hops that placement saves, against cores in order."""
        before = self.in_order.event_hops
        return 1 - self.placed.event_hops / before if before else 0.0

    def shares(self) -> tuple[Share, ...]:
        """Return what each layer takes."""
        out = self.traffic.axons_out(len(self.cores))
        found = []
        for index, layer in enumerate(self.layers):
            own = [number for number, core in enumerate(self.cores) if core.layer == index]
            needs = [self.cores[number].need for number in own]
            fullest = {
                "neurons": max(n.neurons for n in needs) / self.chip.neurons.value,
                "synaptic memory": max(n.words for n in needs) / self.chip.synaptic_memory.value,
                "axons in": max(n.axons_in for n in needs) / self.chip.axons_in.value,
            }
            if self.chip.axons_out:
                fullest["axons out"] = float(out[own].max() / self.chip.axons_out.value)
            found.append(
                Share(
                    layer=layer.name,
                    neurons=layer.size,
                    synapses=layer.synapses,
                    fan_in=layer.fan_in,
                    cores=len(own),
                    fullest=fullest,
                )
            )
        return tuple(found)

    def utilisation(self) -> dict[str, float]:
        """Return the mean share of each limit over the cores in use."""
        chip, count = self.chip, len(self.cores)
        used = {
            "neurons": sum(core.need.neurons for core in self.cores) / chip.neurons.value,
            "synaptic memory": sum(c.need.words for c in self.cores) / chip.synaptic_memory.value,
            "axons in": sum(core.need.axons_in for core in self.cores) / chip.axons_in.value,
        }
        if chip.axons_out:
            used["axons out"] = float(self.traffic.axons_out(count).sum() / chip.axons_out.value)
        return {name: share / count for name, share in used.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the answer as one JSON object."""
        return {
            "chip": self.chip.name,
            "fits": self.fits,
            "physical_fit_verified": False,
            "caveat": CAVEAT,
            "violations": [asdict(problem) for problem in self.problems],
            "not_checked": list(self.unchecked),
            "cores": len(self.cores),
            "chips": self.chips,
            "utilisation": self.utilisation(),
            "layers": [asdict(share) for share in self.shares()],
            "traffic": {
                "basis": self.basis,
                "unit": "events a step",
                "between_cores": self.traffic.between_cores,
                "between_chips": self.placed.between_chips,
                "event_hops": self.placed.event_hops,
                "event_hops_in_order": self.in_order.event_hops,
                "saved": self.saved,
                "hottest_link": {"routers": self.placed.link, "events": self.placed.hottest},
            },
            "placement": [self._core(number) for number in range(len(self.cores))],
            "limits": [
                {"name": name, **asdict(limit), "certainty": limit.certainty.value}
                for name, limit in self.chip.limits.items()
            ],
        }

    def _core(self, number: int) -> dict[str, Any]:
        core, place = self.cores[number], int(self.places[number])
        return {
            "layer": self.layers[core.layer].name,
            **asdict(core.block),
            **asdict(core.need),
            "chip": int(self.mesh.chip[place]),
            "router": [int(self.mesh.x[place]), int(self.mesh.y[place])],
        }


def fit(
    graph: Graph,
    chip: Chip,
    *,
    timesteps: int = 1,
    samples: Samples | None = None,
    chips: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fit:
    """Partition a spiking graph into cores and place them.

    Args:
        graph: A spiking graph.
        chip: What to put it on.
        timesteps: T; only used with samples.
        samples: Samples to count events on; without them every neuron sends at every step.
        chips: How many chips there are; those of the largest system by default.
        seed: Of the placement.
        progress: Called while events are counted.

    Raises:
        ConversionError: The graph has no neurons.
    """
    if samples is not None:
        graph = as_observed(graph, samples)
    parts = layers(graph, chip)
    if not parts:
        raise ConversionError(
            "the graph has no neurons, so there is nothing to put on a chip",
            hint="compile the model first: snnc MODEL.onnx",
        )
    cores, problems = cut_into_cores(parts, chip)
    problems = (*numbers(graph, parts, chip), *problems)
    most = chips or max(int(system.value) for system in chip.systems.values())
    problems += tuple(too_many_chips(parts, cores, chip, most, looks_trained(graph)))
    basis = "assumed: every neuron sends one event at every step, the static bound"
    events = assumed_activity(parts)
    if samples is not None:
        events = counted_activity(graph, parts, timesteps, samples, progress)
        count = len(next(iter(samples.values())))
        basis = f"counted: mean over {count} sample{'s' if count > 1 else ''} on the simulator"
    sent = traffic(parts, cores, events)
    mesh = mesh_of(chip, len(cores))
    places = place(sent, len(cores), mesh, seed)
    return Fit(
        chip=chip,
        layers=parts,
        cores=cores,
        problems=problems,
        traffic=sent,
        basis=basis,
        mesh=mesh,
        places=places,
        in_order=load(sent, in_order(len(cores)), mesh),
        placed=load(sent, places, mesh),
        delays=tuple(
            f"the delay {node.name} of up to {node.longest} steps: what it takes of a core"
            for node in graph.of_type(Delay)
            if node.longest
        ),
    )


def cut_into_cores(
    parts: Sequence[Layer], chip: Chip
) -> tuple[tuple[Core, ...], tuple[Problem, ...]]:
    """Return a partition in which no core has too many output axons, and what is in the way.

    How many cores a neuron reaches is known when all layers are cut. A layer with too many axons
    on a core is cut again for as many neurons as would have had few enough, until it has, or
    until a single neuron has too many.
    """
    neurons = [int(chip.neurons.value)] * len(parts)
    silent = np.zeros(parts[-1].first + parts[-1].size)
    while True:
        cores, problems = partition(parts, chip, neurons)
        if chip.axons_out is None:
            return cores, problems
        axons = traffic(parts, cores, silent).axons_out(len(cores))
        over = {c.layer for c, n in zip(cores, axons, strict=True) if n > chip.axons_out.value}
        stuck = {index for index in over if neurons[index] < 2 * parts[index].weight}
        if over == stuck:
            return cores, (*problems, *(_fan_out(parts[index], chip) for index in sorted(stuck)))
        for index in over - stuck:
            own = [number for number, core in enumerate(cores) if core.layer == index]
            held, one = max(cores[number].need.neurons for number in own), parts[index].weight
            enough = int(held * chip.axons_out.value / axons[own].max())
            neurons[index] = max(min(enough, held - one), one)


def _fan_out(layer: Layer, chip: Chip) -> Problem:
    assert chip.axons_out is not None
    return Problem(
        f"{layer.name}: one of its neurons reaches more than the {chip.axons_out.value:,.0f} cores "
        f"that a core of {chip.title} can send to ({chip.axons_out.certainty.value})",
        "make the layers behind it smaller, or compile with fewer --weight-bits",
    )
