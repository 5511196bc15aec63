"""Change what one payload unit of a source means; its readers' weights follow.

Not a pass of its own: what passes that choose thresholds or quantise the input share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...ir import IF, Array, Concat, Conv, Graph, Linear, MaxPool, Node, Rearrange, Reshape
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
    on_edge: dict[str, Array] = {}
    nodes: list[Node] = []
    for node in graph:
        if node.name in factors:
            on_edge[node.name] = np.broadcast_to(factors[node.name], graph.types[node.name].shape)
        elif isinstance(node, Concat) and any(name in on_edge for name in node.inputs):
            on_edge[node.name] = joined(graph, node, on_edge)
        elif node.inputs and node.inputs[0] in on_edge:
            factor = on_edge[node.inputs[0]]
            if isinstance(node, Reshape):
                on_edge[node.name] = factor.reshape(node.shape)
            elif isinstance(node, Rearrange):
                on_edge[node.name] = node.moved(factor, leading=0)
            elif isinstance(node, MaxPool):
                channels = _channels(node, factor).reshape(-1, 1, 1)
                on_edge[node.name] = np.broadcast_to(channels, graph.types[node.name].shape)
            elif isinstance(node, (Conv, Linear)):
                nodes.append(replace(node, weight=node.weight * _weight_factor(node, factor)))
                continue
        nodes.append(node)
    return Graph(nodes, graph.outputs)


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
    """Whether each channel of a source can have a unit of its own.

    Not where a view makes one channel of several, over which a window then slides: a vector that
    is reshaped to an image, or an image to another one.
    """
    shape = graph.types[name].shape
    different = np.arange(2.0, shape[0] + 2).reshape(-1, *(1,) * (len(shape) - 1))
    try:
        rescale_readers(graph, {name: different})
    except GraphError:
        return False
    return True


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
    return np.repeat(grouped, out // node.groups, axis=0)[:, :, None, None]
