"""Counts by brute force: a dense simulation in plain Python, one multiplication at a time.

Nothing here looks at events, fan-out or windows of arrays. Every synapse is a list of ``(neuron it
ends at, neuron it begins at, weight)``, written down by walking over output positions and kernel
elements; at every step all of them are visited, and each visit that multiplies a payload that is
not 0 by a weight that is not 0 is one operation. Only what a neuron does with its current is taken
from the reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from snnc.ir import (
    IF,
    Array,
    Conv,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Reshape,
    TwoPhaseIF,
    latency,
)
from snnc.ir.leaky import LEAKY, LeakyIntegrator
from snnc.ir.reference import State, step
from tests.compiler.cost.leaky_neurons import count_updates

Synapse = tuple[int, int, int | float]
"""Flat index of the neuron it ends at, of the one it begins at, and its weight."""


@dataclass
class BruteForce:
    """A run of one sample.

    Attributes:
        graph: A spiking graph.
        timesteps: T.
        counts: For each node what was counted.
        memory: For each leaky population what each of its neurons keeps.
    """

    graph: Graph
    timesteps: int
    counts: dict[str, dict[str, float]] = field(default_factory=dict)
    memory: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, Array]) -> None:
        """Simulate one sample, ``(*shape)`` for each input."""
        self.counts = {node.name: defaultdict(float) for node in self.graph}
        sizes = {n.name: self.graph.types[n.name].size for n in self.graph if isinstance(n, LEAKY)}
        self.memory = {name: [{} for _ in range(size)] for name, size in sizes.items()}
        states: dict[str, State] = {node.name: {} for node in self.graph}
        synapses = {n.name: list(written_down(self.graph, n)) for n in self.graph if is_map(n)}
        values: dict[str, Array] = {}
        for t in range(1, self.timesteps + latency(self.graph) + 1):
            last, values = values, {}
            for node in self.graph:
                before = [values[name] for name in node.inputs]
                if isinstance(node, Input):
                    given = np.asarray(inputs[node.name], np.float64)
                    values[node.name] = given[t - 1] if node.stepwise else given
                elif isinstance(node, Feedback):
                    nothing = np.zeros(node.type.shape, np.int64)
                    values[node.name] = last.get(node.source, nothing)
                elif is_map(node):
                    values[node.name] = self._multiplied(node, synapses[node.name], before[0])
                elif isinstance(node, Reshape):
                    values[node.name] = before[0].reshape(node.shape)
                else:
                    batch = [value[None] for value in before]
                    values[node.name] = step(node, batch, states[node.name], t)[0]
                    self._looked_at(node, before, values[node.name], t)

    def _multiplied(self, node: Node, synapses: list[Synapse], x: Array) -> Array:
        """Return the current of a synapse, and count every operation it takes."""
        assert isinstance(node, (Conv, Linear))
        payloads, count = x.ravel().tolist(), self.counts[node.name]
        size = self.graph.types[node.name].size
        current: list[int | float] = [0] * size
        for target, source, weight in synapses:
            payload = payloads[source]
            if payload == 0 or weight == 0:
                continue
            for _ in range(node.copies):
                current[target] += payload * weight
                count["reached"] += 1
                count["units"] += abs(payload)
        count["events_in"] += sum(payload != 0 for payload in payloads)
        whole = np.issubdtype(node.weight.dtype, np.integer)
        number = np.int64 if whole else np.float64
        return np.array(current, number).reshape(self.graph.types[node.name].shape)

    def _looked_at(self, node: Node, before: list[Array], after: Array, t: int) -> None:
        """Count what a neuron, an encoder or a max pool did in a step."""
        count = self.counts[node.name]
        if isinstance(node, (Population, Integrator, LeakyIntegrator)):
            for _ in range(after.size):
                count["updates"] += 1
                count["biased"] += adds_bias(node, t)
        if isinstance(node, (Population, MaxPool, Encoder)):
            for payload in after.ravel().tolist():
                count["events"] += payload != 0
                count["sent_units"] += abs(payload)
        if isinstance(node, LEAKY):
            count_updates(node, before, after, self.memory[node.name], count)
        if isinstance(node, Delay):
            count["arrived"] += sum(payload != 0 for payload in before[0].ravel().tolist())
        if isinstance(node, MaxPool):
            for _, source in windows(self.graph, node):
                count["compared"] += before[0].ravel()[source] != 0
            count["arrived"] += sum(payload != 0 for payload in before[0].ravel().tolist())


def is_map(node: Node) -> bool:
    """Whether a node is synapses."""
    return isinstance(node, (Conv, Linear))


def adds_bias(node: Node, t: int) -> bool:
    """Whether a neuron adds a bias at a step."""
    assert isinstance(node, (Population, Integrator, LeakyIntegrator))
    if not any(value != 0 for value in node.bias.ravel().tolist()):
        return False
    if isinstance(node, Integrator) and node.decoding == "mean":
        return t >= node.start
    return isinstance(node, (IF, TwoPhaseIF, *LEAKY)) or t == 1


def written_down(graph: Graph, node: Node) -> Iterator[Synapse]:
    """Yield every synapse of a matrix or a convolution, weights of 0 included."""
    if isinstance(node, Linear):
        for target, row in enumerate(node.weight.tolist()):
            for source, weight in enumerate(row):
                yield target, source, weight
        return
    assert isinstance(node, Conv)
    weights = node.weight.tolist()
    channels = graph.types[node.inputs[0]].shape[0]
    out = graph.types[node.name].shape
    place = _flat(graph, node.inputs[0])
    for o, y, x in product(*map(range, out)):
        first = o // (out[0] // node.groups) * (channels // node.groups)
        for i, ky, kx in product(*map(range, node.weight.shape[1:])):
            seen = place(
                first + i,
                y * node.stride[0] + ky * node.dilation[0] - node.padding[0],
                x * node.stride[1] + kx * node.dilation[1] - node.padding[1],
            )
            if seen is not None:
                yield (o * out[1] + y) * out[2] + x, seen, weights[o][i][ky][kx]


def windows(graph: Graph, node: MaxPool) -> Iterator[tuple[int, int]]:
    """Yield every window of a max pool and each place it sees."""
    out = graph.types[node.name].shape
    place = _flat(graph, node.inputs[0])
    for c, y, x in product(*map(range, out)):
        for ky, kx in product(*map(range, node.kernel)):
            source = place(
                c,
                y * node.stride[0] + ky * node.dilation[0] - node.padding[0],
                x * node.stride[1] + kx * node.dilation[1] - node.padding[1],
            )
            if source is not None:
                yield (c * out[1] + y) * out[2] + x, source


def _flat(graph: Graph, name: str) -> Callable[[int, int, int], int | None]:
    """Return what turns a place of an image into a flat index, None for one in the border."""
    _, height, width = graph.types[name].shape

    def place(channel: int, y: int, x: int) -> int | None:
        if not (0 <= y < height and 0 <= x < width):
            return None
        return (channel * height + y) * width + x

    return place
