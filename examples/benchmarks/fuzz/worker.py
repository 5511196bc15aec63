"""A process that tries some inputs and says after each how it went: started by ``__main__``.

Arguments: a folder, the first number, the number after the last. Before each input it prints its
number, after it a JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from snnc.backends.resources import most_resident
from snnc.ir.errors import SnncError

from .inputs import Inputs

MOST_MEMORY = 2 << 30
"""Bytes of resident memory; beyond it an input counts as a failure."""

LONGEST = 10.0
"""Seconds that a processor may work at one input: how busy the machine is does not count."""

ADDRESSES = 12 << 30
"""Bytes of addresses: an input that wants more gets a MemoryError, and the machine lives on."""


def main(folder: Path, first: int, end: int) -> None:
    """Try inputs ``first`` to ``end - 1``."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    inputs = Inputs(folder)
    for number in range(first, end):
        print(number, flush=True)
        found: dict[str, Any] = {"number": number, "outcome": "read", "detail": ""}
        found["kind"] = inputs.kind(number)
        begin = _worked()
        signal.setitimer(signal.ITIMER_PROF, LONGEST)  # ends the process, also in C code
        try:
            if unforeseen := inputs.try_one(number):
                found |= {"outcome": "unforeseen", "detail": unforeseen}
        except SnncError as error:
            found["outcome"] = "refused"
            if not all(problem.message and problem.hint for problem in error.problems):
                found |= {"outcome": "no hint", "detail": str(error)}
        except Exception as error:
            where = traceback.format_tb(error.__traceback__)[-1].strip()
            found |= {"outcome": "foreign", "detail": f"{type(error).__name__}: {error} {where}"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        found["seconds"] = round(_worked() - begin, 3)
        if found["seconds"] > LONGEST:  # in a child process
            found |= {"outcome": "hang", "detail": f"{found['seconds']} s"}
        found["bytes"] = memory = max(most_resident(), _most_of_children())
        if memory > MOST_MEMORY:
            found |= {"outcome": "memory", "detail": f"{memory} bytes"}
        print(json.dumps(found), flush=True)
        if memory > MOST_MEMORY:
            return  # the high-water mark never falls


def _worked() -> float:
    """Return the seconds that processors have worked for this process and its children."""
    return sum(os.times()[:4])


def _most_of_children() -> int:
    """Return the most bytes of memory that a child process has held; they read HDF5."""
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
