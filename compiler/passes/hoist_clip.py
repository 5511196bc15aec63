"""Move a clip before the max pool or the reshape it follows.

A monotone function commutes with the maximum, ``clip(max(x)) = max(clip(x))``, and an
elementwise one with a change of shape. The clip then stands directly behind a linear map,
where it becomes one population, and the pool reads that population's events. Exact.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import Clip, Graph, MaxPool, Reshape


def hoist_clip(graph: Graph) -> Graph:
    """Return the graph with ``MaxPool -> Clip`` and ``Reshape -> Clip`` swapped.

    A pair stays as it is where something else reads the value between them, or where the value
    before has a shape that no population can have.
    """
    while (hoisted := _hoist_one(graph)) is not None:
        graph = hoisted
    return graph


def _hoist_one(graph: Graph) -> Graph | None:
    for clip in graph.of_type(Clip):
        before = graph[clip.inputs[0]]
        if not isinstance(before, (MaxPool, Reshape)) or graph.only_user(before.name) is not clip:
            continue
        if len(graph.types[before.inputs[0]].shape) in (1, 3):
            early = replace(clip, name=f"{before.name}.clip", inputs=before.inputs)
            late = replace(before, name=clip.name, inputs=(early.name,))
            return graph.replace(clip.name, early, late).without_dead_nodes()
    return None
