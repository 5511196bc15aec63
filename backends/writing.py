"""Which file could not be written: of a full disk the system names none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EIO
from os import PathLike


@contextmanager
def writing(place: str | PathLike[str]) -> Iterator[None]:
    """Name a place in every ``OSError`` of a block that does nothing but write to it.

    Args:
        place: The file or folder as the user knows it. What is written until it is whole lies
            beside it, under a name that is gone when the error is read.
    """
    try:
        yield
    except OSError as error:
        # HDF5 has long texts of its own, with addresses in memory.
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno or EIO, why, str(place)) from error
