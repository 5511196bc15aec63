"""A folder beside the place of a result: what is in it is renamed to that place at the end.

A process that is killed leaves its folder behind. It holds a lock on it that dies with it, so the
next one that writes to the same place finds what was abandoned and removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OLD = "old"
"""Name, in a temporary folder, of the folder with the result that is being replaced."""

LONGEST = 100
"""Characters of a result's name that its temporary folder repeats: names have 255 at most."""


@contextmanager
def temporary_folder(place: Path) -> Iterator[Path]:
    """Make a folder beside a place, and remove it at the end.

    Args:
        place: Where the result will be; its parent exists.

    Raises:
        OSError: Nothing can be written there.
    """
    _remove_abandoned(place)
    folder, lock = _locked(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def replace(made: Path, place: Path, folder: Path) -> None:
    """Put a folder that was made in the place of an old one.

    Killed in between, the old one is in the temporary folder and comes back with the next run.

    Args:
        made: The new folder.
        place: Where it shall be.
        folder: The temporary folder.
    """
    if not place.exists():
        made.rename(place)
        return
    old = folder / OLD / place.name
    old.parent.mkdir()
    os.replace(place, old)
    try:
        made.rename(place)
    except BaseException:
        os.replace(old, place)
        raise


def _prefix(place: Path) -> str:
    return f".snnc-{place.name[:LONGEST]}-"


def _locked(place: Path) -> tuple[Path, int]:
    """Return a new folder and the lock on it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(place), dir=place.parent))
        with suppress(FileNotFoundError):  # another process took it for abandoned
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_abandoned(place: Path) -> None:
    """Remove the folders of processes that were killed; a result they had moved comes back."""
    for folder in place.parent.iterdir():
        if not folder.name.startswith(_prefix(place)) or folder.is_symlink():
            continue
        with suppress(OSError):  # another process is at work in it, or it is gone
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                old = folder / OLD / place.name
                if old.exists() and not place.exists():
                    os.replace(old, place)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
