"""Change what one payload unit of a source means; its readers' weights follow.

Not a pass of its own: what passes that choose thresholds or quantise the input share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...ir import (
    IF,
    MOVES,
    Array,
    Concat,
    Conv,
    Graph,
    Linear,
    MaxPool,
    Node,
    Reshape,
)
from ...ir.compact import elementwise
from ...ir.errors import GraphError


def rescale_readers(graph: Graph, factors: Mapping[str, Array]) -> Graph:
    """Multiply the weights that read some sources.

    Args:
        graph: A real-valued spiking graph.
        factors: For each source's name, new over old unit, broadcastable to its shape.

    Returns:
        The graph in which every synapse delivers what it delivered before, for events whose
        payload units have grown by the factors.
    """
    on_edge = _carried(graph, factors, _channels)
    made: dict[tuple[int, str], Array] = {}  # synapses of one layer often share their weights
    nodes: list[Node] = []
    for node in graph:
        if isinstance(node, (Conv, Linear)) and node.inputs[0] in on_edge:
            key = id(node.weight), node.inputs[0]
            if key not in made:
                factor = _weight_factor(node, on_edge[node.inputs[0]])
                same = np.all(factor == 1)  # a copy may be most of the memory there is
                made[key] = node.weight if same else elementwise(np.multiply, node.weight, factor)
            node = replace(node, weight=made[key])
        nodes.append(node)
    return Graph(nodes, graph.outputs)


def _carried(
    graph: Graph, given: Mapping[str, Array], by_channel: Callable[[Node, Array], Array]
) -> dict[str, Array]:
    """Return what some sources have on their edges, carried on through views.

    Args:
        graph: A spiking graph.
        given: For each source's name what it has, broadcastable to its shape.
        by_channel: Returns what each channel has that a window slides over.
    """
    on_edge: dict[str, Array] = {}
    for node in graph:
        if node.name in given:
            on_edge[node.name] = np.broadcast_to(given[node.name], graph.types[node.name].shape)
        elif isinstance(node, Concat) and any(name in on_edge for name in node.inputs):
            on_edge[node.name] = joined(graph, node, on_edge)
        elif node.inputs and node.inputs[0] in on_edge:
            before = on_edge[node.inputs[0]]
            if isinstance(node, Reshape):
                on_edge[node.name] = before.reshape(node.shape)
            elif isinstance(node, MOVES):
                on_edge[node.name] = node.spread(before)
            elif isinstance(node, MaxPool):
                channels = by_channel(node, before).reshape(-1, 1, 1)
                on_edge[node.name] = np.broadcast_to(channels, graph.types[node.name].shape)
    return on_edge


def joined(graph: Graph, node: Concat, on_edge: Mapping[str, Array]) -> Array:
    """Return what its inputs have on their edges, 1 where nothing is noted, behind a join."""
    parts = [on_edge.get(name, np.ones(graph.types[name].shape)) for name in node.inputs]
    return np.concatenate(parts)


def rescale_population(graph: Graph, name: str, scale: Array) -> Graph:
    """Multiply a population's threshold; its events are worth as much more to its readers.

    Args:
        graph: A real-valued spiking graph.
        name: The population.
        scale: New over old threshold, broadcastable to its shape.
    """
    rescaled = rescale_readers(graph, {name: scale})
    node = rescaled[name]
    assert isinstance(node, IF)
    return Graph((scaled(node, scale) if n.name == name else n for n in rescaled), graph.outputs)


def scaled(node: IF, scale: Array | float) -> IF:
    """Return a population with another threshold and initial membrane, and its payload unit."""
    one = np.asarray(scale, np.float64)
    return replace(
        node, threshold=node.threshold * one, initial=node.initial * one, unit=node.unit * one
    )


def keeps_channels_apart(graph: Graph, name: str) -> bool:
    """Whether each channel of a source can have a unit of its own; see ``mixing_channels``."""
    return name not in mixing_channels(graph, [name])


def mixing_channels(graph: Graph, sources: Sequence[str]) -> set[str]:
    """Return the sources whose channels must share one unit.

    They are those of which a view makes one channel of several, over which a window then slides:
    a vector that is reshaped to an image, or an image to another one.
    """
    first = 2.0  # what is on no source's edge counts as 1
    labels: dict[str, Array] = {}  # a number of its own for each channel of each source
    ends: list[float] = []
    for name in sources:
        shape = graph.types[name].shape
        numbers = np.arange(first, first := first + shape[0])
        labels[name] = numbers.reshape(-1, *(1,) * (len(shape) - 1))
        ends.append(first)
    found: set[str] = set()

    def by_channel(node: Node, labelled: Array) -> Array:
        flat = labelled.reshape(len(labelled), -1)
        mixed = np.any(flat != flat[:, :1], axis=1)
        numbers = np.unique(flat[mixed])
        places = np.searchsorted(ends, numbers[numbers > 1], side="right")
        found.update(sources[place] for place in np.unique(places))
        return flat[:, 0]

    on_edge = _carried(graph, labels, by_channel)
    for node in graph.of_type(Conv):
        if node.inputs[0] in on_edge:
            by_channel(node, on_edge[node.inputs[0]])
    return found


def _channels(node: Node, factor: Array) -> Array:
    """Return the factor of each channel; a window must not mix different factors."""
    flat = factor.reshape(len(factor), -1)
    if not np.all(flat == flat[:, :1]):
        raise GraphError(
            f"{node.name}: slides over values of one channel in different units",
            hint="do not reshape or rearrange joined branches so that a channel mixes them",
        )
    return flat[:, 0]


def _weight_factor(node: Conv | Linear, factor: Array) -> Array:
    if isinstance(node, Linear):
        return factor[None, :]
    out, per_group = node.weight.shape[:2]
    grouped = _channels(node, factor).reshape(node.groups, per_group)
    if node.groups > 1:
        grouped = np.repeat(grouped, out // node.groups, axis=0)
    return grouped[:, :, None, None]
