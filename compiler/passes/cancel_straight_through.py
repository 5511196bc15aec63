"""Cancel the straight-through estimator: ``x + (r - x) = r``.

Networks that are trained with a rounding ``r`` of ``x`` let the gradient pass it by writing
``x + (r - x).detach()`` (Bengio et al., arXiv 1308.3432); exporters write the sum as it stands.
Exact but for rounding.
"""

from __future__ import annotations

import numpy as np

from ...ir import Add, Affine, Graph
from ...ir.graph import renamed


def cancel_straight_through(graph: Graph) -> Graph:
    """Return the graph with every ``x + (r - x)`` read as ``r``."""
    rename: dict[str, str] = {}
    for node in graph.of_type(Add):
        if (rounded := _estimated(graph, node)) is not None:
            rename[node.name] = rename.get(rounded, rounded)
    if not rename:
        return graph
    nodes = (renamed(node, rename) for node in graph if node.name not in rename)
    outputs = {key: rename.get(name, name) for key, name in graph.outputs.items()}
    return Graph(nodes, outputs).without_dead_nodes()


def _estimated(graph: Graph, node: Add) -> str | None:
    """Return the name of ``r`` where a sum is ``x + (r - x)``."""
    if len(node.inputs) != 2:
        return None
    for x, difference in (node.inputs, node.inputs[::-1]):
        inner = graph[difference]
        if not isinstance(inner, Add) or len(inner.inputs) != 2:
            continue
        for rounded, negative in (inner.inputs, inner.inputs[::-1]):
            if _negates(graph, negative, x):
                return rounded
    return None


def _negates(graph: Graph, name: str, x: str) -> bool:
    node = graph[name]
    return (
        isinstance(node, Affine)
        and node.inputs[0] == x
        and bool(np.all(node.scale == -1))
        and not np.any(node.shift)
    )
