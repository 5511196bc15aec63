"""Forking without the garbage of the parent.

A forked process inherits objects that nothing refers to any more but that Python has not collected
yet. Collected in the child, they end things that only the parent has: a session of ONNX Runtime
waits for ever for its threads, which no child inherits.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """In a process that is forked inside the block, never collect what the parent made.

    What the child makes itself is collected there as ever, and so is everything in the parent
    when the block has ended; also what the program had frozen before, which costs time only.
    """
    parent = os.getpid()
    gc.freeze()
    try:
        yield
    finally:
        if os.getpid() == parent:
            gc.unfreeze()
