"""A page as a tree, read with the standard library: malformed pages are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "br"})


@dataclass
class Element:
    """An element with what it holds."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Element]:
        """Yield the element and all below it."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    def all(self, tag: str) -> list[Element]:
        """Return all elements of a kind."""
        return [element for element in self if element.tag == tag]

    def one(self, tag: str, **attributes: str) -> Element:
        """Return the only element of a kind that has some attributes."""
        (found,) = (e for e in self.all(tag) if attributes.items() <= e.attributes.items())
        return found

    @property
    def text(self) -> str:
        """All text, in order."""
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    @property
    def values(self) -> list[float]:
        """The numbers in it, exact."""
        return [float(element.attributes["value"] or "nan") for element in self.all("data")]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(text: str) -> Element:
    """Return the root of a page; fail where elements do not nest."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root]
    return reader.root
