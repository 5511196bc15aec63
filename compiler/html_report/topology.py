"""The layers of a spiking graph as a drawing needs them: who sends to whom, through what.

A layer is what has neurons: an input, a population, a max pool, a readout. Synapses and views are
not layers: they are what lies between two of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...ir import (
    Array,
    Conv,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Previous,
    Product,
    Signal,
    TrackingIF,
)
from ...ir.leaky import LeakyIntegrator
from .naming import short_names
from .quantities import TIMES

Range = tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        number: Its place from the inputs to the outputs, from 1.
        name: Name of the node.
        title: A short form of it that no other layer has.
        kind: Class of the node.
        shape: Its neurons.
        payload: Smallest and largest payload; None for a layer that sends none, or real ones.
        threshold: Smallest and largest threshold, current units; None where there is none, and of
            tracking neurons: their threshold is a place in a fixed-point number.
        unit: Smallest and largest ANN units of one payload unit; None where there is none.
        represents: Name of the ANN's value that it stands for, or "".
        synapses: Names of the nodes between it and the layers that send to it.
        loops_from: Name of the layer whose payloads of the element before it repeats, or "".
    """

    number: int
    name: str
    title: str
    kind: str
    shape: tuple[int, ...]
    payload: tuple[int, int] | None
    threshold: Range | None
    unit: Range | None
    represents: str
    synapses: tuple[str, ...]
    loops_from: str

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Connection:
    """What leads from one layer to another.

    Attributes:
        source: Name of the layer that sends.
        target: Name of the layer that receives.
        words: The synapse in words.
    """

    source: str
    target: str
    words: str


@dataclass(frozen=True)
class Topology:
    """All layers and connections, in the order of the graph."""

    layers: tuple[Layer, ...]
    connections: tuple[Connection, ...]

    def owner(self, node: str) -> Layer | None:
        """Return the layer that a node is, or is a synapse of."""
        for layer in self.layers:
            if node == layer.name or node in layer.synapses:
                return layer
        return None

    def label(self, node: str) -> str:
        """Return what stands beside a layer in a chart or a table; the node itself if it is none.

        A synapse has the label of the layer that it leads to.
        """
        owner = self.owner(node)
        return f"{owner.number} {owner.title}" if owner else node

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "layers": [asdict(layer) | {"neurons": layer.neurons} for layer in self.layers],
            "connections": [asdict(connection) for connection in self.connections],
        }


def topology_of(graph: Graph) -> Topology:
    """Return the layers of a spiking graph and what connects them."""
    nodes = [node for node in graph if is_layer(graph, node)]
    titles = short_names([node.name for node in nodes])
    layers, connections = [], []
    for number, node in enumerate(nodes, 1):
        between = list[str]()
        for name in dict.fromkeys(node.inputs):
            for source, passed in _origins(graph, name, ()):
                between += passed
                words = ", ".join(text for n in passed if (text := in_words(graph[n])))
                connections.append(Connection(source, node.name, words))
        layers.append(
            Layer(
                number=number,
                name=node.name,
                title=titles[node.name],
                kind=type(node).__name__,
                shape=graph.types[node.name].shape,
                payload=graph.types[node.name].payload,
                threshold=_threshold(node),
                unit=_unit(node),
                represents=node.represents if isinstance(node, Population) else "",
                synapses=tuple(dict.fromkeys(between)),
                loops_from=_looped(graph, node),
            )
        )
    return Topology(tuple(layers), tuple(connections))


def is_layer(graph: Graph, node: Node) -> bool:
    """Whether a node has neurons."""
    if isinstance(node, (MaxPool, Previous)):
        return graph.types[node.name].signal is Signal.SPIKES
    return isinstance(node, (Encoder, Population, Integrator, LeakyIntegrator))


def in_words(node: Node) -> str:
    """Return a synapse in words; nothing for a view.

    >>> in_words(Linear(name="l", inputs=("x",), weight=np.ones((3, 5))))
    'dense 5 to 3'
    """
    if isinstance(node, Feedback):
        return "a step later"
    if isinstance(node, Delay):
        return f"{_steps(node)} steps late" if node.longest else ""
    if isinstance(node, Linear):
        return f"dense {node.weight.shape[1]:,} to {node.weight.shape[0]:,}"
    if isinstance(node, Conv):
        rows, columns = node.weight.shape[2:]
        depthwise = node.groups > 1 and node.weight.shape[1] == 1
        groups = f", {node.groups} groups" if node.groups > 1 and not depthwise else ""
        strides = TIMES.join(map(str, dict.fromkeys(node.stride)))
        stride = f", stride {strides}" if max(node.stride) > 1 else ""
        if (rows, columns) == (1, 1) and depthwise and not stride:
            return "identity"
        return f"{'depthwise ' if depthwise else ''}conv {rows}{TIMES}{columns}{stride}{groups}"
    return "product" if isinstance(node, Product) else ""


def _steps(node: Delay) -> str:
    least, most = int(np.min(node.steps)), node.longest
    return str(most) if least == most else f"{least} to {most}"


def _origins(graph: Graph, name: str, passed: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the layers that a value comes from, each with the nodes on the way."""
    node = graph[name]
    if is_layer(graph, node):
        return [(name, passed)]
    if name in passed:  # a loop without neurons
        return []
    on_the_way = (name, *passed)
    sources = (node.source,) if isinstance(node, Feedback) else node.inputs
    return [found for source in sources for found in _origins(graph, source, on_the_way)]


def _looped(graph: Graph, node: Node) -> str:
    """Return the layer that a value carried to the next element comes from, or ""."""
    if node.name not in graph.feedback:
        return ""
    return _origins(graph, graph.feedback[node.name], ())[0][0]


def _threshold(node: Node) -> Range | None:
    if isinstance(node, TrackingIF) or not isinstance(node, Population):
        return None
    return _range(node.threshold)


def _unit(node: Node) -> Range | None:
    if isinstance(node, Encoder):
        return None if node.scale is None else (node.scale, node.scale)
    return _range(node.unit) if isinstance(node, Population) else None


def _range(values: Array) -> Range:
    return float(values.min()), float(values.max())
