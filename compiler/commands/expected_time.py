"""How long a run on a slow target will take, said where nobody sees a progress bar."""

from __future__ import annotations

import sys
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from .console import Console

if TYPE_CHECKING:
    from ...backends.base import Progress

LONG = 60.0
"""Seconds that a run may take before anything is said."""

SIMULATOR = "numpy"


def foretelling(advance: Progress, target: str, console: Console) -> Progress:
    """Return progress that also tells once how long a run takes, as its first samples show.

    On a terminal the bar does, and the simulator has nothing faster beside it.

    Args:
        advance: Progress as it is shown.
        target: Name of the target that runs.
        console: Where to tell.
    """
    if target == SIMULATOR or sys.stderr.isatty():
        return advance
    begin, told = monotonic(), False

    def tell(done: int, total: int) -> None:
        nonlocal begin, told
        advance(done, total)
        if not done:
            begin = monotonic()  # what came before was building the network
        elif not told and done < total:
            told = True  # the first fill a pipeline, so that others take less
            whole = (monotonic() - begin) / done * total
            if whole > LONG:
                console.warning(
                    f"{total} samples on {target} take up to {in_words(whole)}, going by the first",
                    "run on the simulator with --on numpy: it gives equal results, which "
                    "`snnc verify` proves, in a fraction of the time",
                )

    return tell


def in_words(seconds: float) -> str:
    """Return how long something takes, rounded up.

    >>> in_words(61), in_words(7300)
    ('2 minutes', '2.1 hours')
    """
    minutes = ceil(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{ceil(minutes / 6) / 10:.1f} hours"
