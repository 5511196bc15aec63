"""HTML that is safe by construction: all text is escaped unless it was made here.

Names in models come from strangers. Whatever is put into an element or an attribute is escaped,
control characters and invisible formatting are shown as escapes, and no name ever becomes an
identifier, a style or a script.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from ..commands.console import one_line

VOID = frozenset({"br", "col", "link", "meta"})
EMPTY = frozenset({"circle", "line", "path", "polygon", "polyline", "rect", "use"})
"""Drawn shapes: they close themselves where they hold nothing."""


class Html(str):
    """Markup. Other strings are text, and are escaped when they enter an element."""

    __slots__ = ()


Content = object
"""What an element may hold: markup, text, a number, None for nothing, or several of them."""


def escaped(content: Content) -> Html:
    """Return content as markup.

    >>> escaped(["<b>", Html("<br>"), None, 3])
    '&lt;b&gt;<br>3'
    """
    if isinstance(content, Html):
        return content
    if content is None:
        return Html("")
    if isinstance(content, Iterable) and not isinstance(content, str):
        return Html("".join(map(escaped, content)))
    return Html(html.escape(one_line(content)))


def element(tag: str, *content: Content, **attributes: object) -> Html:
    """Return an element.

    Args:
        tag: Its name, written here and never by a user.
        *content: What it holds.
        **attributes: Likewise; ``class_`` is ``class``, other underscores become hyphens. None
            and False leave the attribute out, True leaves out its value.

    >>> element("p", "a < b", class_="note", aria_label='"')
    '<p class="note" aria-label="&quot;">a &lt; b</p>'
    """
    parts = [tag]
    for name, value in attributes.items():
        key = name.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(key)
        elif value is not None and value is not False:
            parts.append(f'{key}="{escaped(value)}"')
    opening = " ".join(parts)
    if tag in VOID:
        return Html(f"<{opening}>")
    inside = escaped(content)
    if tag in EMPTY and not inside:
        return Html(f"<{opening}/>")
    return Html(f"<{opening}>{inside}</{tag}>")
