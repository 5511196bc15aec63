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

    A pair stays as it is where something else reads the value between them.
    """
    for clip in graph.of_type(Clip):
        before = graph[clip.inputs[0]]
        if isinstance(before, (MaxPool, Reshape)) and graph.only_user(before.name) is clip:
            early = replace(clip, name=f"{before.name}.clip", inputs=before.inputs)
            late = replace(before, name=clip.name, inputs=(early.name,))
            return hoist_clip(graph.replace(clip.name, early, late).without_dead_nodes())
    return graph
