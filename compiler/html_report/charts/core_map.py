"""Where the cores lie: chips, routers, and in each core the number of its layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..markup import Html, element
from .figure import colour, svg

CORE, PAD, EDGE = 19, 5, 4

Router = tuple[int, int]
"""Column and row on the mesh."""


@dataclass(frozen=True)
class Place:
    """One core.

    Attributes:
        router: Its router.
        chip: Number of its chip.
        layer: Number of its layer.
        title: What it holds, in words.
    """

    router: Router
    chip: int
    layer: int
    title: str


def core_map(label: str, places: Sequence[Place], chips: Mapping[Router, int]) -> Html:
    """Return the drawing of all routers with the cores in use.

    Args:
        label: What readers that cannot see it are told.
        places: The cores in use.
        chips: For each router the number of its chip.
    """
    held: dict[Router, list[Place]] = {router: [] for router in chips}
    for place in places:
        held[place.router].append(place)
    most = max(map(len, held.values()))
    wide = 2 if most > 1 else 1
    width, height = wide * CORE + 2 * PAD, -(-most // wide) * CORE + 2 * PAD
    parts = []
    for (x, y), cores in held.items():
        left, top, chip = EDGE + x * width, EDGE + y * height, chips[x, y]
        frame = element(
            "rect",
            element("title", f"chip {chip}, router ({x}, {y})"),
            x=left + 1,
            y=top + 1,
            width=width - 2,
            height=height - 2,
            rx=3,
            class_=f"router chip{chip % 2}",
        )
        parts.append(frame)
        for index, place in enumerate(cores):
            row, column = divmod(index, wide)
            parts.append(_core(place, left + PAD + column * CORE, top + PAD + row * CORE))
    columns, rows = (1 + max(router[axis] for router in chips) for axis in (0, 1))
    return svg(2 * EDGE + columns * width, 2 * EDGE + rows * height, label, *parts)


def _core(place: Place, x: float, y: float) -> Html:
    side = CORE - 2
    return element(
        "g",
        element("title", place.title),
        element("rect", x=x + 1, y=y + 1, width=side, height=side, rx=2, class_="box"),
        element("rect", x=x + 1, y=y + CORE - 4, width=side, height=3, class_="solid"),
        element("text", place.layer, x=x + CORE / 2, y=y + 12, class_="middle tiny"),
        class_=colour(place.layer),
    )
