"""What a placement adds: messages between cores, links they pass, and the time of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...backends.chips import get_chip
from ...ir import Graph
from ..data import Inputs
from ..placement import Fit, fit
from .counts import Layer
from .hardware import Barrier, Hardware, StepTime

PLACED_SAMPLES = 16
"""Most samples whose single neurons are counted: every payload of theirs is kept."""


@dataclass(frozen=True)
class Travel:
    """What reaches a node of a network in one sample.

    Attributes:
        messages: Events times the cores that hold a neuron they reach.
        hops_x: Links along rows of the mesh that messages pass.
        hops_y: Likewise along columns.
    """

    messages: float
    hops_x: float
    hops_y: float


@dataclass(frozen=True)
class Placement:
    """A network on the cores of a chip.

    Attributes:
        fit: As ``snnc fit`` found it.
        steps: Steps of a sample.
        travel: For each node that reads events, what reaches it.
    """

    fit: Fit
    steps: int
    travel: Mapping[str, Travel]

    @property
    def tiles(self) -> int:
        """Routers with a core in use."""
        mesh, places = self.fit.mesh, self.fit.places
        return len({(int(mesh.x[place]), int(mesh.y[place])) for place in places})

    def placed(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return layers with what travels between the cores that were found for them."""
        return tuple(self._placed(layer) for layer in layers)

    def _placed(self, layer: Layer) -> Layer:
        travel = self.travel.get(layer.node)
        if travel is None:
            return layer
        counts = replace(
            layer.counts, messages=travel.messages, hops_x=travel.hops_x, hops_y=travel.hops_y
        )
        return replace(layer, counts=counts)

    def step_seconds(self, hardware: Hardware, layers: Sequence[Layer]) -> float | None:
        """Return how long a step takes: the mean core of the slowest layer, and the barrier.

        A lower bound: cores of a layer share its work evenly, and nothing waits on a link.
        """
        step = hardware.step
        if step is None or not step.times:
            return None
        counted = {layer.node: layer for layer in layers}
        slowest = 0.0
        for index, layer in enumerate(self.fit.layers):
            cores = sum(core.layer == index for core in self.fit.cores)
            names = (layer.name, *(projection.name for projection in layer.projections))
            work = [counted[name] for name in dict.fromkeys(names) if name in counted]
            seconds = sum(busy(step, hardware, each) for each in work)
            slowest = max(slowest, seconds / (cores * self.steps))
        return slowest + barrier_seconds(step.barriers, hardware, self.tiles)


def busy(step: StepTime, hardware: Hardware, layer: Layer) -> float:
    """Return how long one core would take for a layer, seconds a sample."""
    return sum(
        layer.counts.sum_of(term.counts) * hardware.constants[term.constant].si
        for term in step.times
        if term.is_about(layer, "snn")
    )


def barrier_seconds(barriers: Sequence[Barrier], hardware: Hardware, tiles: int) -> float:
    """Return how long the barrier takes on some tiles; on more than are listed, the longest."""
    if not barriers:
        return 0.0
    wide = [barrier for barrier in barriers if barrier.tiles >= tiles] or [barriers[-1]]
    return hardware.constants[wide[0].constant].si


def place(graph: Graph, chip: str, timesteps: int, steps: int, samples: Inputs) -> Placement:
    """Put a network on a chip as ``snnc fit`` does, and follow the events of some samples.

    Args:
        graph: A spiking graph.
        chip: Name of the chip.
        timesteps: T.
        steps: Steps of a sample, all elements of a sequence together.
        samples: For each input its samples; the first ``PLACED_SAMPLES`` are counted.
    """
    few = {name: x[:PLACED_SAMPLES] for name, x in samples.items()}
    found = fit(graph, get_chip(chip), timesteps=timesteps, samples=few)
    sent, mesh, places = found.traffic, found.mesh, found.places
    start, end = places[sent.source], places[sent.target]
    columns = np.abs(mesh.x[start] - mesh.x[end]) * sent.events
    rows = np.abs(mesh.y[start] - mesh.y[end]) * sent.events
    travel = {}
    for number, name in enumerate(sent.projections):
        own = sent.projection == number
        parts = (float(part[own].sum()) * steps for part in (sent.events, columns, rows))
        travel[name] = Travel(*parts)
    return Placement(found, steps, travel)
