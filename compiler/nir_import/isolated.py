"""Reads an HDF5 file in a child process: what a damaged file does to libhdf5 stays there.

libhdf5 2.0.0 never comes back from some damaged files, and a C library may crash. What the child
found comes as one line of JSON with names, texts, and types and shapes of arrays, then the bytes
of the arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...ir import Array
from ...ir.errors import ModelError
from ..child import child
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
    file_bytes = path.stat().st_size
    seconds = SECONDS + file_bytes / BYTES_A_SECOND
    work = SECONDS_OF_WORK + file_bytes // BYTES_A_SECOND
    memory = allowed_memory(file_bytes, max_elements) + SPARE
    answer = partial(_answer, read, path, max_elements)
    with child(answer, seconds, work=work, memory=memory) as pipe:
        try:
            return _received(pipe)
        except (ValueError, EOFError) as error:
            raise ModelError(
                f"{path}: reading it crashed libhdf5, or took more than {seconds:.0f} s",
                hint="the file is damaged: export the network again",
            ) from error


def _answer(read: Reader, path: Path, max_elements: int, pipe: IO[bytes]) -> None:
    """Send what a file holds, or what is wrong with it."""
    try:
        tree = read(path, max_elements)
    except ModelError as error:
        (problem,) = error.problems
        _write_line(pipe, {"error": [problem.message, problem.hint]})
    else:
        _send(pipe, tree)


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
