"""A trained spiking graph as a NIR network: neurons in continuous time, delays, recurrent edges.

Weights stand in the file as they are; a constant current is the bias of a synapse. An edge that
brings what a later neuron sent at the step before leaves that neuron, so that linear maps in
between see it late as well, as the importer takes it. Where that neuron came earlier in the step
there is no loop, and the edge is a ``Delay`` of one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ir import LI, Array, Encoder, Feedback, Graph, Integrator
from ...ir import Delay as DelayNode
from ...ir.leaky import LeakyIntegrator, LeakyPopulation
from .continuous import TimeStep
from .from_graph import Layout, Writer, varies
from .hdf5 import SOFT_RESET
from .network import NirNetwork
from .neurons import Meaning, written
from .nodes import Delay, Flatten, Port
from .trained_graph import is_count

LATER = "later "
"""Before the name of a node that is not written yet: no name in a file has a space."""


@dataclass(frozen=True)
class Readout:
    """What one output of the graph is.

    Attributes:
        node: The Output node.
        kind: ``value`` of the step, or the ``sum`` or the ``mean`` of the steps so far.
        offset: Added to it, broadcastable to its shape.
    """

    node: str
    kind: str
    offset: Array


@dataclass(frozen=True)
class TrainedLayout(Layout):
    """A layout with what NIR cannot say; its outputs go by their names.

    Attributes:
        sent: For each node of the graph that sends something, the node it is.
        meanings: For each spiking node of the file, what it does beyond what NIR says.
        late: Edges that bring what was sent at the step before.
        readouts: By name of the output.
    """

    sent: dict[str, str]
    meanings: dict[str, Meaning]
    late: tuple[tuple[str, str], ...]
    readouts: dict[str, Readout]


def from_trained(graph: Graph, step: TimeStep, version: str) -> TrainedLayout:
    """Return a prepared graph that keeps the design rules as a NIR network, without metadata."""
    return _TrainedWriter(graph, step, version).trained_layout()


def constant_current(
    node: LeakyPopulation | LeakyIntegrator, shape: tuple[int, ...], step: TimeStep
) -> Array:
    """Return the current that a neuron has to receive at every step, ``(*shape,)``."""
    received = written(node, shape, step, v_reset=False).received
    places = received.reshape(shape[0], -1)
    first = places[:, :1]
    if np.allclose(places, first, rtol=1e-9, atol=1e-12):  # what a division leaves
        places = np.broadcast_to(first, places.shape)
    return places.reshape(shape)


class _TrainedWriter(Writer):
    """A trained network under construction."""

    def __init__(self, graph: Graph, step: TimeStep, version: str) -> None:
        super().__init__(graph, timesteps=1, version=version)
        self.step = step
        self.sent: dict[str, str] = {}
        self.meanings: dict[str, Meaning] = {}
        self.readouts: dict[str, Readout] = {}

    def trained_layout(self) -> TrainedLayout:
        for node in self.graph:
            shape = self.graph.types[node.name].shape
            if isinstance(node, Encoder):
                self.inputs[node.name] = self.add(node.inputs[0], Port(shape=shape))
                self.sent[node.name] = self.inputs[node.name]
            elif isinstance(node, (LeakyPopulation, LeakyIntegrator)):
                self.neurons(node)
            elif isinstance(node, DelayNode):
                delay = np.broadcast_to(np.asarray(node.steps) * self.step.dt, shape)
                source = self.whole(node.inputs[0])
                self.sent[node.name] = self.add(node.name, Delay(delay=delay.copy()), [source])
        for output, name in self.graph.outputs.items():
            self.output(output, name)
        return TrainedLayout(
            NirNetwork(nodes=self.nodes, edges=self.settled(), version=self.version),
            self.inputs,
            self.outputs,
            self.populations,
            self.sent,
            self.meanings,
            tuple(edge for edge, late in zip(self.settled(), self.is_late(), strict=True) if late),
            self.readouts,
        )

    def neurons(self, node: LeakyPopulation | LeakyIntegrator) -> None:
        """Add neurons behind their synapses, which have their constant current."""
        shape = self.graph.types[node.name].shape
        current = constant_current(node, shape, self.step)
        ends = self.synapses(node, np.ones(1), current)
        if len(ends) == 1 and passes_on(self.graph, node):
            (self.sent[node.name],) = ends
            return
        made = written(node, shape, self.step, v_reset=self.version != SOFT_RESET)
        name = self.add(node.name, made.node, ends)
        self.sent[node.name] = name
        if isinstance(node, LeakyPopulation):
            self.populations[node.name] = (name,)
            self.meanings[name] = Meaning.of(node)

    def output(self, key: str, name: str) -> None:
        """Add an output: of a readout, or of what a node sends."""
        node = self.graph[name]
        shape = self.graph.types[name].shape
        kind = "value"
        offset: Array = np.zeros(1)
        if not isinstance(node, Integrator):
            ends = [self.whole(name)]
        elif is_count(self.graph, node):
            kind, ends = "sum", [self.whole(self.graph[node.inputs[0]].inputs[0])]
        else:
            kind = node.decoding
            bias = node.bias * np.float64(1) if kind == "mean" else offset
            offset = node.bias * node.scale if kind == "sum" else offset
            ends = self.synapses(node, node.scale, bias)
        output = self.add(key, Port(shape=shape, output=True), ends)
        self.outputs[key] = output
        self.readouts[key] = Readout(output, kind, offset)

    def carriers(self, source: str, *, flat: bool) -> list[tuple[str, float]]:
        """Return the node that sends what a source sends, with the factor it counts with."""
        node = self.graph[source]
        unit = 1.0
        if isinstance(node, Encoder) and node.scale is not None:
            unit = 1 / node.scale
        name = self.late(source) if isinstance(node, Feedback) else self.sent[source]
        shape = self.graph.types[source].shape
        if not flat:
            return [(name, unit)]
        if name.startswith(LATER):
            # Of a vector it does nothing, but snnTorch 1.0.0 takes neurons and a synapse that read
            # each other for a layer of its own, and sends what comes in through that synapse.
            return [(self.add("flatten", Flatten(source=shape), [name]), unit)]
        return [(name if len(shape) == 1 else self.flattened(name), unit)]

    def late(self, name: str) -> str:
        """Return what a ``Feedback`` reads: a node still to come, or one of a step ago."""
        node = self.graph[name]
        assert isinstance(node, Feedback)
        if node.source not in self.sent:
            return LATER + node.source
        if name not in self.sent:
            delay = np.full(self.graph.types[name].shape, self.step.dt)
            self.sent[name] = self.add(name, Delay(delay=delay), [self.sent[node.source]])
        return self.sent[name]

    def whole(self, name: str) -> str:
        """Return the node that sends all that is on an edge, in its order."""
        ((source, _, _),) = self.places.columns(name)
        shape = self.graph.types[name].shape
        flat = shape != self.graph.types[source].shape
        ((carrier, _),) = self.carriers(source, flat=flat)
        return carrier

    def settled(self) -> tuple[tuple[str, str], ...]:
        """Return the edges, now that all nodes are written."""
        return tuple(
            (self.sent[a.removeprefix(LATER)] if a.startswith(LATER) else a, b)
            for a, b in self.edges
        )

    def is_late(self) -> list[bool]:
        """Return for each edge whether it brings what was sent at the step before."""
        return [source.startswith(LATER) for source, _ in self.edges]


def passes_on(graph: Graph, node: LeakyPopulation | LeakyIntegrator) -> bool:
    """Whether a node only stands between two linear maps, which NIR joins with an edge."""
    if not isinstance(node, LI) or node.decay.any() or node.bias.any() or node.initial.any():
        return False
    named = {late.source for late in graph.of_type(Feedback)} | set(graph.outputs.values())
    read = not any(isinstance(user, DelayNode) for user in graph.users[node.name])
    return read and node.name not in named and bool((node.gain == 1).all())


def current_varies(
    node: LeakyPopulation | LeakyIntegrator, shape: tuple[int, ...], step: TimeStep
) -> bool:
    """Whether neurons need constant currents that differ within a channel."""
    return varies(constant_current(node, shape, step), np.ones(1), shape)
