"""Undoes what Lava changes in the whole program."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lava.magma.core.process.process import ProcessServer
from lava.magma.core.process.variable import VarServer

COMPILER = "lava.magma.compiler.compiler"
"""The logger to which each compiler adds a handler."""


@contextmanager
def unhandled(*loggers: str | None) -> Iterator[None]:
    """Take away the handlers that loggers were given in the meantime; None is the root logger."""
    kept = {name: list(logging.getLogger(name).handlers) for name in loggers}
    try:
        yield
    finally:
        for name, handlers in kept.items():
            logging.getLogger(name).handlers[:] = handlers


@contextmanager
def contained() -> Iterator[None]:
    """Build and run processes of ours without a trace.

    Each process adds a handler to the root logger, each compiler one to its own; two servers
    keep every process and variable, weights included, for ever. No process of the user's may be
    made meanwhile: it would be forgotten as well.
    """
    kept = [ProcessServer().processes, VarServer().vars]
    counts = [len(objects) for objects in kept]
    try:
        with warnings.catch_warnings(), unhandled(None, COMPILER):
            warnings.simplefilter("ignore")
            yield
    finally:
        for objects, count in zip(kept, counts, strict=True):
            del objects[count:]
