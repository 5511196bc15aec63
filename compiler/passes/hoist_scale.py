"""Move a positive scale before the clip it follows.

``s * clip(x, l, h) = clip(s * x, s * l, s * h)``. The rate of a rate norm layer (Ding et al.,
IJCAI 2021), ``clip(x / theta, 0, 1)``, keeps its bound; multiplied by theta again it becomes
``clip(x, 0, theta)``, the threshold ReLU of Deng and Gu (ICLR 2021) with the trained bound.
A ReLU before the division meets the clip, and ``hoist_clip`` makes one of the two. Exact but
for rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ir import Affine, Array, Clip, Graph
from .fold_affine import is_one, pure_scale


def hoist_scale(graph: Graph) -> Graph:
    """Return the graph with every ``Clip -> Affine`` swapped that can be.

    A pair stays as it is where something else reads the value between them, where the affine
    map shifts or negates, or where the channels would no longer have one bound.
    """
    while (hoisted := _hoist_one(graph)) is not None:
        graph = hoisted
    return graph


def _hoist_one(graph: Graph) -> Graph | None:
    for affine in graph.of_type(Affine):
        clip, scale = graph[affine.inputs[0]], pure_scale(affine)
        if scale is None or not isinstance(clip, Clip) or graph.only_user(clip.name) is None:
            continue
        low, high = _bound(scale, clip.low), _bound(scale, clip.high)
        if low is None or high is None:
            continue
        before = graph[clip.inputs[0]]
        inner = pure_scale(before)
        if inner is not None and is_one(inner * scale):  # they cancel
            bounded = replace(clip, name=affine.name, inputs=before.inputs, low=low, high=high)
            return graph.replace(affine.name, bounded).without_dead_nodes()
        scaled = replace(affine, name=f"{clip.name}.scaled", inputs=clip.inputs)
        bounded = replace(clip, name=affine.name, inputs=(scaled.name,), low=low, high=high)
        return graph.replace(affine.name, scaled, bounded).without_dead_nodes()
    return None


def _bound(scale: Array, bound: float) -> float | None:
    """Return the scaled bound, or None where it would differ from channel to channel."""
    scaled = scale * bound
    return float(scaled.flat[0]) if np.all(scaled == scaled.flat[0]) else None
