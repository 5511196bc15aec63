"""How much of the machine a run may use: memory and cores."""

from __future__ import annotations

import os
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from ..ir.errors import OptionError

UNITS = {"": 1, **{letter: 1000**power for power, letter in enumerate("KMGT", start=1)}}
BINARY = {letter: 1024**power for power, letter in enumerate("KMGT", start=1)}

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Resources:
    """What a run may use.

    Attributes:
        memory: Most bytes that the process may hold, the interpreter and the data included; None
            for no limit.
        jobs: Blocks of samples that are computed side by side, each on a thread of its own; None
            for as many as there are cores.
    """

    memory: int | None = None
    jobs: int | None = None

    @classmethod
    def of(cls, memory: int | str | None = None, jobs: int | None = None) -> Resources:
        """Return checked resources.

        Args:
            memory: Bytes, or a text such as ``2GB``.
            jobs: Blocks side by side.

        Raises:
            OptionError: One of them makes no sense.
        """
        if isinstance(memory, str):
            memory = parse_size(memory)
        if memory is not None and memory < 1:
            raise OptionError(f"memory {memory}: is no size", hint="give e.g. 2GB")
        if jobs is not None and jobs < 1:
            raise OptionError(
                f"jobs {jobs}: at least one block of samples has to be computed",
                hint="give 1 or more, or leave it out to use all cores",
            )
        return cls(memory, jobs)

    @property
    def threads(self) -> int:
        """Blocks of samples side by side."""
        return self.jobs or cores()

    def left(self) -> int | None:
        """Bytes that the process may still take; None for any number."""
        return None if self.memory is None else self.memory - resident()


def parse_size(text: str) -> int:
    """Return a size in bytes.

    >>> parse_size("2GB"), parse_size("1.5 MiB"), parse_size("800k")
    (2000000000, 1572864, 800000)

    Raises:
        OptionError: The text is no size.
    """
    found = _SIZE.fullmatch(text)
    if not found or (found[3] and not found[2]):
        raise OptionError(f"memory {text!r}: is no size", hint="give e.g. 500MB, 2GB or 1.5GiB")
    unit = (BINARY if found[3] else UNITS)[found[2].upper()]
    return int(float(found[1]) * unit)


def megabytes(size: float) -> str:
    """Return a size for human eyes, rounded up.

    >>> megabytes(1_230_001)
    '2 MB'
    """
    return f"{-int(-size // 10**6):,} MB"


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resident() -> int:
    """Return the bytes of memory that this process holds now.

    Where the system does not say, the most it ever held: an upper bound.
    """
    return _status("VmRSS") or most_resident()


def most_resident() -> int:
    """Return the most bytes of memory that this process has held.

    On Linux not ``ru_maxrss``, which a process inherits from the one that started it.
    """
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmHWM") or (most if sys.platform == "darwin" else most * 1024)


def _status(field: str) -> int:
    """Return a size that Linux tells about this process, or 0."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(rf"^{field}:\s*(\d+) kB$", text, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
