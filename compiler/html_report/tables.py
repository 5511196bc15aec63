"""Tables: they scroll sideways where they are too wide, and a click on a head sorts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .markup import Content, Html, element

LINE = 44
"""Characters that stay on one line of a cell."""


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Content]]) -> Html:
    """Return a table.

    Args:
        caption: What it shows.
        heads: Of the columns; one that begins with ``>`` is flush right.
        rows: The first cell of each is its head.
    """
    right = [head.startswith(">") for head in heads]
    top = element(
        "tr",
        *(
            element("th", head.removeprefix(">"), scope="col", class_="n" if flush else None)
            for head, flush in zip(heads, right, strict=True)
        ),
    )
    body = [element("tr", *_cells(row, right)) for row in rows]
    inside = element(
        "table", element("caption", caption), element("thead", top), element("tbody", body)
    )
    return scrolling(inside, caption)


def scrolling(content: Content, label: str) -> Html:
    """Return content in a box that scrolls, by keyboard too."""
    return element("div", content, class_="scroll", role="group", aria_label=label, tabindex="0")


def definitions(pairs: Iterable[tuple[str, Content]], class_: str = "pairs") -> Html:
    """Return a list of terms, each with what there is to say of it."""
    groups = (element("div", element("dt", term), element("dd", text)) for term, text in pairs)
    return element("dl", *groups, class_=class_)


def details(summary: str, *content: Content) -> Html:
    """Return content that is folded until someone asks for it; paper shows none of it."""
    return element("details", element("summary", summary), *content)


def _cells(row: Sequence[Content], right: Sequence[bool]) -> Iterable[Html]:
    for index, (cell, flush) in enumerate(zip(row, right, strict=True)):
        wraps = isinstance(cell, str) and not isinstance(cell, Html) and len(cell) > LINE
        layout = "n" if flush else "w" if wraps else None
        if index == 0:
            yield element("th", cell, scope="row", class_=layout)
        else:
            yield element("td", cell, class_=layout)
