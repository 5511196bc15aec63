"""Arrays in an ``.npz`` file, read some samples at a time; never pickles.

A file may be larger than memory. Samples are read in order, so that a compressed array is unpacked
as it is needed; whoever goes back begins at its first sample again.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..ir import Array
from ..ir.errors import DataError
from ..ir.storage import UNREADABLE

HINT = "write it with numpy.savez(FILE, x=samples, y=labels)"


class StoredArray:
    """One array of a file, not in memory.

    Args:
        path: The file.
        member: Its entry.
        what: What the data are, for error messages.

    Raises:
        DataError: It is no array of plain numbers, or not as long as it says.
    """

    def __init__(self, path: Path, member: zipfile.ZipInfo, what: str) -> None:
        self.path, self.member, self.what = path, member, what
        self._archive: zipfile.ZipFile | None = None
        self._file: IO[bytes] | None = None
        self._begin = self._next = 0
        self._columns: Array | None = None
        with self._reading():
            self.shape, self._by_columns, self.dtype = self._open()
            if self.dtype.hasobject:
                raise ValueError(f"array {member.filename!r} holds objects")
            assert self._file is not None
            self._begin = self._file.tell()
            if self._begin + prod(self.shape) * self.dtype.itemsize != member.file_size:
                raise ValueError(f"array {member.filename!r} is not as long as its header says")
        self.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice, /) -> Array:
        begin, end, _ = rows.indices(len(self))
        if self._by_columns:  # rows are scattered all over the file
            self._columns = self.read() if self._columns is None else self._columns
            return self._columns[rows]
        with self._reading():
            if self._file is None or begin < self._next:
                self._open()
            assert self._file is not None
            self._file.seek(self._begin + begin * self._row_bytes)
            self._next = max(begin, end)
            return self._numbers((max(0, end - begin), *self.shape[1:]))

    def read(self) -> Array:
        """Return the whole array."""
        with self._reading():
            self._open()
            if self._by_columns:
                return self._numbers(self.shape[::-1]).transpose()
            return self._numbers(self.shape)

    def close(self) -> None:
        """Close the file until it is read again."""
        if self._archive is not None:
            assert self._file is not None
            self._file.close()
            self._archive.close()
        self._archive = self._file = None

    def __del__(self) -> None:
        self.close()

    @property
    def _row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize

    def _open(self) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        """Go to the first number; return what the header says."""
        self.close()
        if self.member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"array {self.member.filename!r} is compressed in another way")
        archive = zipfile.ZipFile(self.path)
        try:
            file = archive.open(self.member)
        except BaseException:
            archive.close()
            raise
        self._archive, self._file, self._next = archive, file, 0
        version = npy.read_magic(file)
        read = {
            (1, 0): npy.read_array_header_1_0,
            (2, 0): npy.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f"array format {version} is unknown")
        shape, by_columns, dtype = read(file)
        return tuple(map(int, shape)), bool(by_columns), dtype

    def _numbers(self, shape: tuple[int, ...]) -> Array:
        assert self._file is not None
        wanted = prod(shape) * self.dtype.itemsize
        content = self._file.read(wanted)
        if len(content) < wanted:
            raise EOFError(f"array {self.member.filename!r} is cut off")
        return np.ndarray(shape, self.dtype, content)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
            raise unreadable(self.path, self.what, error) from error


def stored_arrays(path: Path, what: str) -> dict[str, StoredArray]:
    """Return the arrays of a file by name.

    Raises:
        DataError: The file is missing, is no ``.npz``, or holds objects.
    """
    if not path.exists():
        raise DataError(f"{what}: {path} does not exist", hint="check the path")
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise DataError(f"{what}: {path} is no .npz file", hint=HINT)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except UNREADABLE as error:
        raise unreadable(path, what, error) from error
    return {
        member.filename.removesuffix(".npy"): StoredArray(path, member, what)
        for member in members
        if member.filename.endswith(".npy")
    }


def unreadable(path: Path, what: str, error: Exception) -> DataError:
    """Return the error for a file that cannot be read."""
    return DataError(f"{what}: {path} cannot be read: {error}", hint=HINT)
