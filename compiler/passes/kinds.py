"""What kinds of ANN nodes there are to a conversion: linear maps, functions, values above 0."""

from __future__ import annotations

import numpy as np

from ...backends.target import Target
from ...ir import (
    VIEWS,
    Add,
    Affine,
    Array,
    AveragePool,
    Clip,
    Concat,
    Conv,
    Curve,
    Graph,
    Linear,
    MaxPool,
    Node,
    Previous,
    Product,
    Staircase,
    TrackingIF,
)
from ...ir.compact import elementwise
from ...ir.errors import Problem


def way_round(node: Node, target: Target | None = None) -> str:
    """Return what to do about a node that only the exact code can express.

    Args:
        node: A node that ``beyond_rates`` describes.
        target: Where it shall run, or None for nowhere in particular.
    """
    exact = target is None or TrackingIF in target.supports
    if isinstance(node, Previous):
        return "compile with --code exact" if exact else "choose --target numpy and --code exact"
    if target is not None and not target.joins:
        return (
            "train the network with Relu in its place, or choose a target whose layers may branch, "
            "as --target numpy, and compile with --approximate"
        )
    if not exact:
        return (
            "compile with --approximate where it is a function of one value, or choose a target "
            "that takes --code exact, as --target numpy (a float model: and --quantize 8)"
        )
    return (
        "compile with --approximate where it is a function of one value, or with --code exact "
        "(a float model: and --quantize 8)"
    )


def beyond_rates(node: Node) -> str:
    """Return what a node does that no code but the exact one can, or ""."""
    if isinstance(node, Previous):
        return f"carries {node.source!r} to the next element of a sequence"
    if isinstance(node, Curve):
        return f"computes {node.function}"
    return "multiplies two activations" if isinstance(node, Product) else ""


def problems_beyond_rates(graph: Graph, code: str, target: Target | None = None) -> list[Problem]:
    """Return one problem for each node that no code but the exact one can express."""
    return [
        Problem(f"{node.name}: {what}, which code {code!r} cannot", way_round(node, target))
        for node in graph
        if (what := beyond_rates(node))
    ]


def argument(graph: Graph, clip: str) -> str:
    """Return the value that a clip computes a function of."""
    node = graph[graph[clip].inputs[0]]
    while isinstance(node, Affine) and node.scale.size == 1:
        node = graph[node.inputs[0]]
    return node.name


def scaled_rows(weight: Array, scale: Array) -> Array:
    """Return weights times one factor, or one for each row; float64, the same array times 1."""
    if np.all(scale == 1):
        return np.asarray(weight, np.float64)
    return elementwise(np.multiply, weight, scale.reshape(-1, *(1,) * (weight.ndim - 1)))


def is_linear(node: Node) -> bool:
    """Whether an ANN node is a linear map: what flows into a neuron without a population."""
    return isinstance(node, (Add, Affine, AveragePool, Conv, Linear))


def nonnegative(graph: Graph, name: str, seen: set[str] | None = None) -> bool:
    """Whether a value of an ANN can never be below 0, seen from its operators.

    Args:
        graph: The ANN.
        name: The value.
        seen: Values that are looked at already: one that many sums read is looked at once.
    """
    seen = set() if seen is None else seen
    if name in seen:  # were it not, that would have been the answer
        return True
    seen.add(name)
    node = graph[name]
    if isinstance(node, (Clip, Staircase)):
        return node.low is not None and node.low >= 0
    if isinstance(node, (Add, AveragePool, Concat, MaxPool, *VIEWS)):
        return all(nonnegative(graph, source, seen) for source in node.inputs)
    if isinstance(node, (Conv, Linear)):  # e.g. values taken from an image
        adds = node.bias is None or bool(np.all(node.bias >= 0))
        return adds and bool(np.all(node.weight >= 0)) and nonnegative(graph, node.inputs[0], seen)
    return False
