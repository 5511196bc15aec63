r"""What the nodes of a spiking network do, from the events of a simulation.

An event that reaches a synapse with a nonzero weight is one operation there: a MAC where payloads
other than -1, 0 and 1 occur on the edge (the input, graded codes), else an AC. It reads one
weight, and reads and writes the state of the neuron it reaches. A neuron is updated at every step,
whether something arrived or not: it adds its bias and compares with its threshold, and each event
it sends is one subtraction more (soft reset). An integrator is a neuron without threshold. What
neurons of trained spiking networks multiply and add at a step is in ``leaky_updates``.

Memory and addresses follow Lemaire et al. 2022 (arXiv 2210.13107), with two differences: the
fan-out of every event is the true one, borders and zero weights included, and what finds the next
address counts one addition for each synaptic operation, as in the paper's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...backends import Activity
from ...ir import (
    IF,
    Array,
    Conv,
    Delay,
    DifferentialIF,
    Encoder,
    Feedback,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Product,
    RadixIF,
    Signal,
    TrackingIF,
    TwoPhaseIF,
    latency,
)
from ...ir.leaky import LEAKY, LeakyIntegrator, LoihiLIF
from ...ir.types import is_integer
from ..event_counts import multiplies, reads_input, sends_spikes
from ..leaky_updates import Leaky, additions, kept_numbers, multiplications, subtracts, waits
from ..observed_inputs import has_a_value_each_step
from ..placement.layers import DRIVE_BITS, MEMBRANE_BITS, bits_of
from .counts import Buffer, Counts, Layer
from .payloads import REAL_BITS, payload_bits

BIAS_BITS = 32
"""Of a bias in memory, integer or real."""


def spiking_layers(
    graph: Graph,
    timesteps: int,
    activity: Mapping[str, Activity],
    injected: Mapping[str, float] | None = None,
    elements: int = 1,
) -> tuple[Layer, ...]:
    """Return what all nodes of a spiking network did in a run.

    Args:
        graph: The spiking graph.
        timesteps: T, for each element of a sequence.
        activity: What each node did, one or more samples.
        injected: For each encoder, mean events of a sample; where they are not known, what an
            encoder writes is left out.
        elements: Elements of a sample.
    """
    run = _Run(graph, timesteps + latency(graph), elements, activity, injected or {})
    found = (run.layer(node) for node in graph)
    return tuple(layer for layer in found if layer is not None)


def synapse_counts(
    *,
    events_in: float,
    reached: float,
    units_reached: float,
    bits: int,
    multiplies: bool,
    spikes: bool,
    convolution: bool,
) -> Counts:
    """Return what a synapse does.

    Args:
        events_in: Events received.
        reached: Events times the synapses each of them reaches.
        units_reached: Likewise, each event counted by its magnitude.
        bits: Of a payload.
        multiplies: Whether payloads are other than -1, 0 and 1.
        spikes: Whether the events are spikes, and not the input.
        convolution: Whether the first address behind an event takes multiplications.
    """
    return Counts(
        macs=reached if multiplies else 0.0,
        acs=0.0 if multiplies else reached,
        mac_planes=reached * bits if multiplies else 0.0,
        address_macs=2 * events_in if convolution else 0.0,
        address_acs=reached,
        events_in=events_in,
        payload_bits_in=events_in * bits,
        synops=reached if spikes else 0.0,
        unit_synops=units_reached if spikes else 0.0,
        input_reads=events_in,
        weight_reads=reached,
        state_reads=reached,
        state_writes=reached,
        messages=events_in,
    )


def neuron_counts(
    *,
    updates: float,
    biased: float,
    events: float,
    units: float,
    bits: int,
    states: int = 1,
    compares: bool = True,
    multiplications: int = 0,
) -> Counts:
    """Return what neurons do.

    Args:
        updates: Neurons times steps.
        biased: Of these, updates that add a bias.
        events: Events sent.
        units: Sum of their magnitudes.
        bits: Of a payload.
        states: Numbers that a neuron keeps from step to step.
        compares: Whether there is a threshold.
        multiplications: Of one update: decays and gains.
    """
    return Counts(
        macs=updates * multiplications,
        bias_additions=biased,
        comparisons=updates if compares else 0.0,
        resets=events,
        neuron_updates=updates,
        events=events,
        payload_units=units,
        payload_bits=events * bits,
        bias_reads=biased,
        state_reads=updates * states,
        state_writes=updates * states,
        output_writes=events,
    )


class _Run:
    """Turns what nodes did into counts."""

    def __init__(
        self,
        graph: Graph,
        steps: int,
        elements: int,
        activity: Mapping[str, Activity],
        injected: Mapping[str, float],
    ) -> None:
        self.graph, self.steps, self.elements = graph, steps, elements
        self.activity, self.injected = activity, injected

    def layer(self, node: Node) -> Layer | None:
        """Return what a node did, or None for one that does nothing."""
        if isinstance(node, (Conv, Linear, Product)):
            counts, buffers = self._synapse(node), self._synapse_buffers(node)
        elif isinstance(node, MaxPool):
            counts, buffers = self._pool(node), self._pool_buffers(node)
        elif isinstance(node, (Population, Integrator, LeakyIntegrator)):
            counts, buffers = self._neurons(node), self._neuron_buffers(node)
        elif isinstance(node, Delay):
            counts, buffers = self._delay(node), self._delay_buffers(node)
        elif isinstance(node, Encoder):
            counts, buffers = self._encoder(node), self._encoder_buffers(node)
        else:
            return None
        return Layer(node.name, type(node).__name__, counts, buffers)

    def _synapse(self, node: Conv | Linear | Product) -> Counts:
        done = self.activity[node.name]
        return synapse_counts(
            events_in=mean(done.spikes),
            reached=mean(done.synops),
            units_reached=mean(done.unit_synops),
            bits=max(payload_bits(self.graph, source) for source in node.inputs),
            multiplies=multiplies(self.graph, node),
            spikes=not reads_input(self.graph, node),
            convolution=isinstance(node, Conv),
        )

    def _synapse_buffers(self, node: Conv | Linear | Product) -> dict[str, Buffer]:
        source, here = self.graph.types[node.inputs[0]], self.graph.types[node.name]
        weights = None if isinstance(node, Product) else node.weight
        states = [state_bits(user) for user in self.graph.users[node.name]]
        return {
            "inputs": Buffer(source.size, payload_bits(self.graph, node.inputs[0])),
            "weights": Buffer(source.size, MEMBRANE_BITS)  # the sums of the other factor
            if weights is None
            else Buffer(weights.size, bits_of(weights) or REAL_BITS),
            "states": Buffer(here.size, max(states, default=MEMBRANE_BITS)),
        }

    def _neurons(self, node: Population | Integrator | LeakyIntegrator) -> Counts:
        size = self.graph.types[node.name].size
        spiking = isinstance(node, Population)
        done = self.activity[node.name] if spiking else None
        counts = neuron_counts(
            updates=float(self.elements * self.steps * size),
            biased=float(self.elements * self._steps_with_bias(node) * size),
            events=mean(done.spikes) if done else 0.0,
            units=mean(done.units) if done else 0.0,
            bits=payload_bits(self.graph, node.name) if spiking else 0,
            states=states_of(node),
            compares=spiking,
            multiplications=multiplications(node) if isinstance(node, LEAKY) else 0,
        )
        return self._leaky(node, counts) if isinstance(node, LEAKY) else counts

    def _leaky(self, node: Leaky, counts: Counts) -> Counts:
        """Return the counts of neurons with what current, reset and refractory period take."""
        updates = counts.neuron_updates
        waiting = updates if waits(node) else 0.0
        membranes = isinstance(node, LeakyIntegrator)  # go out as they are, at every step
        return replace(
            counts,
            acs=updates * additions(node) + waiting,
            mac_planes=counts.macs * state_bits(node),
            comparisons=counts.comparisons + waiting,
            resets=counts.resets if subtracts(node) else 0.0,
            output_writes=updates if membranes else counts.output_writes,
        )

    def _steps_with_bias(self, node: Population | Integrator | LeakyIntegrator) -> int:
        """Return at how many steps of an element a neuron adds its bias."""
        if not node.bias.any():
            return 0
        if isinstance(node, Integrator):
            return max(0, self.steps - node.start + 1) if node.decoding == "mean" else 1
        return self.steps if isinstance(node, (IF, TwoPhaseIF, *LEAKY)) else 1

    def _neuron_buffers(self, node: Population | Integrator | LeakyIntegrator) -> dict[str, Buffer]:
        type = self.graph.types[node.name]
        spiking = isinstance(node, Population)
        outputs = payload_bits(self.graph, node.name) if spiking else REAL_BITS
        return {
            "biases": Buffer(node.bias.size, BIAS_BITS),
            "states": Buffer(type.size * states_of(node), state_bits(node)),
            "outputs": Buffer(type.size, outputs),
        }

    def _pool(self, node: MaxPool) -> Counts:
        """Return what a max pool does: a running sum for each input, compared in each window."""
        done, source = self.activity[node.name], node.inputs[0]
        sent, compared = mean(done.spikes), mean(done.synops)
        arriving = self._arriving(source)
        bits = payload_bits(self.graph, source)
        return Counts(
            acs=arriving,
            comparisons=compared,
            resets=sent,
            neuron_updates=compared,
            events=sent if sends_spikes(self.graph, node) else 0.0,
            payload_units=mean(done.units) if sends_spikes(self.graph, node) else 0.0,
            payload_bits=sent * payload_bits(self.graph, node.name),
            events_in=arriving,
            payload_bits_in=arriving * bits,
            input_reads=arriving,
            state_reads=arriving + compared,
            state_writes=arriving + sent,
            output_writes=sent,
            messages=arriving,
        )

    def _arriving(self, name: str) -> float:
        """Return the events on an edge; of membranes and currents every value is one."""
        node = self.graph[name]
        if isinstance(node, (Population, MaxPool)):
            return mean(self.activity[name].spikes)
        if isinstance(node, Encoder):
            return self.injected.get(name, 0.0)
        if isinstance(node, Feedback):
            return self._arriving(node.source)
        if isinstance(node, LeakyIntegrator) or self.graph.types[name].signal is Signal.CURRENT:
            return self._values(name)
        return sum(self._arriving(source) for source in node.inputs)

    def _values(self, name: str) -> float:
        """Return the neurons of a node, times all steps."""
        return float(self.elements * self.steps * self.graph.types[name].size)

    def _delay(self, node: Delay) -> Counts:
        """Return what a delay does: each event is written once, and read once."""
        waiting = self._arriving(node.inputs[0]) if node.longest else 0.0
        return Counts(state_reads=waiting, state_writes=waiting)

    def _delay_buffers(self, node: Delay) -> dict[str, Buffer]:
        type = self.graph.types[node.name]
        places = int(np.broadcast_to(np.asarray(node.steps), type.shape).sum())
        events = type.signal is Signal.SPIKES
        bits = payload_bits(self.graph, node.name) if events else REAL_BITS
        return {"states": Buffer(places, bits)}

    def _pool_buffers(self, node: MaxPool) -> dict[str, Buffer]:
        source, here = self.graph.types[node.inputs[0]], self.graph.types[node.name]
        return {
            "inputs": Buffer(source.size, payload_bits(self.graph, node.inputs[0])),
            "states": Buffer(source.size + here.size, MEMBRANE_BITS),
            "outputs": Buffer(here.size, payload_bits(self.graph, node.name)),
        }

    def _encoder(self, node: Encoder) -> Counts:
        """Return what an encoder does: it scales and rounds every value once, and sends it."""
        stepwise = has_a_value_each_step(self.graph, node)
        values = self.elements * (self.steps if stepwise else 1)
        size = float(values * self.graph.types[node.name].size)
        events = self.injected.get(node.name, 0.0)
        quantises = node.scale is not None and not (stepwise and node.scale == 1)
        bits = payload_bits(self.graph, node.name)
        return Counts(
            macs=size if quantises else 0.0,
            mac_planes=size * bits if quantises else 0.0,
            input_reads=size,
            output_writes=events,
        )

    def _encoder_buffers(self, node: Encoder) -> dict[str, Buffer]:
        size = self.graph.types[node.name].size
        return {
            "inputs": Buffer(size, REAL_BITS),
            "outputs": Buffer(size, payload_bits(self.graph, node.name)),
        }


def states_of(node: Node) -> int:
    """Return how many numbers a neuron keeps from one step to the next.

    A membrane; beside it the units sent where they have bounds, what a value says so far for
    differential coding, the start and a correction for two phases; of leaky neurons see there.
    """
    if isinstance(node, IF):
        return 1 if node.acc_min is None and node.acc_max is None else 2
    if isinstance(node, LEAKY):
        return kept_numbers(node)
    two = (DifferentialIF, TrackingIF, TwoPhaseIF)
    return 2 if isinstance(node, two) else 1


def state_bits(node: Node) -> int:
    """Return the width of the numbers that a neuron keeps."""
    if isinstance(node, TrackingIF):
        return DRIVE_BITS
    fixed = (Integrator, IF, LoihiLIF, RadixIF, TwoPhaseIF)
    if isinstance(node, fixed) and is_integer(node.bias):
        return MEMBRANE_BITS
    return REAL_BITS


def mean(counts: Array) -> float:
    """Return the mean over samples of counts ``(samples, timesteps)``, summed over time."""
    return float(np.asarray(counts).sum(axis=1).mean())
