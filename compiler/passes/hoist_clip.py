"""Move a clip or a staircase before the max pool or the reshape it follows; join clips in a row.

A monotone function commutes with the maximum, ``clip(max(x)) = max(clip(x))``, and an
elementwise one with a change of shape. The clip then stands directly behind a linear map,
where it becomes one population, and the pool reads that population's events. Exact.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import Clip, Graph, MaxPool, Reshape, Staircase


def hoist_clip(graph: Graph) -> Graph:
    """Return the graph with ``MaxPool -> Clip`` and ``Reshape -> Clip`` swapped.

    A pair stays as it is where something else reads the value between them, where the value
    before has a shape that no population can have, or where the steps of a staircase would have
    to change shape. Two clips in a row become one where their bounds overlap.
    """
    while (hoisted := _hoist_one(graph)) is not None:
        graph = hoisted
    return graph


def _hoist_one(graph: Graph) -> Graph | None:
    for clip in (*graph.of_type(Clip), *graph.of_type(Staircase)):
        before = graph[clip.inputs[0]]
        if graph.only_user(before.name) is not clip:
            continue
        if isinstance(clip, Clip) and isinstance(before, Clip):
            low, high = max(before.low, clip.low), min(before.high, clip.high)
            if low < high:
                joined = replace(clip, inputs=before.inputs, low=low, high=high)
                return graph.replace(clip.name, joined).without_dead_nodes()
        if not isinstance(before, (MaxPool, Reshape)):
            continue
        if isinstance(before, Reshape) and isinstance(clip, Staircase) and clip.step.size > 1:
            continue
        if len(graph.types[before.inputs[0]].shape) in (1, 3):
            early = replace(clip, name=f"{before.name}.clip", inputs=before.inputs)
            late = replace(before, name=clip.name, inputs=(early.name,))
            return graph.replace(clip.name, early, late).without_dead_nodes()
    return None
