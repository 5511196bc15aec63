"""A call of snnc whose file accesses are recorded: started as a process of its own.

Arguments: a file for the record, then the words after ``snnc``. Each line of the record is an event
and a path that was opened for writing, made, renamed, linked or removed, or read below a folder of
the test; and every program or connection that was started.
"""

from __future__ import annotations

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
        path, mode, flags = arguments
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


def main(out: Path, words: list[str]) -> int:
    """Run snnc, and write the record."""
    from snnc.compiler import cli

    sys.addaudithook(hook)
    status = cli.main(words)
    lines = list(record)
    out.write_text("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
