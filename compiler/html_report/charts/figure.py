"""What stands around every chart: its title, a legend, how to read it, and the numbers behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..markup import Content, Html, element
from ..tables import details

SERIES = 8
"""Colours; with more series than that they repeat, with another texture."""

GREY = 7
"""The series without a colour."""

DASHES = (None, "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2", "6 2 1 2 1 2")


def figure(
    title: str,
    drawing: Html,
    data: Content,
    *,
    legend: Html | None = None,
    note: Content = None,
    class_: str = "chart",
) -> Html:
    """Return a chart with all that belongs to it.

    Args:
        title: What it shows.
        drawing: The SVG.
        data: The tables of the numbers in it.
        legend: What the marks mean.
        note: How to read it.
        class_: How it is laid out.
    """
    heading = element("figcaption", element("strong", title), " " if note else None, note)
    return element("figure", heading, legend, drawing, details("Data", data), class_=class_)


def svg(
    width: float, height: float, label: str, *content: Content, class_: str | None = None
) -> Html:
    """Return a drawing that scales with the page; readers that cannot see it get its label."""
    return element(
        "svg",
        *content,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        width=f"{width:g}",
        height=f"{height:g}",
        class_=class_,
    )


def colour(index: int) -> str:
    """Return the class that gives a series its colour."""
    return f"s{index % SERIES}"


def fill(index: int) -> str:
    """Return what fills the areas of a series: its colour, and a texture that differs too."""
    return f"url(#fill{index % (2 * SERIES)})"


def legend(entries: Iterable[tuple[Html, str]]) -> Html:
    """Return the list of marks and what they mean."""
    return element("ul", *(element("li", *entry) for entry in entries), class_="legend")


def swatch(index: int) -> Html:
    """Return the mark of an area."""
    return _mark(
        element("rect", x=1, y=1, width=12, height=12, fill=fill(index), class_="outlined"), index
    )


def _mark(shape: Html, index: int, width: int = 14) -> Html:
    return element(
        "svg",
        shape,
        class_=colour(index),
        width=width,
        height=14,
        viewBox=f"0 0 {width} 14",
        aria_hidden="true",
    )


def stroke(index: int, *, marked: bool = True) -> Html:
    """Return the mark of a line, with the marker of its points if it has any."""
    line = element("path", d="M1 7H29", class_="line", stroke_dasharray=DASHES[index % SERIES])
    return _mark(Html(line + marker(index, 15, 7)) if marked else line, index, 30)


def marker(index: int, x: float, y: float, title: str = "") -> Html:
    """Return the marker of a point of a series: each has its own shape."""
    shapes = (
        "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
        "m-3.2-3.2h6.4v6.4h-6.4z",
        "m0-4.2l4 7.2h-8z",
        "m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z",
        "m0 4.2l4-7.2h-8z",
        "m-4-1h3v-3h2v3h3v2h-3v3h-2v-3h-3z",
        "m-2-4h4l2 4l-2 4h-4l-2-4z",
        "m-4 -1.5h8v3h-8z",
    )
    place = f"M{x:.1f} {y:.1f}{shapes[index % SERIES]}"
    return element("path", element("title", title) if title else None, d=place, class_="marker")


def textures() -> Html:
    """Return the fills of all series, once for the page: eight colours, two textures each."""
    patterns = [
        element(
            "pattern",
            element("rect", width=8, height=8, class_="solid"),
            element("path", d=_TEXTURES[index], class_="texture") if _TEXTURES[index] else None,
            id=f"fill{index}",
            width=8,
            height=8,
            patternUnits="userSpaceOnUse",
            class_=colour(index),
        )
        for index in range(2 * SERIES)
    ]
    defs = element("defs", *patterns)
    return element("svg", defs, width=0, height=0, class_="textures", aria_hidden="true")


_TEXTURES: Sequence[str] = (
    "",
    "M-2 2L2-2M0 8L8 0M6 10L10 6",
    "",
    "M0 4H8",
    "M-2 6L2 10M0 0L8 8M6-2L10 2",
    "M3.2 4H4.8M-.8 0H.8M7.2 0H8.8M-.8 8H.8M7.2 8H8.8",
    "M4 0V8",
    "",
    "M4 0V8",
    "",
    "M0 4H8",
    "M-2 2L2-2M0 8L8 0M6 10L10 6",
    "",
    "M0 4H8M4 0V8",
    "",
    "M-2 6L2 10M0 0L8 8M6-2L10 2",
)
