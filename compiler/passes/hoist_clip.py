"""Move a clip or a staircase before what only moves values; join clips in a row.

A monotone function commutes with the maximum, ``clip(max(x)) = max(clip(x))``, and an
elementwise one with a change of order or shape or a concatenation. The clip then stands directly
behind a linear map, where it becomes one population, and the pool, the view or the join reads its
events. Exact.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ir import (
    VIEWS,
    Clip,
    Concat,
    Gather,
    Graph,
    MaxPool,
    Staircase,
)
from ...ir.reference import step
from .fold_affine import channelwise, per_channel


def hoist_clip(graph: Graph) -> Graph:
    """Return the graph with ``Clip`` before ``MaxPool``, ``Concat`` and changes of order or shape.

    A pair stays as it is where something else reads the value between them, where the value
    before has a shape that no population can have, or where the steps of a staircase would have
    to change shape. Two clips in a row become one where their bounds overlap.
    """
    while (hoisted := _hoist_one(graph)) is not None:
        graph = hoisted
    return graph


def _hoist_one(graph: Graph) -> Graph | None:
    clips: tuple[Clip | Staircase, ...] = (*graph.of_type(Clip), *graph.of_type(Staircase))
    for clip in clips:
        before = graph[clip.inputs[0]]
        if graph.only_user(before.name) is not clip:
            continue
        if isinstance(clip, Clip) and isinstance(before, Clip):
            low, high = max(before.low, clip.low), min(before.high, clip.high)
            if low < high:
                joined = replace(clip, inputs=before.inputs, low=low, high=high)
                return graph.replace(clip.name, joined).without_dead_nodes()
        if isinstance(before, Concat) and _has_channels(graph, clip):
            return _into_branches(graph, before, clip)
        if not isinstance(before, (MaxPool, *VIEWS)):
            continue
        if isinstance(before, Gather) and before.blanks and not _keeps_zero(clip):
            continue
        moves = isinstance(before, VIEWS)
        if moves and isinstance(clip, Staircase) and clip.step.size > 1:
            continue
        if len(graph.types[before.inputs[0]].shape) in (1, 3):
            early = replace(clip, name=f"{before.name}.clip", inputs=before.inputs)
            late = replace(before, name=clip.name, inputs=(early.name,))
            return graph.replace(clip.name, early, late).without_dead_nodes()
    return None


def _keeps_zero(node: Clip | Staircase) -> bool:
    return not np.any(step(node, [np.zeros((1, *(1,) * np.ndim(getattr(node, "step", 0))))], {}, 1))


def _has_channels(graph: Graph, clip: Clip | Staircase) -> bool:
    """Whether a value can be a population, and a clip treats each of its channels as a whole."""
    type = graph.types[clip.name]
    return len(type.shape) in (1, 3) and (isinstance(clip, Clip) or per_channel(clip.step, type))


def _into_branches(graph: Graph, join: Concat, clip: Clip | Staircase) -> Graph:
    """Put a clip into each branch of a join, a staircase with the steps of its channels."""
    early: list[Clip | Staircase] = []
    made: dict[str, Clip | Staircase] = {}  # of a source that is joined several times
    same = isinstance(clip, Clip) or clip.step.size == 1
    first = 0
    for index, source in enumerate(join.inputs):
        shape = graph.types[source].shape
        part = replace(clip, name=f"{join.name}.clip{index}", inputs=(source,))
        if isinstance(part, Staircase) and part.step.size > 1:
            steps = channelwise(part.step, graph.types[clip.name])[first : first + shape[0]]
            part = replace(part, step=np.reshape(steps, (-1, *(1,) * (len(shape) - 1))))
        early.append(made.setdefault(source, part) if same else part)
        first += shape[0]
    late = replace(join, name=clip.name, inputs=tuple(part.name for part in early))
    return graph.replace(clip.name, *dict.fromkeys(early), late).without_dead_nodes()
