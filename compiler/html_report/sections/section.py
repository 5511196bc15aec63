"""One section of the page."""

from __future__ import annotations

from dataclasses import dataclass

from ....ir.errors import Problem
from ..markup import Content, Html, element


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        id: Where links lead; one word.
        title: The heading.
        body: What it holds.
    """

    id: str
    title: str
    body: Content

    def html(self) -> Html:
        """Return the section as markup."""
        heading = element("h2", self.title, id=f"{self.id}-heading")
        return element(
            *("section", heading, self.body),
            id=self.id,
            aria_labelledby=f"{self.id}-heading",
        )


def missing(what: str, problem: Problem) -> Html:
    """Return a note in the place of what could not be found out."""
    return stated(what, problem, "note")


def stated(what: str, problem: Problem, class_: str) -> Html:
    """Return a problem and its way out as two sentences."""
    hint = f"{problem.hint[0].upper()}{problem.hint[1:]}." if problem.hint else ""
    sentences = f"{problem.message}. {hint}"
    return element("p", element("strong", f"{what}: "), sentences, class_=class_)


def paragraph(*content: Content) -> Html:
    """Return a paragraph."""
    return element("p", *content)


def grid(*figures: Content) -> Html:
    """Return figures side by side where there is room."""
    return element("div", *figures, class_="grid")
