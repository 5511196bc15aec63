r"""Energy from counted operations: the spiking network, its ANN, and the quantised twin.

Counts of the spiking network are means over samples that ran on the simulator. An event that
reaches a synapse with a nonzero weight is one operation there: a MAC where payloads other than
-1, 0 and 1 occur on the edge (the input, graded codes), else an AC. A neuron is updated at
every step, which is the addition of its bias and the comparison with its threshold, and each
event it sends is one subtraction more (soft reset). An integrator is counted like a neuron.

.. math::
    E = n_{MAC} e_{MAC} + (n_{AC} + n_{event} + 2\, n_{update})\, e_{add}

The ANN does all of its MACs, whatever its activations are; multiplications with the zeros of a
border are not counted, as they are not for the spiking network. Its biases, average pools,
joins, ReLUs and max pools are additions and comparisons.

The twin is the fair rival (Yan, Bai, Tan, arXiv 2409.08290): the same network as a quantised
ANN whose activations have as many levels as the payloads of a neuron can sum up to,
``b = ceil(log2(T * max_payload + 1))`` bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil, log2, prod
from typing import Any

import numpy as np

from ..backends import Activity
from ..backends.base import UNLIMITED, Progress
from ..backends.numpy_sim import NumpyBackend
from ..backends.resources import Resources
from ..ir import (
    Add,
    Affine,
    Array,
    AveragePool,
    Clip,
    Conv,
    Curve,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Product,
    RadixIF,
    Staircase,
    TrackingIF,
    latency,
)
from ..ir.bounds import is_quantized
from ..ir.reference import padded, window_taps
from .data import Inputs, sequence_length
from .event_counts import multiplies, reads_input, sends_spikes
from .hardware import Hardware
from .network import Network
from .passes.recognise_staircase import recognise_staircase
from .totals import Totals


@dataclass(frozen=True)
class Operations:
    """What one node does for one sample: means, so they need not be whole.

    Attributes:
        node: Its name.
        kind: Its class.
        macs: Multiplications with accumulation.
        acs: Additions; for an ANN also comparisons.
        neuron_updates: Neurons times steps; for a max pool each event and window it reaches.
        events: Spikes sent.
        synops: Events received from spiking nodes times the synapses they reach.
        unit_synops: Likewise, each event counted by its magnitude.
    """

    node: str
    kind: str
    macs: float = 0.0
    acs: float = 0.0
    neuron_updates: float = 0.0
    events: float = 0.0
    synops: float = 0.0
    unit_synops: float = 0.0

    def times(self, elements: int) -> Operations:
        """Return what a node of an ANN does for so many elements of a sequence."""
        return replace(self, macs=elements * self.macs, acs=elements * self.acs)

    def joules(self, hardware: Hardware, mac: str, add: str) -> float | None:
        """Return the energy, or None where the hardware's costs are not published."""
        if not hardware.constants:
            return None
        additions = self.acs + self.events + 2 * self.neuron_updates
        return self.macs * hardware.joules(mac) + additions * hardware.joules(add)


@dataclass(frozen=True)
class Estimate:
    """Operations and energy of one sample.

    Attributes:
        hardware: Whose costs.
        samples: Number of samples the counts are means of.
        latency_steps: T and the depth latency of the artifact's target.
        snn: Operations of each node of the spiking network.
        ann: Operations of each node of the source model.
        arithmetic: Operation names of a MAC and an addition: of the spiking network, of the
            ANN, of the twin.
        twin_bits: Width of the twin's activations.
    """

    hardware: Hardware
    samples: int
    latency_steps: int
    snn: tuple[Operations, ...]
    ann: tuple[Operations, ...]
    arithmetic: Mapping[str, tuple[str, str]]
    twin_bits: int

    def joules(self, network: str) -> float | None:
        """Return the energy of ``snn``, ``ann`` or ``twin`` for one sample, joules."""
        nodes = self.snn if network == "snn" else self.ann
        found = [node.joules(self.hardware, *self.arithmetic[network]) for node in nodes]
        return None if None in found else sum(energy for energy in found if energy is not None)

    def total(self, network: str, field: str) -> float:
        """Return the sum of one count over the nodes of a network."""
        nodes = self.snn if network == "snn" else self.ann
        return float(sum(getattr(node, field) for node in nodes))

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as one JSON object; counts and joules are for one sample."""
        fields = ("macs", "acs", "neuron_updates", "events", "synops", "unit_synops")
        snn = {field: self.total("snn", field) for field in fields}
        ann = {field: self.total("ann", field) for field in ("macs", "acs")}
        unknown = {"low": None, "high": None, "basis": self.hardware.basis}
        bracket = None if self.hardware.constants else unknown
        energy = {
            name: {
                "energy_joules": self.joules(name),
                "energy_joules_bracket": bracket,
                "mac": self.arithmetic[name][0],
                "add": self.arithmetic[name][1],
            }
            for name in ("snn", "ann", "twin")
        }
        used = {name for names in self.arithmetic.values() for name in names}
        return {
            "hardware": self.hardware.name,
            "basis": self.hardware.basis,
            "samples": self.samples,
            "snn": energy["snn"] | snn | {"latency_steps": self.latency_steps},
            "ann": energy["ann"] | ann,
            "twin": energy["twin"] | ann | {"activation_bits": self.twin_bits},
            "layers": [
                asdict(node)
                | {"energy_joules": node.joules(self.hardware, *self.arithmetic["snn"])}
                for node in self.snn
            ],
            "constants": [
                asdict(constant)
                for name, constant in self.hardware.constants.items()
                if name in used
            ],
        }


def estimate(
    network: Network,
    ann: Graph,
    samples: Inputs,
    hardware: Hardware,
    progress: Progress | None = None,
    resources: Resources = UNLIMITED,
) -> Estimate:
    """Count the operations of a network on samples, and what they cost.

    Args:
        network: The compiled network.
        ann: Its source model.
        samples: For each input, ``(samples, *shape)``.
        hardware: Whose costs.
        progress: Called with samples done and in all.
        resources: Memory and cores to use; a few blocks of samples are held at a time.
    """
    graph = network.graph
    program = NumpyBackend().lower(graph, network.timesteps)
    totals = Totals.of(program.stream(samples, progress=progress, resources=resources))
    elements = sequence_length(graph, samples)
    ann = recognise_staircase(ann)  # an exported staircase is five operators
    integer = is_quantized(graph)
    bits = ceil(log2(_levels(graph, network.timesteps) + 1))
    whole = "int8_mac" if bits <= 8 else "int32_mac"
    return Estimate(
        hardware=hardware,
        samples=totals.samples,
        latency_steps=network.program.latency_steps(elements),
        snn=graph_operations(graph, network.timesteps, totals.mean(), elements),
        ann=tuple(
            operations.times(elements)
            for node in ann
            if (operations := ann_operations(ann, node)) is not None
        ),
        arithmetic={
            "snn": spiking_arithmetic(graph),
            "ann": ("fp32_mac", "fp32_add"),
            "twin": (whole, "int32_add") if integer else ("fp32_mac", "fp32_add"),
        },
        twin_bits=bits,
    )


def graph_operations(
    graph: Graph, timesteps: int, activity: Mapping[str, Activity], elements: int = 1
) -> tuple[Operations, ...]:
    """Return what all nodes of a spiking network did in a run of T steps for each element."""
    steps = elements * (timesteps + latency(graph))
    found = (spiking_operations(graph, node, activity, steps) for node in graph)
    return tuple(operations for operations in found if operations is not None)


def spiking_arithmetic(graph: Graph) -> tuple[str, str]:
    """Return the operation names of a MAC and an addition of a spiking network."""
    return ("int8_mac", "int32_add") if is_quantized(graph) else ("fp32_mac", "fp32_add")


def spiking_operations(
    graph: Graph, node: Node, activity: Mapping[str, Activity], steps: int
) -> Operations | None:
    """Return what a node of a spiking network did, or None for one without operations."""
    name, kind = node.name, type(node).__name__
    if isinstance(node, (Conv, Linear, Product)):
        done = activity[name]
        synops, units = _mean(done.synops), _mean(done.unit_synops)
        macs, acs = (synops, 0.0) if multiplies(graph, node) else (0.0, synops)
        if reads_input(graph, node):
            synops = units = 0.0
        return Operations(name, kind, macs=macs, acs=acs, synops=synops, unit_synops=units)
    if isinstance(node, MaxPool):
        events = _mean(activity[name].spikes) if sends_spikes(graph, node) else 0.0
        return Operations(name, kind, neuron_updates=_mean(activity[name].synops), events=events)
    if isinstance(node, (Population, Integrator)):
        updates = float(steps * graph.types[name].size)
        events = _mean(activity[name].spikes) if isinstance(node, Population) else 0.0
        return Operations(name, kind, neuron_updates=updates, events=events)
    return None


def ann_operations(graph: Graph, node: Node) -> Operations | None:
    """Return what a node of an ANN does, or None for one without operations."""
    name, kind, size = node.name, type(node).__name__, graph.types[node.name].size
    biases = 0 if getattr(node, "bias", None) is None else size
    if isinstance(node, Linear):
        return Operations(name, kind, macs=float(node.weight.size), acs=float(biases))
    if isinstance(node, Conv):
        kernel = (node.weight.shape[2], node.weight.shape[3])
        taps = _taps(graph, node, kernel, node.dilation)
        return Operations(
            name, kind, macs=float(taps * prod(node.weight.shape[:2])), acs=float(biases)
        )
    if isinstance(node, (AveragePool, MaxPool)):
        dilation = node.dilation if isinstance(node, MaxPool) else (1, 1)
        channels = graph.types[name].shape[0]
        taps = _taps(graph, node, node.kernel, dilation)
        return Operations(name, kind, acs=float(taps * channels))
    if isinstance(node, Add):
        return Operations(name, kind, acs=float(size * (len(node.inputs) - 1)))
    if isinstance(node, Clip):
        return Operations(name, kind, acs=float(size))
    if isinstance(
        node, (Affine, Curve, Product, Staircase)
    ):  # a staircase scales, rounds and clips
        return Operations(name, kind, macs=float(size))
    return None


def _levels(graph: Graph, timesteps: int) -> int:
    """Return how many levels above 0 the most precise population can express."""
    return max((_levels_of(node, timesteps) for node in graph.populations), default=1)


def _levels_of(node: Population, timesteps: int) -> int:
    if isinstance(node, TrackingIF):
        return node.high - node.low
    if isinstance(node, RadixIF):
        return int(node.base**node.digits) - 1
    return timesteps * node.payload[1]


def _taps(
    graph: Graph,
    node: Conv | AveragePool | MaxPool,
    kernel: tuple[int, int],
    dilation: tuple[int, int],
) -> int:
    """Return how many values inside the border the windows of one channel see."""
    shape = graph.types[node.inputs[0]].shape[1:]
    inside = padded(np.ones((1, 1, *shape), np.int64), node.padding)
    return sum(int(tap.sum()) for _, tap in window_taps(inside, kernel, node.stride, dilation))


def _mean(counts: Array) -> float:
    """Return the mean over samples of counts ``(samples, timesteps)``, summed over time."""
    return float(counts.sum(axis=1).mean())
