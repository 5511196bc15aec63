"""How counts are put into words."""

from __future__ import annotations


def counted(count: int, thing: str) -> str:
    """Return how many there are of a thing.

    >>> counted(1, "population"), counted(0, "population"), counted(61558, "weight")
    ('1 population', '0 populations', '61558 weights')
    """
    return f"{count} {thing}{'' if count == 1 else 's'}"


def share_in_words(share: float) -> str:
    """Return a share in percent; one that is not all is never written as all.

    >>> share_in_words(1.0), share_in_words(0.99965), share_in_words(0.873)
    ('100.0%', 'more than 99.9%', '87.3%')
    """
    written = f"{share:.1%}"
    return "more than 99.9%" if share < 1 and written == "100.0%" else written
