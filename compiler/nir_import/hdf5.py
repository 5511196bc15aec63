"""HDF5 files that may be hostile: only plain arrays and groups of this one file are read.

HDF5 lets a file name other files (external and soft links, external and virtual storage), load
code (filter plug-ins), claim arrays of any size, and put a group into itself. None of it has a
place in a NIR file; all of it is refused before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ...backends.hdf5_library import load_h5py
from ...ir import Array
from ...ir.errors import ModelError
from ...ir.extent import LONGEST_NAME, MOST_ELEMENTS
from .isolated import allowed_memory, read_in_child
from .tree import Group

LARGEST = 2**31 - 1
"""Bytes that a file may have, and its arrays together: the limit of ONNX files."""

MOST_ENTRIES = 1 << 18
"""Groups and arrays that a file may have."""

DEEPEST = 64
"""Groups within groups."""

MOST_TEXT = 1 << 24
"""Bytes of all texts of a file together."""

MOST_TEXTS = 1 << 17
"""Texts that one array may have: two for each edge."""

READ_AT_ONCE = 1 << 26
"""Bytes of texts to read at once: any number of them may be one long text of the file."""

FILTERS = frozenset({1, 2, 3})
"""Deflate, shuffle and Fletcher's checksum: those HDF5 has built in and h5py writes."""


@dataclass
class _Budget:
    """What of a file may still be read."""

    max_elements: int
    file_bytes: int
    bytes: int
    entries: int = MOST_ENTRIES
    text: int = MOST_TEXT
    open: list[Any] = field(default_factory=list)


def library() -> Any:
    """Return the module h5py; see ``load_h5py``."""
    return load_h5py("reading a NIR file", extra="nir")


def read_tree(path: Path, max_elements: int = MOST_ELEMENTS) -> Group:
    """Read a whole HDF5 file into memory.

    Args:
        path: The file.
        max_elements: Numbers that one array may have.

    Raises:
        ModelError: It cannot be read, is damaged or too large, or points out of itself.
        MissingDependencyError: h5py is not installed.
    """
    library()
    _expect_plain_file(path)
    return read_in_child(_tree, path, max_elements)


def _tree(path: Path, max_elements: int) -> Group:
    with _hdf5_errors(path), library().File(path, "r", locking=False) as file:
        size = path.stat().st_size
        memory = min(LARGEST, allowed_memory(size, max_elements))
        return _group(path, file, "", _Budget(max_elements, size, bytes=memory))


def _expect_plain_file(path: Path) -> None:
    if path.is_dir():
        raise ModelError(f"{path}: is a folder", hint="give the .nir file itself")
    try:
        if not path.exists():
            raise ModelError(f"{path}: no such file", hint="check the path of the model")
        if not path.is_file():  # a pipe would block, a device never ends
            raise ModelError(f"{path}: is not a plain file", hint="save the model to a file")
        if path.stat().st_size > LARGEST:
            raise ModelError(
                f"{path}: the file is larger than 2 GB", hint="convert a smaller network"
            )
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ModelError(f"{path}: cannot be read: {error}", hint="check the file") from error


@contextmanager
def _hdf5_errors(path: Path) -> Iterator[None]:
    # h5py raises half a dozen unrelated exception classes on damaged files.
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        text = str(error).strip().split("\n")[0] or type(error).__name__
        raise ModelError(
            f"{path}: is not a readable HDF5 file: {text}", hint="check that the file is complete"
        ) from error


def _group(path: Path, group: Any, where: str, budget: _Budget) -> Group:
    h5py = library()
    here = h5py.h5o.get_info(group.id).addr
    if here in budget.open or len(budget.open) > DEEPEST:
        raise ModelError(
            f"{path}: group {where!r} is inside itself, or groups are nested {DEEPEST} deep",
            hint="write the file again with nir.write",
        )
    budget.open.append(here)
    entries: dict[str, Group | Array | str | list[str]] = {}
    for name in group:
        inside = f"{where}/{name}"
        budget.entries -= 1
        if budget.entries < 0:
            raise ModelError(
                f"{path}: has more than {MOST_ENTRIES} entries", hint="convert a smaller network"
            )
        _expect_name(path, inside)
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ModelError(
                f"{path}: {inside!r} is a link to somewhere else, and none is followed",
                hint="write the file again with nir.write, which writes no links",
            )
        entry = group[name]
        if isinstance(entry, h5py.Group):
            entries[name] = _group(path, entry, inside, budget)
        elif isinstance(entry, h5py.Dataset):
            entries[name] = _dataset(path, entry, inside, budget)
        else:
            raise ModelError(
                f"{path}: {inside!r} is neither a group nor an array",
                hint="write the file again with nir.write",
            )
    budget.open.pop()
    return Group(where, entries)


def _expect_name(path: Path, where: str) -> None:
    try:
        where.encode()
    except UnicodeEncodeError:
        raise ModelError(
            f"{path}: the name {where!r} is no text", hint="give the node another name"
        ) from None
    if len(where) > LONGEST_NAME:
        raise ModelError(
            f"{path}: a name has {len(where)} characters",
            hint=f"give nodes names of at most {LONGEST_NAME} characters",
        )


def _dataset(path: Path, data: Any, where: str, budget: _Budget) -> Array | str | list[str]:
    _expect_stored_here(path, data, where)
    size, text = prod(data.shape or ()), library().check_string_dtype(data.dtype)
    if size > budget.max_elements:
        raise ModelError(
            f"{path}: {where!r} has {size} numbers, more than {budget.max_elements}",
            hint=f"if that is meant: --max-elements {size}",
        )
    if data.shape is None or not (text or data.dtype.kind in "fiub"):
        raise ModelError(
            f"{path}: {where!r} holds {data.dtype}, neither numbers nor text",
            hint="write the file again with nir.write",
        )
    taken = max(size, prod(data.chunks or ())) * max(8, data.dtype.itemsize)
    budget.bytes -= taken
    if budget.bytes < 0:
        raise ModelError(
            f"{path}: its arrays take more memory than a file of that size may ask for",
            hint="write them without compression, or convert a smaller network",
        )
    if text:
        budget.text -= taken if text.length else 0  # each text takes the longest's room
        return _texts(path, data, where, budget)
    return np.asarray(data[()])


def _expect_stored_here(path: Path, data: Any, where: str) -> None:
    """Refuse an array whose values are in other files, or need code to be loaded."""
    settings = data.id.get_create_plist()
    filters = {settings.get_filter(index)[0] for index in range(settings.get_nfilters())}
    if data.is_virtual or data.external or not filters <= FILTERS:
        what = "with an unknown filter" if not filters <= FILTERS else "in another file"
        raise ModelError(
            f"{path}: {where!r} is stored {what}", hint="write the file again with nir.write"
        )


def _texts(path: Path, data: Any, where: str, budget: _Budget) -> str | list[str]:
    """Return a text or a list of texts."""
    if budget.text < 0 or prod(data.shape) > MOST_TEXTS:
        raise _too_much_text(path)
    found = []
    for cell in _cells(data, budget.file_bytes):
        content = cell if isinstance(cell, bytes) else str(cell).encode()
        budget.text -= len(content) + 1
        if budget.text < 0:
            raise _too_much_text(path)
        try:
            found.append(content.decode())
        except UnicodeDecodeError:
            raise ModelError(
                f"{path}: {where!r} is no text in UTF-8", hint="write the file again with nir.write"
            ) from None
    return found if data.shape else found[0]


def _cells(data: Any, file_bytes: int) -> Iterator[Any]:
    """Yield the texts of an array, some rows at a time."""
    if not data.shape:
        yield data[()]
        return
    row = max(1, prod(data.shape[1:])) * file_bytes
    rows = max(1, READ_AT_ONCE // row)
    for begin in range(0, len(data), rows):
        yield from np.ravel(data[begin : begin + rows])


def _too_much_text(path: Path) -> ModelError:
    return ModelError(
        f"{path}: holds more than {MOST_TEXTS} texts, or {MOST_TEXT} bytes of them",
        hint="write a smaller network, with shorter names",
    )
