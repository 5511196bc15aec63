"""Where a command writes: its result on standard output, all else on standard error.

Names in models and files may hold anything. Whatever is printed as one line stays one line:
line breaks, control characters and invisible formatting are shown as escapes.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ...ir.errors import Problem

Stage = Callable[[str, int, int], None]
"""Called with the name of a stage, what is done of it and in all."""

UNLIMITED = 1 << 16
"""Columns where there is no terminal: lines of a table, and names in them, stay whole."""


def one_line(text: object) -> str:
    r"""Return a text without line breaks and control characters.

    >>> one_line("conv\n1")
    'conv\\n1'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def write(stream: TextIO, text: str) -> None:
    """Write text; what the stream's encoding cannot express appears as escapes."""
    encoding = stream.encoding or "utf-8"
    with _to_output():
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def flush(stream: TextIO) -> None:
    """Write what a stream still holds."""
    with _to_output():
        stream.flush()


@contextmanager
def _to_output() -> Iterator[None]:
    """Name the output in an error: of a full disk the system names no file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def write_problems(problems: Iterable[Problem]) -> None:
    """Write one ``error: `` and one ``hint: `` line for each problem on standard error."""
    for problem in problems:
        _write_pair("error", problem.message, problem.hint)


def _write_pair(kind: str, message: str, hint: str) -> None:
    way_out = hint or "see `snnc --help`"
    write(sys.stderr, f"{kind}: {one_line(message)}\nhint: {one_line(way_out)}\n")


@dataclass(frozen=True)
class Console:
    """The output of one command.

    Attributes:
        json: Whether the result is one JSON object; what is for human eyes is then left out.
        out: Standard output.
    """

    json: bool
    out: TextIO

    def lines(self, *lines: str) -> None:
        """Write lines for human eyes, each argument one line."""
        if not self.json:
            write(self.out, "".join(f"{one_line(line)}\n" for line in lines))

    def result(self, document: Mapping[str, Any]) -> None:
        """Write the JSON object, where JSON was asked for."""
        if self.json:
            write(self.out, json.dumps(document, indent=1, allow_nan=False) + "\n")

    def warning(self, message: str, hint: str) -> None:
        """Write one ``warning: `` and one ``hint: `` line on standard error."""
        _write_pair("warning", message, hint)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table for human eyes; a column whose head begins with ``>`` is flush right."""
        if self.json:
            return
        from rich.box import SIMPLE_HEAD
        from rich.console import Console as RichConsole
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for head in heads:
            right = head.startswith(">")
            table.add_column(
                head.removeprefix(">"), justify="right" if right else "left", overflow="fold"
            )
        for row in rows:
            table.add_row(*map(one_line, row))
        rich = RichConsole(
            file=self.out,
            width=None if self.out.isatty() else _columns(),
            markup=False,
            emoji=False,
            highlight=False,
        )
        with _to_output(), rich.capture() as captured:  # it flushes the file
            rich.print(table)
        text = captured.get()
        write(self.out, "".join(f"{line.rstrip()}\n" for line in text.splitlines()))

    @contextmanager
    def progress(self) -> Iterator[Stage]:
        """Show progress bars while the block runs: on a terminal only, and gone afterwards."""
        if not sys.stderr.isatty():
            yield lambda stage, done, total: None
            return
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        # Without auto-refresh there is no thread, which a target that forks could not stand.
        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=RichConsole(file=sys.stderr),
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with bars:
            tasks = {}

            def advance(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bars.add_task(stage, total=total or None)
                bars.update(tasks[stage], completed=done, total=total or None, refresh=True)

            yield advance

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Show the progress of a single stage; see ``progress``."""
        with self.progress() as advance:
            advance(name, 0, 0)  # time runs from here; how much there is to do is yet unknown
            yield partial(advance, name)


def _columns() -> int:
    """Return how wide a table may be where there is no terminal: what ``COLUMNS`` says, if set."""
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and int(asked) else UNLIMITED


@contextmanager
def open_console(*, json: bool) -> Iterator[Console]:
    """Give a command its console.

    Under ``--json`` whatever a library prints goes to standard error, so that standard output
    holds one JSON object and nothing else.
    """
    out = sys.stdout
    with _own_warnings_as_lines():
        if not json:
            yield Console(json=False, out=out)
            return
        with redirect_stdout(sys.stderr):
            yield Console(json=True, out=out)


@contextmanager
def _own_warnings_as_lines() -> Iterator[None]:
    """Write warnings of snnc itself, a message and a hint, as commands write theirs."""
    own = __package__.partition(".")[0]
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category.__module__.partition(".")[0] != own:
                others(message, category, filename, lineno, file, line)
                return
            text, _, hint = str(message).partition("\n")
            _write_pair("warning", text, hint)

        warnings.showwarning = show
        yield
