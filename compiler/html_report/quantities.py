"""Numbers as people read them, with their whole value kept beside."""

from __future__ import annotations

from math import floor, isfinite, log10

from .markup import Html, element

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def number(value: float, digits: int = 3) -> str:
    """Return a number with its significant digits and its thousands apart.

    >>> number(1234567.0), number(0.01234), number(1e-7), number(0.0)
    ('1,234,567', '0.0123', '1.00e\N{MINUS SIGN}07', '0')
    """
    if not isfinite(value):
        return "∞" if value > 0 else f"{MINUS}∞" if value < 0 else "not a number"
    size = floor(log10(abs(value))) if value else 0
    if size < -4:
        text = f"{value:.{digits - 1}e}"
    else:
        text = f"{value:,.{max(0, digits - 1 - size)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", MINUS)


def short(value: float) -> str:
    """Return a number for an axis or a tile.

    >>> short(1234567), short(40500), short(0.25), short(0)
    ('1.23 M', '40.5 k', '0.25', '0')
    """
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{number(value / factor)} {prefix}"
    return number(value)


def percent(share: float, places: int = 1) -> str:
    """Return a share in percent.

    >>> percent(0.9157, 2), percent(1)
    ('91.57 %', '100.0 %')
    """
    return f"{100 * share:.{places}f} %".replace("-", MINUS)


def joules(energy: float | None) -> str:
    """Return an energy in a readable unit.

    >>> joules(1.5e-7), joules(None), joules(0)
    ('150 nJ', 'not published', '0 J')
    """
    if energy is None:
        return "not published"
    for unit, factor in (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12)):
        if abs(energy) >= factor:
            return f"{number(energy / factor)} {unit}"
    return f"{number(energy / 1e-12)} pJ" if energy else "0 J"


def data(value: float | None, text: str | None = None) -> Html:
    """Return a number for a cell of a table: readable, and the whole value for machines.

    >>> data(0.25, "25 %")
    '<data value="0.25">25 %</data>'
    """
    if value is None:
        return Html(NONE if text is None else element("span", text))
    return element("data", number(value) if text is None else text, value=repr(value))
