"""Runs C libraries on damaged files in a child process: what a file does to them stays there.

The child is a fork of this process with a deadline. What it found comes through a pipe.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NoReturn

from ..backends.inherited_garbage import uncollected


@contextmanager
def child(
    answer: Callable[[IO[bytes]], None], seconds: float, *, work: int, memory: int
) -> Iterator[IO[bytes]]:
    """Fork a process that answers through a pipe; end it when the block ends.

    Args:
        answer: What the child does: it writes to the pipe. An exception ends the answer there.
        seconds: Longest that it may take.
        work: Longest that a processor may work at it, in seconds.
        memory: Bytes that it may take beyond those of this process.

    Yields:
        What the child writes; it ends early where the child crashed or was ended.
    """
    receiving, sending = os.pipe()
    process = _fork()
    if process == 0:
        os.close(receiving)
        _answer(answer, sending, work, memory)
    os.close(sending)
    with _deadline(process, seconds), os.fdopen(receiving, "rb") as pipe:
        yield pipe


def _fork() -> int:
    with uncollected(), warnings.catch_warnings():
        # It warns of other threads: the child neither calls nor ends anything of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@contextmanager
def _deadline(process: int, seconds: float) -> Iterator[None]:
    """End a child process after some time, and in any case when the block ends."""
    timer = threading.Timer(seconds, os.kill, (process, signal.SIGKILL))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        os.kill(process, signal.SIGKILL)  # it has answered, or nobody waits for it any more
        os.waitpid(process, 0)


def _answer(answer: Callable[[IO[bytes]], None], sending: int, work: int, memory: int) -> NoReturn:
    """Answer within the limits, and end this process."""
    _limit(resource.RLIMIT_CPU, work)
    _limit(resource.RLIMIT_CORE, 0)
    if addresses := _addresses():
        _limit(resource.RLIMIT_AS, addresses + memory)
    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the last words of a library
    try:
        with os.fdopen(sending, "wb") as pipe:
            answer(pipe)
    finally:
        os._exit(0)  # nothing of the parent's is ended or flushed twice


def raise_limits(work: int) -> None:
    """Let a child process work on for some seconds of a processor, and take memory as it needs."""
    worked = sum(os.times()[:2])
    for kind, value in (
        (resource.RLIMIT_CPU, int(worked) + 1 + work),
        (resource.RLIMIT_AS, resource.RLIM_INFINITY),
    ):
        with suppress(OSError, ValueError):
            hard = resource.getrlimit(kind)[1]
            known = [limit for limit in (value, hard) if limit != resource.RLIM_INFINITY]
            resource.setrlimit(kind, (min(known, default=resource.RLIM_INFINITY), hard))


def _limit(kind: int, value: int) -> None:
    """Lower what this process may use."""
    with suppress(OSError, ValueError):  # a system without that limit
        soft, hard = resource.getrlimit(kind)
        known = [limit for limit in (soft, hard, value) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(kind, (min(known), hard))


def _addresses() -> int:
    """Return the bytes of addresses that this process has, 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()
