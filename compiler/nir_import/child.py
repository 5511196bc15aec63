"""Reads an HDF5 file in a child process: what a damaged file does to libhdf5 stays there.

libhdf5 2.0.0 never comes back from some damaged files, and a C library may crash. So the file is
read by a fork of this process, which has a deadline, and what it found comes through a pipe: one
line of JSON with names, texts, and types and shapes of arrays, then the bytes of the arrays.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from ...ir import Array
from ...ir.errors import ModelError
from .tree import Group

SECONDS = 60.0
"""Longest that reading a small file may take, on however busy a machine."""

SECONDS_OF_WORK = 8
"""Longest that a processor may work at it."""

BYTES_A_SECOND = 10_000_000
"""How fast a file is read at least: larger ones have more time."""

MEMORY, MEMORY_A_BYTE = 1 << 30, 100
"""Bytes that a file's arrays may take as float64, and more for each byte of the file."""

SPARE = 1 << 28
"""Bytes that reading takes beside them. libhdf5 takes what a damaged length says."""

Reader = Callable[[Path, int], Group]


def allowed_memory(file_bytes: int, max_elements: int) -> int:
    """Return the bytes that the arrays of a file may take; at least one of the largest fits."""
    return max(MEMORY, 8 * max_elements) + MEMORY_A_BYTE * file_bytes


def read_in_child(read: Reader, path: Path, max_elements: int) -> Group:
    """Return what ``read`` returns, computed in a child process.

    Raises:
        ModelError: As ``read``; or it crashed, or took too long.
    """
    seconds = SECONDS + path.stat().st_size / BYTES_A_SECOND
    receiving, sending = os.pipe()
    child = _fork()
    if child == 0:
        os.close(receiving)
        _answer(read, path, max_elements, sending)
    os.close(sending)
    with _deadline(child, seconds), os.fdopen(receiving, "rb") as pipe:
        try:
            return _received(pipe)
        except (ValueError, EOFError) as error:
            raise ModelError(
                f"{path}: reading it crashed libhdf5, or took more than {seconds:.0f} s",
                hint="the file is damaged: export the network again",
            ) from error


def _fork() -> int:
    with warnings.catch_warnings():  # of other threads: the child calls nothing of theirs
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@contextmanager
def _deadline(child: int, seconds: float) -> Iterator[None]:
    """End a child process after some time, and in any case when the block ends."""
    timer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        os.kill(child, signal.SIGKILL)  # it has answered, or nobody waits for it any more
        os.waitpid(child, 0)


def _answer(read: Reader, path: Path, max_elements: int, sending: int) -> NoReturn:
    """Send what a file holds, or what is wrong with it, and end this process."""
    file_bytes = path.stat().st_size
    _limit(resource.RLIMIT_CPU, SECONDS_OF_WORK + file_bytes // BYTES_A_SECOND)
    if addresses := _addresses():
        memory = allowed_memory(file_bytes, max_elements) + SPARE
        _limit(resource.RLIMIT_AS, addresses + memory)
    try:
        with os.fdopen(sending, "wb") as pipe:
            try:
                tree = read(path, max_elements)
            except ModelError as error:
                (problem,) = error.problems
                _write_line(pipe, {"error": [problem.message, problem.hint]})
            else:
                _send(pipe, tree)
    finally:
        os._exit(0)  # nothing of the parent's is ended or flushed twice


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


def _write_line(pipe: IO[bytes], document: Any) -> None:
    pipe.write(json.dumps(document).encode() + b"\n")


def _send(pipe: IO[bytes], tree: Group) -> None:
    arrays: list[Array] = []

    def document(group: Group) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for name, entry in group.entries.items():
            if isinstance(entry, Group):
                said[name] = {"entries": document(entry)}
            elif isinstance(entry, np.ndarray):
                said[name] = {"dtype": entry.dtype.str, "shape": entry.shape}
                arrays.append(entry)
            else:
                said[name] = entry
        return said

    _write_line(pipe, {"tree": document(tree)})
    for array in arrays:
        pipe.write(np.ascontiguousarray(array).data if array.size else b"")


def _received(pipe: IO[bytes]) -> Group:
    said = json.loads(pipe.readline())
    if "error" in said:
        message, hint = said["error"]
        raise ModelError(message, hint=hint)

    def group(entries: dict[str, Any], where: str) -> Group:
        found: dict[str, Any] = {}
        for name, entry in entries.items():
            if not isinstance(entry, dict):
                found[name] = entry
            elif "entries" in entry:
                found[name] = group(entry["entries"], f"{where}/{name}")
            else:
                found[name] = _array(pipe, np.dtype(entry["dtype"]), entry["shape"])
        return Group(where, found)

    return group(said["tree"], "")


def _array(pipe: IO[bytes], dtype: np.dtype[Any], shape: list[int]) -> Array:
    content = pipe.read(prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape)  # ValueError where some is missing
