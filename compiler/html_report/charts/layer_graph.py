"""The network as a column of layers; what skips some of them runs along lanes on the right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..markup import Html, element
from ..naming import clipped
from ..topology import Layer, Topology
from .figure import colour, svg
from .lanes import lanes

BOX, TALL, GAP, LANE, LEFT, TOP = 296, 40, 24, 11, 6, 6
WIDE = 460
"""Pixels from which the drawing scrolls rather than shrinks."""

Pair = tuple[str, str]
"""Names of the layers that an arrow leads from and to."""

CORES = 10
"""Most cores that are drawn as squares; of more there is a number."""

KINDS = {
    "Encoder": 4,
    "Integrator": 2,
    "MaxPool": 3,
    "Previous": 3,
    "LI": 2,
    "CubaLI": 2,
}
"""Colours of layers that are no populations."""


def layer_graph(
    label: str, topology: Topology, describe: Callable[[Layer], str], cores: Mapping[str, int]
) -> Html:
    """Return the drawing.

    Args:
        label: What readers that cannot see it are told.
        topology: What to draw.
        describe: What stands in the second line of a layer.
        cores: For each layer on how many cores of a chip it is.
    """
    rows = {layer.name: row for row, layer in enumerate(topology.layers)}
    arrows = _arrows(topology)
    skips = {pair: words for pair, words in arrows.items() if rows[pair[1]] - rows[pair[0]] != 1}
    lane = lanes(_spans(skips, rows))
    parts = [
        _arrow(rows[source], words)
        for (source, target), words in arrows.items()
        if (source, target) not in skips
    ]
    parts += [
        _detour(rows[source], rows[target], lane[_bus(source, target, rows)], words)
        for (source, target), words in skips.items()
    ]
    parts += [
        _box(layer, row, describe(layer), cores.get(layer.name, 0))
        for row, layer in enumerate(topology.layers)
    ]
    width = LEFT + BOX + LANE * (max(lane.values(), default=-1) + 2) + 8
    height = 2 * TOP + len(rows) * (TALL + GAP) - GAP
    return svg(width, height, label, *parts, class_="natural" if width > WIDE else None)


def _arrows(topology: Topology) -> dict[Pair, str]:
    """Return what leads from layer to layer; several synapses between two are one arrow."""
    found: dict[Pair, str] = {}
    for connection in topology.connections:
        pair = connection.source, connection.target
        found[pair] = " + ".join(filter(None, (found.get(pair), connection.words)))
    for layer in topology.layers:
        if layer.loops_from:
            found[layer.loops_from, layer.name] = "what it sent, to the next element"
    return found


def _bus(source: str, target: str, rows: Mapping[str, int]) -> Pair:
    """Return what tells lanes apart: arrows from one layer downwards share theirs."""
    return (source, target) if rows[target] <= rows[source] else (source, "")


def _spans(skips: Iterable[Pair], rows: Mapping[str, int]) -> dict[Pair, tuple[int, int]]:
    """Return the rows along which each lane is needed."""
    found: dict[Pair, tuple[int, int]] = {}
    for source, target in skips:
        bus = _bus(source, target, rows)
        ends = sorted((*found.get(bus, ()), rows[source], rows[target]))
        found[bus] = ends[0], ends[-1]
    return found


def _top(row: int) -> int:
    return TOP + row * (TALL + GAP)


def _box(layer: Layer, row: int, words: str, cores: int) -> Html:
    top, series = _top(row), KINDS.get(layer.kind, 0)
    squares = min(cores, CORES)
    right = LEFT + BOX - 8
    return element(
        "g",
        element("title", f"{layer.number}. {layer.name} ({layer.kind}): {words}"),
        element("rect", x=LEFT, y=top, width=BOX, height=TALL, rx=5, class_="box"),
        element("rect", x=LEFT, y=top, width=6, height=TALL, rx=2, class_="solid"),
        element("text", str(layer.number), x=LEFT + 30, y=top + 16, class_="end quiet"),
        element("text", clipped(layer.title, 21), x=LEFT + 38, y=top + 16, class_="strong"),
        element("text", clipped(words, 42), x=LEFT + 38, y=top + 32, class_="small"),
        *(
            element("rect", x=right - 9 * (index + 1), y=top + 8, width=7, height=7, class_="core")
            for index in range(squares)
        ),
        element(
            "text", f"+{cores - CORES}", x=right - 9 * CORES - 4, y=top + 15, class_="end small"
        )
        if cores > CORES
        else None,
        class_=colour(series),
    )


def _arrow(row: int, words: str) -> Html:
    """Return an arrow from a layer to the one below it."""
    x, y = LEFT + 26, _top(row) + TALL
    path = f"M{x} {y}v{GAP - 2}m-4-6l4 6l4-6"
    return element(
        "g",
        element("path", d=path, class_="edge"),
        element("text", clipped(words, 48), x=x + 12, y=y + GAP / 2 + 4, class_="small quiet"),
    )


def _detour(source: int, target: int, lane: int, words: str) -> Html:
    """Return an arrow along a lane on the right."""
    x, out = LEFT + BOX, LANE * (lane + 1)
    start, end = _top(source) + TALL - 10, _top(target) + 10
    turn = 5 if end > start else -5
    there = f"M{x} {start}h{out - 5}q5 0 5 {turn}V{end - turn}"
    back = f"q0 {turn}-5 {turn}h-{out - 6}m6-4l-6 4l6 4"
    return element("path", element("title", words), d=there + back, class_="edge")
