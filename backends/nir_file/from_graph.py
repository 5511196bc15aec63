"""A spiking graph as a NIR network.

NIR's neurons know one threshold, so every current is given in thresholds of the neuron it flows
into, and every node has ``v_threshold = 1`` and ``r = 1``: with a time step of 1 a step adds the
current to the membrane. What comes out of ``Output`` at a step is the current of the readout in
the model's units; the mean over the T steps is the answer.

**Comparison.** We fire at the threshold (``>=``), NIR above it. Membranes of an integer network
are whole numbers of units of a weight, so they may have a little more and mean the same: each
bias has ``1 / (T + 1)`` of a unit in it, which sums up to between nothing and one unit, both
excluded, in T steps. Then no membrane ever lies on its threshold: ``>`` and ``>=`` decide alike,
and so do sums that round, as long as they err by less than that. Real membranes have no such
grid, and do not need it: they lie on a threshold with probability 0.

**Signed spikes** with one threshold on either side (``deadband`` 1, no bound on the units sent)
are a pair of populations with membranes ``V`` and ``-V``: what one sends is taken off its own
membrane by the reset and has to be added to that of the other. Synapses between the two do that a
step later, before that membrane is compared again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...ir import (
    IF,
    Array,
    Conv,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Integrator,
    Linear,
    Node,
    Population,
)
from ...ir.leaky import LeakyIntegrator
from ...ir.types import is_integer
from .hdf5 import SOFT_RESET
from .kernels import plain
from .naming import Names
from .network import NirNetwork
from .nodes import Affine, Conv2d, Flatten, Neuron, NirNode, Port
from .places import Places


@dataclass(frozen=True)
class Layout:
    """A NIR network, and where in it the nodes of the graph are.

    Attributes:
        network: The network.
        inputs: For each encoder, the node it is.
        outputs: For each integrator, the node it is.
        populations: For each population, the node it is, or the two of a pair.
    """

    network: NirNetwork
    inputs: dict[str, str]
    outputs: dict[str, str]
    populations: dict[str, tuple[str, ...]]


def from_graph(graph: Graph, timesteps: int, version: str) -> Layout:
    """Return a graph that keeps the design rules as a NIR network, without metadata."""
    return Writer(graph, timesteps, version).layout()


def sending(graph: Graph) -> dict[str, Node]:
    """Return the nodes of a graph that send payloads of their own, by name."""
    return {
        node.name: node
        for node in graph
        if isinstance(node, (Encoder, Population, LeakyIntegrator, Delay, Feedback))
    }


def is_pair(node: Population) -> bool:
    """Whether a population becomes two, one for each sign."""
    return node.payload[0] < 0


def by_channel(parameter: Array, factor: Array, shape: tuple[int, ...]) -> Array:
    """Return a parameter of neurons times a factor, ``(channels, places)``."""
    whole = np.broadcast_to(parameter * factor, shape)
    return np.array(whole.reshape(shape[0], -1), np.float64)


def varies(parameter: Array, factor: Array, shape: tuple[int, ...]) -> bool:
    """Whether a parameter times a factor differs within a channel."""
    values = by_channel(parameter, factor, shape)
    return bool(np.any(values != values[:, :1]))


class Writer:
    """A network under construction."""

    def __init__(self, graph: Graph, timesteps: int, version: str) -> None:
        self.graph, self.version = graph, version
        self.spare = 1 / (timesteps + 1)
        self.names = Names(len(str(4 * len(graph))))
        self.nodes: dict[str, NirNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.populations: dict[str, tuple[str, ...]] = {}
        self.flat: dict[str, str] = {}
        self.places = Places(graph, sending(graph))

    def layout(self) -> Layout:
        for node in self.graph:
            if isinstance(node, Encoder):
                shape = self.graph.types[node.name].shape
                self.inputs[node.name] = self.add(node.inputs[0], Port(shape=shape))
            elif isinstance(node, IF):
                self.population(node)
        for node in self.graph.of_type(Integrator):
            shape = self.graph.types[node.name].shape
            ends = self.synapses(node, node.scale, node.bias * np.float64(1))
            output = Port(shape=shape, output=True)
            self.outputs[node.name] = self.add(node.name, output, ends)
        network = NirNetwork(nodes=self.nodes, edges=tuple(self.edges), version=self.version)
        return Layout(network, self.inputs, self.outputs, self.populations)

    def add(self, wanted: str, node: NirNode, sources: list[str] | None = None) -> str:
        """Add a node behind others; return its name."""
        name = self.names(wanted)
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources or []]
        return name

    def population(self, node: IF) -> None:
        """Add a population, or a pair for signed spikes."""
        shape = self.graph.types[node.name].shape
        spare = self.spare if is_integer(node.threshold) else 0.0
        signs = (1, -1) if is_pair(node) else (1,)
        made = []
        for sign in signs:
            ends = self.synapses(node, sign / node.threshold, node.bias + sign * spare)
            suffix = ".negative" if sign < 0 else ""
            made.append(self.add(node.name + suffix, self.unit_neurons(shape), ends))
        self.populations[node.name] = tuple(made)
        if len(made) > 1:
            for sender, receiver in (made, made[::-1]):
                back = self.add(f"{sender}.back", _identity(shape), [sender])
                self.edges.append((back, receiver))

    def unit_neurons(self, shape: tuple[int, ...]) -> Neuron:
        """Return neurons that add what comes in to their membranes, with a threshold of 1."""
        one = np.ones(shape, np.float32)
        reset = None if self.version == SOFT_RESET else np.zeros(shape, np.float32)
        return Neuron(kind="IF", r=one, v_threshold=one, v_reset=reset)

    def synapses(
        self, node: Population | LeakyIntegrator | Integrator, factor: Array, bias: Array
    ) -> list[str]:
        """Add the synapses of a neuron, in its own units; the first of them has its bias.

        Args:
            node: What they flow into.
            factor: Of the neuron's units for one unit of current.
            bias: In units of current.
        """
        shape = self.graph.types[node.name].shape
        rows = by_channel(np.ones(1), factor, shape)[:, 0]
        rest = by_channel(bias, factor, shape)[:, 0]
        ends = []
        for name in node.inputs:
            synapse = self.graph[name]
            assert isinstance(synapse, (Conv, Linear))
            for source, made in self.parts(synapse, rows):
                for part, sign in self.carriers(source, flat=isinstance(made, Affine)):
                    weight = made.weight * sign
                    kind = type(made)
                    fields = {k: v for k, v in vars(made).items() if k not in ("weight", "bias")}
                    end = self.add(name, kind(weight=weight, bias=rest, **fields), [part])
                    ends.append(end)
                    rest = np.zeros_like(rest)
        return ends

    def parts(self, synapse: Conv | Linear, rows: Array) -> Iterator[tuple[str, Affine | Conv2d]]:
        """Yield for each source of a synapse the part of it that it reads, without bias."""
        none = np.zeros(len(rows))
        read = synapse.inputs[0]
        if isinstance(synapse, Linear):
            weight = synapse.weight * rows[:, None] * synapse.copies
            for source, here, there in self.places.columns(read):
                own = np.zeros((self.graph.types[source].size, len(rows)))
                np.add.at(own, there, weight.T[here])
                yield source, Affine(weight=np.ascontiguousarray(own.T), bias=none)
            return
        _, height, width = self.graph.types[read].shape
        conv = plain(synapse, (height, width))
        channels = self.places.channels(read)
        assert conv is not None
        assert channels is not None
        weight = conv.weight * rows[:, None, None, None]
        for source, (here, there) in channels.items():
            inputs = self.graph.types[source].shape[0]
            own = np.zeros((inputs, len(rows), *weight.shape[2:]))
            np.add.at(own, there, weight.swapaxes(0, 1)[here])
            yield (
                source,
                Conv2d(
                    size=(height, width),
                    weight=np.ascontiguousarray(own.swapaxes(0, 1)),
                    bias=none,
                    stride=conv.stride,
                    padding=conv.padding[:2],
                    dilation=conv.dilation,
                ),
            )

    def carriers(self, source: str, *, flat: bool) -> list[tuple[str, float]]:
        """Return the nodes that send what a source sends, with the factor each counts with."""
        node = self.graph[source]
        if isinstance(node, Encoder):
            unit = 1.0 if node.scale is None else 1 / node.scale
            found = [(self.inputs[source], unit)]
        else:
            found = list(zip(self.populations[source], (1.0, -1.0), strict=False))
        return [(self.flattened(name) if flat else name, factor) for name, factor in found]

    def flattened(self, name: str) -> str:
        """Return a node as a vector."""
        shape = self.nodes[name].shape
        if len(shape) == 1:
            return name
        if name not in self.flat:
            self.flat[name] = self.add("flatten", Flatten(source=shape), [name])
        return self.flat[name]


def _identity(shape: tuple[int, ...]) -> Affine | Conv2d:
    """Return the synapse that adds one threshold to each neuron of another population."""
    eye, none = np.eye(shape[0]), np.zeros(shape[0])
    if len(shape) == 1:
        return Affine(weight=eye, bias=none)
    return Conv2d(size=(shape[1], shape[2]), weight=eye[:, :, None, None], bias=none)
