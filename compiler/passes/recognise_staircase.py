"""Gather a rounding and the arithmetic around it into one staircase.

Training frameworks export an activation with few levels as single operators: a division, a
shift, ``Floor`` or ``Round``, clips, products. With ``r`` the rounding, all of them compute

    y = out * clip(r(scale * x + shift), low, high),

for a positive scale commutes with a clip, and so does a monotone rounding:
``r(clip(u, l, h)) = clip(r(u), r(l), r(h))``. With ``step = out`` this is

    y = step * clip(r((step * scale * x + step * (shift - offset)) / step + offset), low, high).

Where ``step * scale = 1``, as in QCFS (Bu et al., ICLR 2022), nothing is left before the
staircase; else an affine map is, which ``fold_affine`` moves on. Exact but for the rounding of
the constants; a bound within ``FUZZ`` of a level is that level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import floor, inf, isfinite

import numpy as np

from ...ir import Affine, Array, Clip, Graph, Node, Staircase
from .fold_affine import is_one, pure_scale

FUZZ = 1e-5
"""How far a bound may be from a level, in steps: constants are float32."""


def recognise_staircase(graph: Graph) -> Graph:
    """Return the graph with every rounding gathered that has a lowest and a highest level.

    Others stay unbounded staircases, which no spike code can express.
    """
    for node in graph.of_type(Staircase):
        if node.function == "identity":
            graph = _gathered(graph, node)
    return graph


@dataclass(frozen=True)
class _Before:
    """A value ``x`` before the rounding, which reads ``scale * x + shift`` within two levels."""

    x: str
    scale: Array
    shift: Array
    low: float = -inf
    high: float = inf


@dataclass(frozen=True)
class _Behind:
    """A value ``y`` behind the rounding: ``out`` times what was rounded, within two levels."""

    y: str
    out: Array
    low: float
    high: float


def _gathered(graph: Graph, node: Staircase) -> Graph:
    before, behind = list(_before(graph, node)), list(_behind(graph, node))
    pairs = [
        (first, last)
        for last, first in product(reversed(behind), reversed(before))  # the widest first
        if is_one(last.out * first.scale) and _bounds(first, last)
    ]
    # A shift that differs from channel to channel is a bias rather than part of the rounding.
    pairs.sort(key=lambda pair: not _uniform(pair[0].shift))
    if pairs:
        return _with_staircase(graph, node, *pairs[0])
    # Nothing cancels: leave constants of single channels, a normalization, where they are.
    own = [b for b in before if b is before[0] or b.scale.size == b.shift.size == 1]
    return _with_staircase(graph, node, own[-1], behind[-1])


def _before(graph: Graph, node: Staircase) -> Iterator[_Before]:
    """Yield what can be gathered before the rounding, the nearest value first."""
    here = _Before(node.inputs[0], 1 / node.step, np.full(1, node.offset))
    yield here
    while graph.only_user(here.x) is not None:
        source = graph[here.x]
        if isinstance(source, Affine) and np.all(source.scale > 0) and not _quantises(node):
            scale, shift = here.scale * source.scale, here.scale * source.shift + here.shift
            here = replace(here, x=source.inputs[0], scale=scale, shift=shift)
        elif isinstance(source, Clip):
            low = _level(here.scale * source.low + here.shift, node)
            high = _level(here.scale * source.high + here.shift, node)
            if low is None or high is None or not max(low, here.low) < min(high, here.high):
                return
            low, high = max(low, here.low), min(high, here.high)
            here = replace(here, x=source.inputs[0], low=low, high=high)
        else:
            return
        yield here


def _quantises(node: Staircase) -> bool:
    """Whether a rounding came with its own bounds, so that no arithmetic belongs to it."""
    return node.low is not None and node.high is not None


def _behind(graph: Graph, node: Staircase) -> Iterator[_Behind]:
    """Yield what can be gathered behind the rounding, the nearest value first."""
    low = -inf if node.low is None else node.low
    high = inf if node.high is None else node.high
    here = _Behind(node.name, node.step, low, high)
    yield here
    while (reader := graph.only_user(here.y)) is not None:
        if (scale := pure_scale(reader)) is not None:
            here = replace(here, y=reader.name, out=here.out * scale)
        elif isinstance(reader, Clip):
            lowest, highest = _level(reader.low / here.out), _level(reader.high / here.out)
            if lowest is None or highest is None:
                return
            low, high = max(lowest, here.low), min(highest, here.high)
            if not low < high:
                return
            here = replace(here, y=reader.name, low=low, high=high)
        else:
            return
        yield here


def _uniform(values: Array) -> bool:
    return bool(np.all(np.abs(values - values.flat[0]) < FUZZ))


def _level(bound: Array, rounding: Staircase | None = None) -> float | None:
    """Return the level a bound is, or is rounded to; None if it is none or varies by channel."""
    if not isfinite(first := float(bound.flat[0])):
        return first if np.all(bound == first) else None
    near = np.rint(bound)
    exact = np.abs(bound - near) < FUZZ * np.maximum(1, np.abs(bound))
    if rounding is not None and rounding.rounding == "floor":
        near = np.where(exact, near, np.floor(bound))
    elif rounding is None and not np.all(exact):
        return None
    return float(near.flat[0]) if np.all(near == near.flat[0]) else None


def _bounds(first: _Before, last: _Behind) -> tuple[int, int] | None:
    """Return the lowest and the highest level, where both are there."""
    low, high = max(first.low, last.low), min(first.high, last.high)
    return (int(low), int(high)) if isfinite(low) and isfinite(high) and low < high else None


def _with_staircase(graph: Graph, node: Staircase, first: _Before, last: _Behind) -> Graph:
    bounds = _bounds(first, last)
    if bounds is None or (first.x == node.inputs[0] and last.y == node.name):
        return graph
    offset = _offset(node, first.shift)
    scale, shift = last.out * first.scale, last.out * (first.shift - offset)
    nodes: list[Node] = []
    if not is_one(scale) or not _uniform(first.shift) or np.any(np.abs(first.shift - offset) > 0.5):
        nodes = [Affine(name=f"{last.y}.scaled", inputs=(first.x,), scale=scale, shift=shift)]
    staircase = replace(
        node,
        name=last.y,
        inputs=(nodes[0].name if nodes else first.x,),
        step=last.out,
        low=bounds[0],
        high=bounds[1],
        offset=offset,
    )
    return graph.replace(last.y, *nodes, staircase).without_dead_nodes()


def _offset(node: Staircase, shift: Array) -> float:
    """Return the part of a shift that a neuron can start with: from 0 to 1 where it rounds down.

    Channels that differ start half-way, and the rest of their shifts goes before the staircase.
    """
    half = 0.5 if node.rounding == "half_even" else 0.0
    if not _uniform(shift):
        return 0.5 - half
    nearest = float(np.float32(shift.flat[0]))  # what the file said
    return nearest - floor(nearest + half)
