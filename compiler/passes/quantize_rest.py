"""Quantise what a model leaves unquantised, for ``--code exact --approximate``.

Values that an integer network needs as levels and that no quantiser of the model rounds get a
staircase of 8 bits over the range they have on calibration samples, weights that are no whole
multiples become multiples of ``max|w| / 127`` for each output channel (static post-training
quantisation, Jacob et al., CVPR 2018). What the model itself quantises stays as it is. Not exact:
every place is noted. A model that is quantised throughout is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...ir import (
    VIEWS,
    Affine,
    AveragePool,
    Clip,
    Concat,
    Conv,
    Curve,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Previous,
    Product,
    Staircase,
)
from ...ir.ops import Function
from .integer_products import factor
from .integer_values import is_quantised
from .integer_weights import integer_weights

STEPS = 255
"""Steps of a staircase of 8 bits."""

LARGEST_WEIGHT = 127


@dataclass(frozen=True)
class QuantizeRest:
    """The pass.

    Attributes:
        ranges: For each value of ``unquantised``, its least and its greatest on samples; 0 lies
            between them.
        note: Receives one sentence for each place.
    """

    ranges: Mapping[str, tuple[float, float]]
    note: Callable[[str], None]

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with levels and integer weights throughout."""
        for name, (low, high) in self.ranges.items():
            graph = self.rounded(graph, graph[name], low, high)
        layers: tuple[Conv | Linear, ...] = (*graph.of_type(Conv), *graph.of_type(Linear))
        for node in layers:
            if integer_weights(node) is None:
                graph = graph.replace(node.name, self.with_whole_weights(node))
        return graph

    def rounded(self, graph: Graph, node: Node, low: float, high: float) -> Graph:
        """Put a staircase in the place of a clip or a curve, or behind any other value."""
        step = (high - low) / STEPS or 1.0
        lowest = round(low / step)
        clips = isinstance(node, (Clip, Curve))
        stairs = Staircase(
            name=node.name if clips else f"{node.name}.quantised",
            inputs=node.inputs if clips else (node.name,),
            step=np.full(1, step),
            low=lowest,
            high=lowest + STEPS,
            rounding="half_even",
            function=_rounded(node),
        )
        self.note(f"{node.name}: was rounded to 8 bits, from {low:.4g} to {high:.4g}")
        return graph.replace(node.name, *(() if clips else (node,)), stairs)

    def with_whole_weights(self, node: Conv | Linear) -> Conv | Linear:
        """Return a layer with weights of 8 bits, one scale for each output channel."""
        largest = np.abs(node.weight).reshape(len(node.weight), -1).max(axis=1)
        scale = np.where(largest > 0, largest, 1.0) / LARGEST_WEIGHT
        across = scale.reshape(-1, *(1,) * (node.weight.ndim - 1))
        self.note(f"{node.name}: its weights were rounded to 8 bits")
        return replace(node, weight=np.rint(node.weight / across) * across, weight_scale=scale)


def _rounded(node: Node) -> Function:
    """Return what a staircase computes in the place of a node before it rounds."""
    if isinstance(node, Curve) and node.function in ("tanh", "sigmoid"):
        return node.function
    return "identity"


def unquantised(graph: Graph) -> list[str]:
    """Return the values that an integer network needs as levels and that have none."""
    found: dict[str, None] = {}
    for node in graph:
        if isinstance(node, Clip) or _rounded(node) != "identity":
            found[node.name] = None
        elif isinstance(node, Previous):
            found.update(dict.fromkeys(_origins(graph, node.source)))
        elif isinstance(node, (Conv, Linear, AveragePool, MaxPool, Concat)):
            for source in node.inputs:
                found.update(dict.fromkeys(_origins(graph, source)))
        elif isinstance(node, Product):
            for source in node.inputs:
                found.update(dict.fromkeys(_origins(graph, factor(graph, source).name)))
        elif isinstance(node, Affine) and isinstance(graph[node.inputs[0]], Input):
            behind = [user for user in graph.users[node.name] if not isinstance(user, Staircase)]
            if behind:  # else it normalises the input of a quantiser
                found[node.inputs[0]] = None
    return [name for name in graph.nodes if name in found]


def _origins(graph: Graph, name: str) -> Iterator[str]:
    """Yield where values without levels come from, through what only moves them."""
    node = graph[name]
    if is_quantised(graph, name):
        return
    if isinstance(node, (MaxPool, *VIEWS, Concat)):
        for source in node.inputs:
            yield from _origins(graph, source)
    elif not isinstance(node, Previous):  # its source is looked at for itself
        yield name
