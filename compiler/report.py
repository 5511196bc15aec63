"""What the compiler changed, in words and numbers: the part of the manifest people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import inf, isfinite
from typing import Any

import numpy as np

from ..ir import (
    IF,
    Clip,
    Conv,
    DifferentialIF,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    MaxPool,
    Population,
    Previous,
    RadixIF,
    Signal,
    Staircase,
    TrackingIF,
)
from ..ir.bounds import accumulated_bounds
from ..ir.leaky import LeakyPopulation
from ..ir.settling import is_exact, settling_steps
from ..ir.trained import looks_trained
from ..ir.types import is_integer


@dataclass
class Report:
    """Collected while a model is compiled.

    Attributes:
        calibration: Where the calibration data came from: ``file``, ``array``, ``synthetic``.
        calibration_samples: How many samples they were.
        thresholds: The threshold rule in words.
        rate_convergence: For each value with a population, how slowly its rate converges,
            ``calibration.Statistics.convergence``; values that were never active have none.
        correction: What was fitted to the ANN after the thresholds: ``none`` or ``reconstruct``.
        cut: Read-out operators cut off behind the last layer, in words.
        approximations: One sentence for each thing that is not exact.
        warnings: What the user was warned of, with the way out.
        settling_bound: Of code ``exact``: steps after which every sample is at rest.
        search: How code, T and cap were searched for; None where they were given.
    """

    calibration: str = ""
    calibration_samples: int = 0
    thresholds: str = ""
    rate_convergence: dict[str, float | None] = field(default_factory=dict)
    correction: str = "none"
    cut: list[str] = field(default_factory=list)
    approximations: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    settling_bound: int | None = None
    search: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as it goes into a manifest."""
        return asdict(self)


def describe_approximations(ann: Graph, spiking: Graph) -> list[str]:
    """Return one sentence for each population that stands for a value without activation."""
    from .passes.kinds import is_linear

    between = [
        f"{node.name}: a population was put between two linear maps; it rounds the "
        f"value {node.represents!r} to multiples of its threshold"
        for node in spiking.populations
        if is_linear(ann[node.represents])
    ]
    unbounded = [
        f"{node.name}: differential coding does not enforce the upper bound of {node.represents!r}"
        for node in spiking.of_type(DifferentialIF)
        if isinstance(activation := ann[node.represents], (Clip, Staircase))
        and isfinite(inf if activation.high is None else activation.high)
    ]
    return between + unbounded


def neuron_contract(graph: Graph) -> dict[str, Any]:
    """Return the neuron contract of a spiking graph: what a backend must reproduce."""
    populations = graph.populations
    integer = all(is_integer(node.bias) for node in populations)
    trained = looks_trained(graph)
    readouts = sorted({_readout(node, trained) for node in graph.of_type(Integrator)})
    settled = settling_steps(graph) if is_exact(graph) else {}
    return {
        "arithmetic": "integer" if integer else "float64",
        "reset": "; ".join(sorted({_reset(node) for node in populations})) or "subtraction",
        "comparison": "; ".join(sorted({_comparison(node) for node in populations})) or ">=",
        "state_reset": "before every sample, to v_init",
        "bias_schedule": "; ".join(sorted({_bias_schedule(node) for node in populations})),
        "input_coding": "; ".join(
            sorted({_input_coding(graph, n) for n in graph.of_type(Encoder)})
        ),
        "readout": "; ".join(readouts),
        "max_pool": "telescoping: max of the sums now, minus max of the sums one step before",
        "encoders": {
            node.name: {
                "scale": node.scale,
                "bits": node.bits if node.scale else None,
                "bounds": node.bounds,
            }
            for node in graph.of_type(Encoder)
        },
        "populations": {node.name: _population_contract(node) for node in populations},
        "accumulated": _accumulated(graph),
        "sequence": _sequence_contract(graph),
        "settled_after": {node.name: settled[node.name] for node in populations if settled},
    }


def _accumulated(graph: Graph) -> dict[str, list[int]]:
    """Return between which values sums of currents stay that neurons keep, for each synapse."""
    synapses = dict.fromkeys(name for node in graph.of_type(TrackingIF) for name in node.inputs)
    bounds = {name: accumulated_bounds(graph, name) for name in synapses}
    return {name: [int(low.min()), int(high.max())] for name, (low, high) in bounds.items()}


def _sequence_contract(graph: Graph) -> dict[str, Any] | None:
    """Return what holds along the axis of elements; the other axis is that of time steps."""
    running = [node for node in graph.of_type(Input) if node.is_sequence]
    if not running:
        return None
    return {
        "elements": max(node.sequence or 0 for node in running) or "any number",
        "steps": "T for each element, one element after the other",
        "state_reset": "before every element, to rest",
        "carried": {
            node.name: f"all that {node.source} sent in the element before, at the first step"
            for node in graph.of_type(Previous)
        },
        "outputs": "those of the last element",
    }


def _readout(node: Integrator, trained: bool) -> str:
    ends = "in its own units" if trained else "in ANN units, before any cut read-out"
    if node.decoding == "sum":
        return f"accumulated current, {ends}"
    if node.decoding == "harmonic":
        return f"accumulated current of step t times 1/t, {ends}"
    since = "T" if node.start == 1 else f"the steps from {node.start} on"
    return f"accumulated current / {since}, {ends}"


def _input_coding(graph: Graph, node: Encoder) -> str:
    source = graph[node.inputs[0]]
    if isinstance(source, Input) and source.stepwise and not node.once:
        return "a payload of its own every step"
    return "one payload at the first step" if node.once else "the same payload every step"


def _comparison(node: Population) -> str:
    strict = isinstance(node, LoihiLIF) or (isinstance(node, LeakyPopulation) and node.strict)
    return ">" if strict else ">="


def _reset(node: Population) -> str:
    if isinstance(node, LeakyPopulation):
        words = {"subtract": "subtraction", "value": "to a value", "none": "none"}
        return words[node.reset] + (", a step later" if node.reset_delayed else "")
    if isinstance(node, LoihiLIF):
        return "to zero"
    return "to zero" if isinstance(node, IF) and node.reset == "zero" else "subtraction"


def _bias_schedule(node: Population) -> str:
    if isinstance(node, RadixIF):
        return "once, before the first step"
    once = isinstance(node, (DifferentialIF, TrackingIF))
    return "once, at the first step" if once else "every step"


def _population_contract(node: Population) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": type(node).__name__,
        "payload": list(node.payload),
    }
    if isinstance(node, TrackingIF):
        return found | _tracking_contract(node)
    if isinstance(node, LoihiLIF):
        return found | {"state": "u and v, 24 bits", "source": "lava-nc 0.10.0, PyLifModelBitAcc"}
    if isinstance(node, LeakyPopulation):
        told = ("strict", "reset", "reset_delayed", "refractory")
        return found | {name: getattr(node, name) for name in told}
    found["v_init"] = float(np.mean(node.initial / node.threshold))
    if isinstance(node, IF):
        return found | _if_contract(node)
    schedule = ("base", "digits", "start", "levels", "guard", "select")
    rehearsal = ("rule", "rehearsal", "stage", "stages")
    own = {f.name for f in fields(node)} & {*schedule, *rehearsal}
    return found | {name: getattr(node, name) for name in sorted(own)}


def _tracking_contract(node: TrackingIF) -> dict[str, Any]:
    return {
        "state": "the sum of the current of each synapse, and the units sent; all integers",
        "value": "edges of the drive" if node.edges is not None else "fixed point",
        "rounding": node.rounding,
        "guard": [node.low, node.high],
        "digits": node.digits or None,
        "base": node.base if node.digits else None,
        "start": node.start,
    }


def _if_contract(node: IF) -> dict[str, Any]:
    return {
        "select": node.select,
        "deadband": node.deadband,
        "rounding": "floor" if node.deadband == 0 else "towards zero",
        "guard": [node.acc_min, node.acc_max],
        "clamp": node.clamp,
    }


def summary(graph: Graph) -> Mapping[str, int]:
    """Return sizes of a spiking graph: populations, neurons, weights stored, outputs."""
    spiking = [
        node for node in graph if graph.types[node.name].signal is Signal.SPIKES and node.inputs
    ]
    neurons = sum(
        graph.types[node.name].size for node in spiking if isinstance(node, (Population, MaxPool))
    )
    synapses = graph.of_type(Conv) + graph.of_type(Linear)
    return {
        "populations": len(graph.populations),
        "neurons": neurons,
        "weights": sum(int(node.weight.size) for node in synapses),
        "outputs": sum(graph.types[node.name].size for node in graph.of_type(Integrator)),
    }
