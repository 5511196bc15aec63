"""Runs one measurement in a process of its own, with a deadline, and takes what it printed.

Whatever happens to the process is an answer too: it was killed, it took too long.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

CRASHED = "crash"
"""Status of a process that ended otherwise than by an answer."""


def measured(what: str, name: str, seconds: float) -> dict[str, Any]:
    """Measure one thing.

    Args:
        what: ``light`` or ``package``.
        name: Name of the graph or the model.
        seconds: Deadline.

    Returns:
        Its record; with only ``name``, ``status`` and ``reasons`` where there was no answer.
    """
    command = [sys.executable, "-m", "examples.benchmarks.coverage.one", what, name]
    record: dict[str, Any] = {"name": name}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return record | {"status": "hang", "reasons": [f"no answer within {seconds:.0f} s"]}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return record | {"status": CRASHED, "reasons": [last[:200]]}
    return record | dict(json.loads(done.stdout.splitlines()[-1]))
