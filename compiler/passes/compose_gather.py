"""Take chosen channels of a linear map from its weights.

``(W x + b)[places] = W[places] x + b[places]``: a Slice or a Split behind a layer is a layer of
fewer outputs, and no neurons stand between them. A blank place has weights of 0. Exact.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ir import Conv, Gather, Graph, Linear


def compose_gather(graph: Graph) -> Graph:
    """Return the graph with ``Linear -> Gather`` and ``Conv -> Gather`` of channels composed.

    They stay as they are where the channels come in groups, or where something reads the linear
    map that is no such choice: it would be computed twice.
    """
    made = {}
    for node in graph.of_type(Gather):
        source = graph[node.inputs[0]]
        if _composes(graph, source) and isinstance(source, (Conv, Linear)):
            made[node.name] = (_rows(node, source),)
    return graph.with_nodes(made).without_dead_nodes() if made else graph


def _composes(graph: Graph, source: object) -> bool:
    if not isinstance(source, (Conv, Linear)) or getattr(source, "groups", 1) != 1:
        return False
    if source.name in graph.outputs.values():
        return False
    users = graph.users[source.name]
    chosen = [len(user.places) for user in users if isinstance(user, Gather) and user.axis == 0]
    return len(chosen) == len(users) and sum(chosen) <= len(source.weight)


def _rows(node: Gather, source: Conv | Linear) -> Conv | Linear:
    weight = source.weight[np.maximum(node.places, 0)]
    weight[node.places < 0] = 0
    bias = None if source.bias is None else source.bias[np.maximum(node.places, 0)]
    if bias is not None:
        bias[node.places < 0] = 0
    scale = source.weight_scale
    if scale is not None and scale.size > 1:
        scale = scale[np.maximum(node.places, 0)]  # 0 is a multiple of anything
    return replace(source, name=node.name, weight=weight, bias=bias, weight_scale=scale)
