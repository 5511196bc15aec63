"""From a graph to a plan of Lava processes: layouts, depths, delays, parallel copies.

Every connection process of Lava sends in a step what it summed in the step before, and so do
our max pool and delay; neurons add no delay. The depth of a node is the number of such
processes on the way to it (``alignment``); currents that meet in a neuron are brought to one
depth by delays.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import cycle

from ...ir import (
    IF,
    LI,
    LIF,
    MOVES,
    Concat,
    Conv,
    CubaLI,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Gather,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    MaxPool,
    Population,
    Previous,
    Rearrange,
    Reshape,
    Signal,
    TrackingIF,
)
from ...ir.bounds import is_quantized
from ...ir.leaky import LeakyIntegrator
from ...ir.types import is_integer
from ..counting import fan_out
from .alignment import align
from .layout import lava_order, lava_rearrangement, same_order
from .legalize import (
    convolution_matrix,
    eight_bit_parts,
    fits_lava_conv,
    lava_kernel,
    stored,
    with_equal_padding,
)
from .plan import (
    Arithmetic,
    ConcatPlan,
    ConvPlan,
    DelayPlan,
    DensePlan,
    FeedbackPlan,
    Listener,
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


def plan(graph: Graph) -> Plan:
    """Lay out a graph for Lava, in its own arithmetic.

    Args:
        graph: A graph that keeps the design rules.
    """
    return _Lowering(graph).plan()


SENDERS = (
    *(Encoder, Population, MaxPool, Concat, *MOVES, Previous),
    *(LeakyIntegrator, Delay, Feedback),
)
"""Nodes whose events others read."""


class _Lowering:
    """The state of one lowering."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.processes: list[ProcessPlan] = []
        self.alignment = align(graph)
        self.depth = self.alignment.depth
        self.lanes: dict[str, list[str]] = {}  # the parallel processes of each synapse
        self.delays: dict[tuple[tuple[Wire, ...], int], Wire] = {}
        self.needed = self._needed()

    def plan(self) -> Plan:
        for node in self.graph:
            if isinstance(node, (Conv, Linear)):
                self._synapse(node)
            elif isinstance(node, (IF, TrackingIF, Integrator)):
                self._neurons(node)
            elif isinstance(node, (Encoder, MaxPool)):
                self._sender(node)
            elif isinstance(node, (Concat, *MOVES)) and self._sends(node):
                self._join(node)
            elif isinstance(node, Previous):
                self._carried(node)
            elif isinstance(node, (LI, LIF, CubaLI, CubaLIF, LoihiLIF, Delay)):
                self._stateful(node)
            elif isinstance(node, Feedback):
                self._brought_back(node)
        latency = max(process.depth for process in self.processes)
        arithmetic: Arithmetic = "integer" if is_quantized(self.graph) else "real"
        idle = self.alignment.idle
        return Plan(tuple(self.processes), latency, self._listeners(), arithmetic, idle)

    def _sender(self, node: Encoder | MaxPool) -> None:
        name, sent = node.name, self.graph.types[node.name]
        if isinstance(node, Encoder):
            given = self.graph[node.inputs[0]]
            stepwise = isinstance(given, Input) and given.stepwise
            source = SourcePlan(
                name=name, wires=(), shape=sent.shape, depth=0, encoder=node, stepwise=stepwise
            )
            self.processes.append(source)
            return
        pool = MaxPoolPlan(
            name=name,
            wires=(self._wire(node.inputs[0]),),
            shape=sent.shape,
            depth=self.depth[name],
            node=node,
            payload=sent.payload,
        )
        self.processes.append(pool)

    def _carried(self, node: Previous) -> None:
        wire = self._wire(node.source)
        previous = PreviousPlan(
            name=node.name,
            wires=(wire,),
            shape=node.type.shape,
            depth=self.depth[node.name],
            node=node,
            source_depth=self.depth[wire.source],
        )
        self.processes.append(previous)

    def _stateful(self, node: LI | LIF | CubaLI | CubaLIF | LoihiLIF | Delay) -> None:
        wires: tuple[Wire, ...] = (self._wire(node.inputs[0]),)
        depth = self.depth[node.name]
        if not isinstance(node, Delay):
            wires, depth = self._currents(node)
        shape = self.graph.types[node.name].shape
        self.processes.append(
            StatefulPlan(name=node.name, wires=wires, shape=shape, depth=depth, node=node)
        )

    def _brought_back(self, node: Feedback) -> None:
        wire, depth = self._wire(node.source), self.depth[node.name]
        back = FeedbackPlan(
            name=node.name,
            wires=(wire,),
            shape=node.type.shape,
            depth=depth,
            node=node,
            wait=depth + 1 - self.depth[wire.source],
        )
        self.processes.append(back)

    def _join(self, node: Concat | Gather | Rearrange) -> None:
        depth = self.depth[node.name]
        wires = []
        for port, name in enumerate(node.inputs):
            wire = self._wire(name)
            if lag := depth - self.depth[wire.source]:
                wire = self._delayed((wire,), lag, depth)
            wires.append(replace(wire, port=port))
        shape = self.graph.types[node.name].shape
        order = None
        if isinstance(node, MOVES):
            order = lava_rearrangement(node, self.graph.types[node.inputs[0]].shape)
        join = ConcatPlan(name=node.name, wires=tuple(wires), shape=shape, depth=depth, order=order)
        self.processes.append(join)

    def _neurons(self, node: IF | TrackingIF | Integrator) -> None:
        name, shape = node.name, self.graph.types[node.name].shape
        wires, depth = self._currents(node)
        if isinstance(node, (IF, TrackingIF)):
            self.processes.append(
                PopulationPlan(name=name, wires=wires, shape=shape, depth=depth, node=node)
            )
        else:
            self.processes.append(
                ReadoutPlan(name=name, wires=wires, shape=shape, depth=depth, node=node)
            )

    def _free(self, name: str) -> str:
        """Return a name that no node has."""
        while name in self.graph.nodes:
            name += "'"
        return name

    def _sends(self, node: Concat | Gather | Rearrange) -> bool:
        """Whether a view is one of events, and not of an output."""
        return self.graph.types[node.name].signal is Signal.SPIKES

    def _root(self, name: str) -> str:
        """Follow reshapes back to the node that sends."""
        while isinstance(node := self.graph[name], Reshape):
            (name,) = node.inputs
        return name

    def _wire(self, name: str, *, flat: bool = False) -> Wire:
        return Wire(self._root(name), self.graph.types[name].shape, flat)

    def _needed(self) -> dict[str, int]:
        """For each synapse, how often the neuron that reads it most often reads it."""
        needed: Counter[str] = Counter()
        neurons = self.graph.populations + self.graph.of_type(LeakyIntegrator)
        for node in (*neurons, *self.graph.of_type(Integrator)):
            for name, times in Counter(node.inputs).items():
                needed[name] = max(needed[name], times)
        return needed

    def _synapse(self, node: Conv | Linear) -> None:
        """Add one process a parallel copy; Lava forbids two wires between the same ports.

        Copies are also what weights of more than 8 bits are made of.
        """
        parts = eight_bit_parts(node.weight) if is_integer(node.weight) else [node.weight]
        count = node.copies * len(parts) * self.needed.get(node.name, 0)
        lanes = [node.name, *(self._free(f"{node.name}#{i}") for i in range(1, count))][:count]
        self.lanes[node.name] = lanes
        if lanes:
            nodes = [replace(node, weight=part) for part in parts]
            plans = [self._linear(n) if isinstance(n, Linear) else self._conv(n) for n in nodes]
            for lane, plan in zip(lanes, cycle(plans), strict=False):
                self.processes.append(replace(plan, name=lane))

    def _linear(self, node: Linear) -> DensePlan:
        wire = self._wire(node.inputs[0], flat=True)
        order = lava_order(self.graph.types[wire.source].shape)
        return DensePlan(
            name=node.name,
            wires=(wire,),
            shape=self.graph.types[node.name].shape,
            depth=self.depth[node.name],
            weight=stored(node.weight[:, order]),
        )

    def _conv(self, node: Conv) -> ConvPlan | SparsePlan:
        wire = self._wire(node.inputs[0])
        channels, height, width = wire.shape
        depth = self.depth[node.name]
        shape = self.graph.types[node.name].shape
        equal = with_equal_padding(node, (height, width))
        sent = self.graph.types[wire.source].shape
        straight = sent == wire.shape or same_order(sent, wire.shape)
        if equal is None or not fits_lava_conv(equal) or not straight:
            rows, columns, weight = convolution_matrix(node, wire.shape, sent, shape)
            return SparsePlan(
                name=node.name,
                wires=(self._wire(node.inputs[0], flat=True),),
                shape=shape,
                depth=depth,
                rows=rows,
                columns=columns,
                weight=weight,
                inputs=channels * height * width,
            )
        top, left = equal.padding[:2]
        return ConvPlan(
            name=node.name,
            wires=(wire,),
            shape=shape,
            depth=depth,
            weight=lava_kernel(equal.weight),
            input_shape=(width, height, channels),
            stride=equal.stride[::-1],
            padding=(left, top),
            dilation=equal.dilation[::-1],
            groups=equal.groups,
        )

    def _currents(
        self, node: Population | Integrator | LeakyIntegrator
    ) -> tuple[tuple[Wire, ...], int]:
        """Return the wires into a neuron, delayed to its depth."""
        depth = self.depth[node.name]
        shape = self.graph.types[node.name].shape
        seen: Counter[str] = Counter()
        wires: list[Wire] = []
        for place, name in enumerate(node.inputs):
            copies = len(self.lanes[name]) // self.needed[name]
            lanes = self.lanes[name][copies * seen[name] :][:copies]
            seen[name] += 1
            parallel = tuple(Wire(lane, shape) for lane in lanes)
            lag = depth - self.depth[name]
            arriving = parallel if lag == 0 else (self._delayed(parallel, lag, depth),)
            port = place if isinstance(node, TrackingIF) else 0
            wires += (replace(wire, port=port) for wire in arriving)
        return tuple(wires), depth

    def _delayed(self, wires: tuple[Wire, ...], lag: int, depth: int) -> Wire:
        """Return one wire that carries the sum of what some wires carry, ``lag`` steps later."""
        if (wires, lag) not in self.delays:
            name = self._free(f"{wires[0].source}+{lag}")
            shape = wires[0].shape
            self.processes.append(
                DelayPlan(name=name, wires=wires, shape=shape, depth=depth, steps=lag)
            )
            self.delays[wires, lag] = Wire(name, shape)
        return self.delays[wires, lag]

    def _listeners(self) -> dict[str, tuple[Listener, ...]]:
        found: dict[str, tuple[Listener, ...]] = {}
        for node in self.graph:
            if isinstance(node, SENDERS):
                found[node.name] = ()
            if isinstance(node, (Conv, Linear, MaxPool)):
                source = self._root(node.inputs[0])
                reach = fan_out(self.graph, node.name).ravel()
                order = lava_order(self.graph.types[source].shape)
                found[source] += (Listener(node.name, reach[order]),)
        return found
