"""What a network costs, beside the ANNs it competes with; ``docs/cost.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import fsum
from typing import Any

from ...backends import Result
from ...backends.base import UNLIMITED, Progress
from ...backends.numpy_sim import NumpyBackend
from ...backends.resources import Resources
from ...backends.sample_blocks import sequence_length
from ...ir import Array, Graph, Input, latency
from ...ir.depth import depth_latency
from ..changed_ann import changed_by
from ..data import Inputs
from ..network import Network
from ..observed_inputs import as_observed
from ..passes.recognise_staircase import recognise_staircase
from ..totals import Totals
from .break_even import Activity, activity_of
from .budget import Budget, budgets
from .constants import Constant
from .counts import Layer
from .dense import Widths, dense_layers
from .hardware import Arithmetic, Hardware, total
from .inject import injected_events
from .latency import Answers, Latency, latency_of
from .neurobench import NeuroBench
from .presets import PRESETS, bracket_joules, preset
from .spiking import spiking_layers
from .traffic import Placement, place
from .twin import (
    FP32,
    FP32_WIDTHS,
    INT8,
    INT8_WIDTHS,
    spiking_arithmetic,
    twin_arithmetic,
    twin_bits,
    weight_bits,
)

STATIC = "static power"
"""The part of the energy that belongs to no layer."""


@dataclass(frozen=True)
class Costed:
    """One of the networks that are compared.

    Attributes:
        title: What it is.
        network: ``snn`` or ``ann``: what kind of terms it has.
        arithmetic: In which numbers it computes.
        layers: What its nodes do for one sample.
    """

    title: str
    network: str
    arithmetic: Arithmetic
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Estimate:
    """What a network does and costs for one sample, and its rivals.

    Attributes:
        hardware: The model of energy.
        samples: Number of samples the counts are means of.
        networks: ``snn``, ``ann`` (32-bit floats), ``ann_int8`` and ``twin``; not placed. Of a
            network that was trained as a spiking one only the first: it has no source ANN.
        twin_bits: Width of the twin's activations; None where there is no twin.
        budgets: Arithmetic effort of every synapse of the spiking network.
        activity: How active it was.
        latency: How long an answer takes, in steps of the artifact's own target.
        neurons: Neurons of the spiking network, inputs included.
        placement: On the chip of the hardware, if that is one.
        neurobench: NeuroBench's metrics, if asked for.
        stepwise: Whether an input has a value of its own at every step.
        ann_changed_by: Options that made the source ANN another model than the file's, or "".
    """

    hardware: Hardware
    samples: int
    networks: Mapping[str, Costed]
    twin_bits: int | None
    budgets: Mapping[str, Budget]
    activity: Activity
    latency: Latency
    neurons: int
    placement: Placement | None = None
    neurobench: NeuroBench | None = None
    stepwise: bool = False
    ann_changed_by: str = ""

    @cached_property
    def snn(self) -> tuple[Layer, ...]:
        """What the nodes of the spiking network do, on the chip if it was placed."""
        layers = self.networks["snn"].layers
        return self.placement.placed(layers) if self.placement else layers

    def layers(self, network: str) -> tuple[Layer, ...]:
        """Return what the nodes of a network do."""
        return self.snn if network == "snn" else self.networks[network].layers

    def total(self, network: str, count: str) -> float:
        """Return the sum of one count over the nodes of a network."""
        return fsum(getattr(layer.counts, count) for layer in self.layers(network))

    def parts(self, network: str, layer: Layer) -> dict[str, float | None]:
        """Return what each term takes of a layer, joules."""
        costed = self.networks[network]
        return self.hardware.parts(layer, costed.arithmetic, costed.network)

    def terms(self, network: str) -> dict[str, float | None]:
        """Return what each term takes of a whole network, joules; static power is one of them."""
        if self.networks[network].network not in self.hardware.runs:
            return {}
        sums: dict[str, list[float | None]] = {term.name: [] for term in self.hardware.terms}
        for layer in self.layers(network):
            for name, joules in self.parts(network, layer).items():
                sums[name].append(joules)
        found = {name: total(parts) for name, parts in sums.items() if parts}
        static = self.static_joules(network)
        return found if static is None else {**found, STATIC: static}

    def joules(self, network: str) -> float | None:
        """Return the energy of a network, or None where it is not known."""
        costed = self.networks.get(network)
        if costed is None:
            return None
        dynamic = self.hardware.joules(self.layers(network), costed.arithmetic, costed.network)
        static = self.static_joules(network)
        return dynamic if static is None else total((dynamic, static))

    def static_joules(self, network: str) -> float | None:
        """Return static power times latency, where the hardware has both; else None."""
        seconds, static = self.step_seconds, self.hardware.static
        if seconds is None or static is None or self.networks[network].network != "snn":
            return None
        power = self.hardware.constants[static.power].si
        return power * self.chips * seconds * self.latency.hardware_steps

    @property
    def chips(self) -> int:
        """Chips in use: those of the placement, or as many as hold the neurons."""
        if self.placement is not None:
            return self.placement.fit.chips
        static = self.hardware.static
        if static is None or not static.neurons:
            return 1
        return -(-self.neurons // int(self.hardware.constants[static.neurons].value))

    @property
    def has_ann(self) -> bool:
        """Whether there is a source ANN, so that there are rivals."""
        return "ann" in self.networks

    @cached_property
    def step_seconds(self) -> float | None:
        """How long a step takes on the hardware, or None where it does not say."""
        step = self.hardware.step
        if step is None:
            return None
        if step.tick:
            return self.hardware.constants[step.tick].si
        return self.placement.step_seconds(self.hardware, self.snn) if self.placement else None

    @property
    def constants(self) -> tuple[Constant, ...]:
        """The constants that the networks were costed with."""
        kinds = [(costed.network, costed.arithmetic) for costed in self.networks.values()]
        return self.hardware.used(kinds)

    @property
    def bracket(self) -> dict[str, float] | None:
        """Where the energy of the spiking network may lie if no operation's is published."""
        bracket = self.hardware.bracket
        if bracket is None:
            return None
        return {
            "low": bracket_joules(bracket.low, self.snn),
            "high": bracket_joules(bracket.high, self.snn),
        }

    def on(self, hardware: Hardware) -> Estimate:
        """Return the estimate on other hardware, with the placement only if it has that chip."""
        placement = self.placement
        kept = placement if placement and placement.fit.chip.name == hardware.chip else None
        return replace(self, hardware=hardware, placement=kept)

    def over_models(self) -> tuple[Estimate, ...]:
        """Return the estimate on all models of energy: this one, then those of snnc."""
        others = [preset(name) for name in PRESETS if name != self.hardware.name]
        return (self, *(self.on(hardware) for hardware in others))

    def ratio(self, rival: str) -> float | None:
        """Return the energy of the spiking network over that of a rival, if both are known."""
        snn, other = self.joules("snn"), self.joules(rival)
        return snn / other if snn is not None and other else None

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as one JSON object; counts and joules are for one sample."""
        from .document import document

        return document(self)


def estimate(
    network: Network,
    ann: Graph | None,
    samples: Inputs,
    hardware: Hardware,
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
    *,
    labels: Array | None = None,
    neurobench: NeuroBench | None = None,
) -> Estimate:
    """Count what a network does on samples, and what it costs.

    Args:
        network: The compiled network.
        ann: Its source model; None for a network that was trained as a spiking one.
        samples: For each input, ``(samples, *shape)``.
        hardware: The model of energy; on a chip that ``snnc fit`` knows the network is placed.
        progress: Called with samples done and in all.
        resources: Memory and cores to use; a few blocks of samples are held at a time.
        labels: The right classes, ``(samples,)``, if known.
        neurobench: NeuroBench's metrics, to be shown beside.

    Raises:
        DataError: There are labels, and the network is no classifier of them.
    """
    graph, timesteps = as_observed(network.graph, samples), network.timesteps
    elements = sequence_length(graph, samples)
    program = NumpyBackend().lower(graph, timesteps)
    answers = None if labels is None else Answers(network, labels)
    results = program.stream(samples, progress=progress, resources=resources)
    totals = Totals.of(_overheard(results, answers))
    steps = elements * (timesteps + latency(graph))
    injected = injected_events(graph, timesteps, samples)
    spiking = spiking_layers(graph, timesteps, totals.mean(), injected, elements)
    placement = None
    if hardware.chip:
        placement = place(graph, hardware.chip, timesteps, steps, samples)
    bits = None if ann is None else twin_bits(graph, timesteps)
    found = Estimate(
        hardware=hardware,
        samples=totals.samples,
        networks={
            "snn": Costed("SNN", "snn", spiking_arithmetic(graph), spiking),
            **({} if ann is None or bits is None else _rivals(graph, ann, bits, elements)),
        },
        twin_bits=bits,
        budgets=budgets(graph, timesteps, spiking, elements),
        activity=activity_of(graph, timesteps, spiking, elements),
        latency=replace(
            latency_of(network, elements),
            correct=None if answers is None else answers.correct(),
            hardware_steps=steps + depth_latency(graph),
        ),
        neurons=sum(graph.types[layer.node].size for layer in spiking if _is_neural(layer)),
        placement=placement,
        neurobench=neurobench,
        stepwise=any(node.stepwise for node in graph.of_type(Input)),
        ann_changed_by=changed_by(network.artifact.manifest),
    )
    return replace(found, latency=replace(found.latency, step_seconds=found.step_seconds))


def _rivals(graph: Graph, ann: Graph, bits: int, elements: int) -> dict[str, Costed]:
    """Return the ANNs that a spiking network is compared with."""
    ann = recognise_staircase(ann)  # an exported staircase is five operators
    twin = Widths(activations=bits, weights=weight_bits(graph))
    arithmetic = twin_arithmetic(graph, bits)
    title = f"ANN, {bits}-bit activations (twin)"
    return {
        "twin": Costed(title, "ann", arithmetic, dense_layers(ann, twin, elements)),
        "ann_int8": Costed("ANN, INT8", "ann", INT8, dense_layers(ann, INT8_WIDTHS, elements)),
        "ann": Costed("ANN, FP32", "ann", FP32, dense_layers(ann, FP32_WIDTHS, elements)),
    }


def _overheard(results: Iterator[Result], answers: Answers | None) -> Iterator[Result]:
    """Yield results, and let the answers be looked at as they come by."""
    for result in results:
        if answers is not None:
            answers.add(result)
        yield result


def _is_neural(layer: Layer) -> bool:
    return layer.kind not in ("Conv", "Delay", "Linear", "Product")
