"""The network as a column of layers; what skips some of them runs along lanes on the right."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..markup import Html, element
from ..naming import clipped
from ..topology import Layer, Topology
from .figure import colour, svg

BOX, TALL, GAP, LANE, LEFT, TOP = 296, 40, 24, 11, 6, 6
CORES = 10
"""Most cores that are drawn as squares; of more there is a number."""

KINDS = {
    "Encoder": 4,
    "Integrator": 2,
    "MaxPool": 3,
    "Previous": 3,
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
    rows = {layer.name: index for index, layer in enumerate(topology.layers)}
    between = _joined(topology)
    skips = [pair for pair in between if abs(rows[pair[1]] - rows[pair[0]]) != 1]
    loops = [(layer.loops_from, layer.name) for layer in topology.layers if layer.loops_from]
    lanes = _lanes([(rows[a], rows[b]) for a, b in (*skips, *loops) if a in rows])
    parts = [
        _arrow(rows[source], words)
        for (source, target), words in between.items()
        if rows[target] - rows[source] == 1
    ]
    for (source, target), lane in zip(
        [pair for pair in (*skips, *loops) if pair[0] in rows], lanes, strict=True
    ):
        words = between.get((source, target), "the last payloads, to the next element")
        parts.append(_detour(rows[source], rows[target], lane, words))
    parts += [
        _box(layer, row, describe(layer), cores.get(layer.name, 0))
        for row, layer in enumerate(topology.layers)
    ]
    width = LEFT + BOX + LANE * (max(lanes, default=-1) + 2) + 8
    height = 2 * TOP + len(rows) * (TALL + GAP) - GAP
    return svg(width, height, label, *parts)


def _joined(topology: Topology) -> dict[tuple[str, str], str]:
    """Return what leads from layer to layer; several synapses between two are one arrow."""
    found: dict[tuple[str, str], str] = {}
    for connection in topology.connections:
        pair = connection.source, connection.target
        found[pair] = " + ".join(filter(None, (found.get(pair), connection.words)))
    return found


def _lanes(spans: list[tuple[int, int]]) -> list[int]:
    """Return a lane for each span of rows, so that no two in one lane overlap."""
    order = sorted(range(len(spans)), key=lambda index: abs(spans[index][1] - spans[index][0]))
    taken: list[list[tuple[int, int]]] = []
    found = [0] * len(spans)
    for index in order:
        low, high = sorted(spans[index])
        free = (
            lane
            for lane, others in enumerate(taken)
            if all(high <= a or b <= low for a, b in others)
        )
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        found[index] = lane
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
