"""Programs of their own, each leading its process group, so that no test can hang."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Start Python in a process group of its own; end all of it afterwards."""
    child = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if alive(child.pid):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def alive(group: int) -> list[str]:
    """Return the processes of a process group that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, member = stat.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(member) == group and state != "Z":
            found.append(stat.parent.name)
    return found


def run(*arguments: str) -> str:
    """Run Python to its end, which must be good and leave no process behind; return its output."""
    with started(*arguments) as child:
        out, error = child.communicate(timeout=180)
        assert child.returncode == 0, error
        assert out.endswith("end\n"), out
        assert not alive(child.pid), "processes are left"
    return out
