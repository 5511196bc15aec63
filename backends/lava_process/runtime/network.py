"""Builds the Lava processes of a plan and connects their ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

from ....ir import IF, Array, LoihiLIF, Node, TrackingIF
from ....ir.reference import working
from ....ir.types import is_integer
from ..layout import lava_parameter, lava_shape, same_order
from ..plan import (
    ConcatPlan,
    ConvPlan,
    DelayPlan,
    DensePlan,
    FeedbackPlan,
    MaxPoolPlan,
    Plan,
    PopulationPlan,
    PreviousPlan,
    ProcessPlan,
    ReadoutPlan,
    SourcePlan,
    SparsePlan,
    StatefulPlan,
    Wire,
)
from ..recording import Recording
from ..unrecorded import Unrecorded
from .models import Schedule
from .previous import Previous
from .processes import (
    Concat,
    Delay,
    IntegrateAndFire,
    MaxPool,
    Readout,
    SampleSource,
    TrackingIntegrateAndFire,
)
from .stateful import Feedback, Stateful

Port: TypeAlias = Any
N = TypeVar("N", bound=Node)

GRADED = {"num_message_bits": 24}
"""Message bits above 0 mean payloads; without them every payload becomes 0 or 1, -1 as well.
Their number changes nothing in a simulation."""

EIGHT_BITS = {"weight_exp": -1, "sign_mode": SignMode.MIXED, **GRADED}
"""Lava's Dense and Sparse drop the lowest bit of weights of mixed sign, and guess the sign mode
of each matrix. Doubled weights with exponent -1 and a stated mode keep 8 bits exactly."""


class Ends(NamedTuple):
    """A process, the ports at which it receives and the one at which it sends, if it does."""

    process: Any
    receives: tuple[Port, ...]
    sends: Port | None


def build(
    plan: Plan, samples: Mapping[str, Array], recording: Recording, timesteps: int
) -> list[Any]:
    """Create and connect the processes of a plan.

    Args:
        plan: The network.
        samples: For each source, ``(samples, elements, *lava_shape)``, int32 or float64.
        recording: Where the processes write.
        timesteps: Steps of one element.
    """
    builder = Builder(plan, samples, recording, timesteps)
    return [end.process for end in builder.build().values()]


class Builder:
    """What all processes of one network share; see ``build`` for the arguments."""

    recording: Recording | Unrecorded

    def __init__(
        self, plan: Plan, samples: Mapping[str, Array], recording: Recording, timesteps: int
    ) -> None:
        self.plan = plan
        self.samples = samples
        self.count, self.elements = next(iter(samples.values())).shape[:2]
        self.recording = recording
        self.timesteps = timesteps

    def build(self) -> dict[str, Ends]:
        """Create and connect all processes; return them by name."""
        plans = {process.name: process for process in self.plan.processes}
        ends = {name: self.create(process) for name, process in plans.items()}
        for name, process in plans.items():
            for wire in process.wires:
                port = view(ends[wire.source].sends, plans[wire.source].shape, wire)
                port.connect(ends[name].receives[wire.port])
        return ends

    def create(self, plan: ProcessPlan) -> Ends:
        if isinstance(plan, (ConvPlan, DensePlan, SparsePlan)):
            return conv(plan) if isinstance(plan, ConvPlan) else matrix(plan)
        if isinstance(plan, DelayPlan):
            delay = Delay(name=plan.name, shape=lava_shape(plan.shape), steps=plan.steps)
            return Ends(delay, (delay.a_in,), delay.a_out)
        if isinstance(plan, SourcePlan):
            return self.source(plan)
        if isinstance(plan, MaxPoolPlan):
            return self.max_pool(plan)
        if isinstance(plan, ConcatPlan):
            return self.join(plan)
        if isinstance(plan, PreviousPlan):
            return self.previous(plan)
        if isinstance(plan, (StatefulPlan, FeedbackPlan)):
            return self.trained(plan)
        if isinstance(plan, PopulationPlan):
            if isinstance(plan.node, TrackingIF):
                return self.tracking(plan, plan.node)
            return self.population(plan, plan.node)
        assert isinstance(plan, ReadoutPlan)
        return self.readout(plan)

    def schedule(self, depth: int) -> Schedule:
        """Return when samples arrive at a process whose inputs have some depth."""
        return Schedule(depth + 1, self.timesteps, self.count, self.elements, self.plan.idle)

    def source(self, plan: SourcePlan) -> Ends:
        source = SampleSource(
            name=plan.name,
            samples=self.samples[plan.name],
            once=plan.encoder.once,
            stepwise=plan.stepwise,
            schedule=self.schedule(plan.depth),
        )
        return Ends(source, (), source.s_out)

    def population(self, plan: PopulationPlan, node: IF) -> Ends:
        neurons = IntegrateAndFire(
            name=plan.name,
            threshold=full(node.threshold, plan.shape),
            bias=full(node.bias, plan.shape),
            initial=full(node.initial, plan.shape),
            node=node,
            schedule=self.schedule(plan.depth),
            tally=self.recording.tallies[plan.name],
        )
        return Ends(neurons, (neurons.a_in,), neurons.s_out)

    def trained(self, plan: StatefulPlan | FeedbackPlan) -> Ends:
        shape = lava_shape(plan.shape)
        common: dict[str, Any] = {
            "name": plan.name,
            "shape": shape,
            "schedule": self.schedule(plan.depth),
            "tally": self.recording.tallies[plan.name],
        }
        if isinstance(plan, FeedbackPlan):
            process = Feedback(wait=plan.wait, **common)
        elif isinstance(plan.node, LoihiLIF) and uniform(plan.node):
            process = LIF(**own_parameters(plan.node, plan.shape), **common)
        else:
            process = Stateful(node=in_lava_order(plan.node, len(plan.shape)), **common)
        return Ends(process, (process.a_in,), process.s_out)

    def tracking(self, plan: PopulationPlan, node: TrackingIF) -> Ends:
        neurons = TrackingIntegrateAndFire(
            name=plan.name,
            shape=lava_shape(plan.shape),
            ports=len(node.inputs),
            node=laid_out(node, len(plan.shape)),
            schedule=self.schedule(plan.depth),
            tally=self.recording.tallies[plan.name],
        )
        return Ends(neurons, tuple(neurons.in_ports.members), neurons.s_out)

    def readout(self, plan: ReadoutPlan) -> Ends:
        place = list(self.recording.totals).index(plan.name)
        readout = Readout(
            name=plan.name,
            bias=full(plan.node.bias, plan.shape),
            node=plan.node,
            schedule=self.schedule(plan.depth),
            totals=self.recording.totals[plan.name],
            clock=self.recording.clocks[place : place + 1],
        )
        return Ends(readout, (readout.a_in,), readout.s_out)

    def max_pool(self, plan: MaxPoolPlan) -> Ends:
        node, (wire,) = plan.node, plan.wires
        top, left, bottom, right = node.padding
        pool = MaxPool(
            name=plan.name,
            input_shape=lava_shape(wire.shape),
            shape=lava_shape(plan.shape),
            kernel=node.kernel[::-1],
            stride=node.stride[::-1],
            dilation=node.dilation[::-1],
            padding=(left, top, right, bottom),
            schedule=self.schedule(plan.depth - 1),
            tally=self.recording.tallies[plan.name],
        )
        return Ends(pool, (pool.s_in,), pool.a_out)

    def join(self, plan: ConcatPlan) -> Ends:
        join = Concat(
            name=plan.name,
            shapes=[lava_shape(wire.shape) for wire in plan.wires],
            shape=lava_shape(plan.shape),
            order=plan.order,
            schedule=self.schedule(plan.depth),
            tally=self.recording.tallies[plan.name],
        )
        return Ends(join, tuple(join.in_ports.members), join.s_out)

    def previous(self, plan: PreviousPlan) -> Ends:
        previous = Previous(
            name=plan.name,
            initial=full(plan.node.initial, plan.shape),
            arrivals=self.schedule(plan.source_depth),
            schedule=self.schedule(plan.depth),
            tally=self.recording.tallies[plan.name],
        )
        return Ends(previous, (previous.s_in,), previous.s_out)


def conv(plan: ConvPlan) -> Ends:
    """Create Lava's own convolution, whose weights need no doubling."""
    process = Conv(
        name=plan.name,
        weight=plan.weight,
        input_shape=plan.input_shape,
        stride=plan.stride,
        padding=plan.padding,
        dilation=plan.dilation,
        groups=plan.groups,
        **GRADED,
    )
    return Ends(process, (process.s_in,), process.a_out)


def matrix(plan: DensePlan | SparsePlan) -> Ends:
    """Create Lava's own matrix of synapses; real weights are given as they are."""
    integer = is_integer(plan.weight)
    held, options = (2 * plan.weight, EIGHT_BITS) if integer else (plan.weight, GRADED)
    if isinstance(plan, DensePlan):
        process = Dense(name=plan.name, weights=held, **options)
        return Ends(process, (process.s_in,), process.a_out)
    size = int(np.prod(plan.shape))
    weights = csr_matrix((held, (plan.rows, plan.columns)), shape=(size, plan.inputs))
    process = Sparse(name=plan.name, weights=weights, **options)
    return Ends(process, (process.s_in,), process.a_out.reshape(lava_shape(plan.shape)))


def uniform(node: LoihiLIF) -> bool:
    """Whether Lava's ``LIF`` can be a population: it has one decay and one threshold for all."""
    return all(np.ptp(each) == 0 for each in (node.du, node.dv, node.threshold))


def own_parameters(node: LoihiLIF, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the parameters of Lava's ``LIF``."""
    return {
        "u": full(node.initial_current, shape),
        "v": full(node.initial, shape),
        "du": int(node.du.flat[0]),
        "dv": int(node.dv.flat[0]),
        "vth": int(node.threshold.flat[0]),
        "bias_mant": full(node.bias, shape),
        "bias_exp": full(node.bias_exp, shape),
    }


def in_lava_order(node: N, rank: int) -> N:
    """Return a node whose arrays broadcast to its edge as Lava keeps it."""
    arrays: dict[str, Any] = {
        each.name: lava_parameter(value, rank)
        for each in fields(node)
        if isinstance(value := getattr(node, each.name), np.ndarray)
    }
    return replace(node, **arrays)


def full(parameter: Array, shape: tuple[int, ...]) -> Array:
    """Return a neuron's parameter for each neuron, laid out for Lava, int64 or float64."""
    whole = np.broadcast_to(working(parameter, parameter), shape).transpose()
    return np.ascontiguousarray(whole)


def laid_out(node: TrackingIF, rank: int) -> TrackingIF:
    """Return a neuron whose parameters broadcast to its population as Lava keeps it."""
    return replace(
        node,
        threshold=lava_parameter(node.threshold, rank),
        bias=lava_parameter(node.bias, rank),
        multiplier=np.stack([lava_parameter(each, rank) for each in node.multiplier]),
    )


def view(port: Port, sent: tuple[int, ...], wire: Wire) -> Port:
    """Return a port as its reader sees it.

    Args:
        port: What sends.
        sent: Shape of what it sends, channels first.
        wire: The connection.
    """
    if wire.flat:
        return port.flatten() if len(sent) > 1 else port
    if wire.shape == sent:
        return port
    if not same_order(sent, wire.shape):  # reshapes count channels first
        return reversed_axes(reversed_axes(port).reshape(wire.shape))
    return port.reshape(lava_shape(wire.shape))


def reversed_axes(port: Port) -> Port:
    """Return a port with its axes in the opposite order."""
    return port.transpose() if len(port.shape) > 1 else port
