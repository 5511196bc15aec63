"""Calls of snnc whose file accesses are recorded: started as a process of its own.

Arguments: a file for the record, then a JSON list of calls: the words after ``snnc``. Each line of
the record is a path with what was done to it, reading or writing (making, renaming, linking and
removing count as writing); or that a program or a connection was started.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

WRITES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "shutil.rmtree", "tempfile.mkstemp", "tempfile.mkdtemp"),
}
STARTS = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

record: list[str] = []


def hook(event: str, arguments: tuple[object, ...]) -> None:
    """Note what an event of the interpreter touches."""
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & WRITING
        note("write" if writes else "read", path)
    elif event in WRITES:
        for path in arguments[:2]:
            note("write", path)
    elif event in STARTS:
        record.append(f"start {event}")


def note(kind: str, path: object) -> None:
    """Record a path."""
    if isinstance(path, (str, bytes, os.PathLike)):
        record.append(f"{kind} {os.path.abspath(os.fsdecode(path))!r}")


def main(out: Path, calls: list[list[str]]) -> None:
    """Run snnc, write the record, and print the exit statuses."""
    from snnc.compiler import cli

    sys.addaudithook(hook)
    statuses = [cli.main(words) for words in calls]
    lines = list(record)
    out.write_text("\n".join(lines))
    sys.stdout.write(f"\n{statuses}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
