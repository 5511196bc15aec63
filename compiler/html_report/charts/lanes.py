"""Lanes beside a column of rows, along which arrows run that skip some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")


def lanes(spans: Mapping[Key, tuple[int, int]]) -> dict[Key, int]:
    """Return a lane for each span of rows; no two in one lane overlap, short ones run inside.

    >>> lanes({"a": (0, 2), "b": (2, 4), "c": (1, 9)})
    {'a': 0, 'b': 0, 'c': 1}
    """
    taken: list[list[tuple[int, int]]] = []
    found: dict[Key, int] = {}
    for key, (low, high) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
        lane = next(
            (
                number
                for number, others in enumerate(taken)
                if all(high <= first or last <= low for first, last in others)
            ),
            len(taken),
        )
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        found[key] = lane
    return found
