"""How much memory and time ONNX Runtime may take for a model of somebody else.

What sizes depend on data, or on operators that only ONNX Runtime knows, nothing says beforehand:
its own allocator and its own scheduler refuse what goes on too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Timer
from typing import Any

from .library import load_onnxruntime

MOST_MEMORY = 1 << 33
"""Bytes of tensors that all bounded sessions of a process may hold together."""


@cache
def share_bounded_memory() -> None:
    """Make an allocator of bounded size, which sessions of this process may share."""
    library = load_onnxruntime()
    memory = library.OrtMemoryInfo(
        "Cpu", library.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, library.OrtMemType.DEFAULT
    )
    library.create_and_register_allocator(memory, library.OrtArenaCfg({"max_mem": MOST_MEMORY}))


@contextmanager
def deadline(seconds: float | None) -> Iterator[Any]:
    """Yield options of a run that ends it, between two operators, when its time is over."""
    if seconds is None:
        yield None
        return
    options = load_onnxruntime().RunOptions()
    timer = Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()
