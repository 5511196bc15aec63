"""How counts are put into words."""

from __future__ import annotations


def counted(count: int, thing: str) -> str:
    """Return how many there are of a thing.

    >>> counted(1, "population"), counted(0, "population"), counted(61558, "weight")
    ('1 population', '0 populations', '61558 weights')
    """
    return f"{count} {thing}{'' if count == 1 else 's'}"
