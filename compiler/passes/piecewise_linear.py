"""Replace smooth functions of one value by sums of clipped pieces, for ``--approximate``.

Tanh, Sigmoid, Elu, Softplus, and what exporters build of them (``x * Sigmoid(x)``, Gelu with Erf,
HardSwish), are functions of one value, element by element. Between knots such a function is
replaced by its chord:

    f(x) = f(a) + sum_i s_i clip(x - k_i, 0, k_i+1 - k_i),

each piece a Clip that becomes one population, and beyond the last knots by the lines it tends to.
Knots are dense where the function is bent. Not exact: the largest error is
noted. Source: linear splines with free knots, de Boor, *A Practical Guide to Splines*, 1978.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from ...ir import Add, Affine, Array, Clip, Curve, Graph, Node, Product
from ...ir.reference import step

REACH = 8.0
"""Knots lie between minus this and this; beyond it the usual functions are lines."""

SAMPLES = 4097
"""Places the error is looked at between the outermost knots; 0 is one of them."""

PIECES = 8
"""Most pieces of a function; each costs a population."""

GOOD = 1e-3
"""An error that needs no further piece, and a difference of slopes that is none."""

NOISE = 1e-6
"""A second difference that is rounding, or a share of them that is none."""

BENT = 1e-2
"""How far a function may be from a line beyond the last knots, relative to its size there."""


@dataclass(frozen=True)
class PiecewiseLinear:
    """The pass.

    Attributes:
        note: Receives one sentence for each function that is replaced.
        products: Whether products are replaced too, or only curves that no staircase knows.
    """

    note: Callable[[str], None]
    products: bool = True

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph without smooth functions of one value."""
        regions = _regions(graph)
        made: dict[str, tuple[Node, ...]] = {}
        for name, inside in regions.items():
            if any(self._smooth(node) for node in inside) and (pieces := _pieces(inside)):
                made[name] = self._sum(name, inside, pieces)
        return graph.with_nodes(made).without_dead_nodes() if made else graph

    def _smooth(self, node: Node) -> bool:
        if isinstance(node, Curve):
            return self.products or node.function not in ("tanh", "sigmoid")
        return self.products and isinstance(node, Product)

    def _sum(self, name: str, inside: list[Node], spline: _Spline) -> tuple[Node, ...]:
        source = _source(inside)
        nodes: list[Node] = []
        terms = []
        for index, piece in enumerate(spline.pieces):
            shifted = Affine(
                name=f"{name}.shifted{index}",
                inputs=(source,),
                scale=np.full(1, piece.sign),
                shift=np.full(1, -piece.sign * piece.start),
            )
            clipped = Clip(
                name=f"{name}.piece{index}", inputs=(shifted.name,), low=0.0, high=piece.width
            )
            term = Affine(
                name=f"{name}.term{index}",
                inputs=(clipped.name,),
                scale=np.full(1, piece.slope),
                shift=np.zeros(1),
            )
            nodes += (shifted, clipped, term)
            terms.append(term.name)
        total = name if not spline.constant else f"{name}.sum"
        nodes.append(Add(name=total, inputs=tuple(terms)))
        if spline.constant:
            shift = np.full(1, spline.constant)
            nodes.append(Affine(name=name, inputs=(total,), scale=np.ones(1), shift=shift))
        self.note(
            f"{name}: is computed from {len(terms)} clipped pieces, at most {spline.error:.2g} off"
        )
        return tuple(nodes)


@dataclass(frozen=True)
class _Piece:
    """``slope * clip(sign * (x - start), 0, width)``."""

    start: float
    width: float
    sign: float
    slope: float


@dataclass(frozen=True)
class _Spline:
    pieces: tuple[_Piece, ...]
    constant: float
    error: float


def _regions(graph: Graph) -> dict[str, list[Node]]:
    """Return for the last node of each function of one value the nodes that compute it."""
    inside: dict[str, list[Node]] = {}
    root: dict[str, str] = {}
    for node in graph:
        roots = {root[name] for name in node.inputs}
        if not _elementwise(node) or len(roots) != 1:
            root[node.name] = node.name
            continue
        root[node.name] = roots.pop()
        merged = {n.name: n for name in node.inputs for n in inside.get(name, [])}
        inside[node.name] = [*merged.values(), node]
    return {
        name: nodes
        for name, nodes in inside.items()
        if name in graph.outputs.values()
        or any(root[user.name] != root[name] for user in graph.users[name])
    }


def _elementwise(node: Node) -> bool:
    """Whether a node computes one function for all elements."""
    if isinstance(node, Affine):
        return node.scale.size == node.shift.size == 1
    return isinstance(node, (Add, Clip, Curve, Product))


def _source(inside: list[Node]) -> str:
    names = {node.name for node in inside}
    (source,) = {name for node in inside for name in node.inputs} - names
    return source


def _computed(inside: list[Node], x: Array) -> Array:
    values = {_source(inside): x}
    with np.errstate(all="ignore"):
        for node in inside:
            values[node.name] = step(node, [values[name] for name in node.inputs], {}, 1)
    return values[inside[-1].name]


def _pieces(inside: list[Node]) -> _Spline | None:
    """Return the spline of a function, or None where it does not tend to lines."""
    x = np.linspace(-REACH, REACH, SAMPLES)
    y = _computed(inside, x)
    far = np.array([-4 * REACH, -2 * REACH, -REACH, REACH, 2 * REACH, 4 * REACH])
    ends = _computed(inside, far)
    if not (np.isfinite(y).all() and np.isfinite(ends).all()):
        return None
    left, right = (ends[2] - ends[0]) / (3 * REACH), (ends[5] - ends[3]) / (3 * REACH)
    bent = (ends[1] - ends[2] + left * REACH, ends[4] - ends[3] - right * REACH)
    if max(map(abs, bent)) > BENT * max(1.0, float(np.abs(ends).max())):
        return None
    for count in range(2, PIECES + 1):
        knots = _knots(y, count)
        slopes = [left, *np.diff(y[knots]) / np.diff(x[knots]), right]
        pieces, constant = _anchored([-inf, *x[knots], inf], slopes, y[knots])
        everywhere = np.concatenate([far, x])
        off = _spline(pieces, constant, everywhere) - np.concatenate([ends, y])
        spline = _Spline(pieces, constant, float(np.abs(off).max()))
        if spline.error < GOOD:
            break
    return spline


def _knots(y: Array, count: int) -> list[int]:
    """Return places among the samples: as dense as the root of the second derivative is large.

    The chords between them then are equally far from the function. Where it is a line, at either
    end, there are none; the middle, 0, is one of them.
    """
    bend = np.sqrt(np.abs(np.diff(y, 2)))
    share = np.cumsum(np.where(bend > NOISE, bend, 0.0))
    if not share[-1]:
        return [0, len(y) // 2, len(y) - 1]
    wanted = np.linspace(NOISE, 1 - NOISE, count + 1)
    found = [1 + int(place) for place in np.searchsorted(share / share[-1], wanted)]
    middle = len(y) // 2
    nearest = min(range(len(found)), key=lambda index: abs(found[index] - middle))
    found[nearest] = middle
    return sorted({*found, *(() if len(set(found)) > 2 else (0, len(y) - 1))})


def _spline(pieces: tuple[_Piece, ...], constant: float, x: Array) -> Array:
    parts = (p.slope * np.clip(p.sign * (x - p.start), 0, p.width) for p in pieces)
    return np.asarray(sum(parts, np.full_like(x, constant)))


def _anchored(
    edges: list[float], slopes: list[float], y: Array
) -> tuple[tuple[_Piece, ...], float]:
    """Return the pieces that start from 0, or, where the function is not 0 there, from the left.

    Neighbouring pieces of one slope are one piece.

    Returns:
        The pieces, and what is added to them.
    """
    middle = float(y[edges.index(0.0) - 1])
    from_zero = abs(middle) < GOOD or abs(slopes[0]) > GOOD
    anchor, constant = (0.0, middle) if from_zero else (-inf, float(y[0]))
    merged: list[tuple[float, float, float]] = []  # from, to, slope
    for low, high, slope in zip(edges[:-1], edges[1:], slopes, strict=True):
        if merged and abs(merged[-1][2] - slope) < GOOD and low != anchor:
            merged[-1] = (merged[-1][0], high, merged[-1][2])
        else:
            merged.append((low, high, slope))
    pieces = []
    for low, high, slope in merged:
        if abs(slope) < GOOD:
            continue
        rises = low >= anchor and low > -inf
        start, sign = (low, 1.0) if rises else (high, -1.0)
        pieces.append(_Piece(float(start), float(high - low), sign, float(slope * sign)))
    return tuple(pieces), 0.0 if abs(constant) < GOOD else constant
