"""The command line ``snnc``: which command is meant, and how every failure ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .commands import COMMANDS, load_command
from .commands.console import flush, open_console, write, write_problems
from .commands.parser import Parser

SUCCESS, FAILED, USER_ERROR = 0, 1, 2
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever read the output went away."""

USAGE = """\
usage: snnc [compile] MODEL.onnx [--target TARGET] [-o OUT] [--calibration X.npz] ...
       snnc COMMAND ...

Compile trained ONNX models to spiking neural networks.
"""
CLOSING = """\
examples:
  snnc model.onnx --target lava --calibration train.npz -o out
  snnc evaluate out --data test.npz
  snnc verify out

`snnc COMMAND --help` explains the options of a command. Every command takes --json.
Exit status: 0 success, 1 not equal (verify) or a bug, 2 an error you can mend.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after ``snnc``; those of this process by default.

    Returns:
        The exit status: 0 on success, 2 on an error the user can mend, 1 on ours (and where
        ``verify`` finds a difference), 130 when interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _open_closed_streams()
    try:
        status = _dispatch(words)
        flush(sys.stdout)
    except KeyboardInterrupt:
        write(sys.stderr, "error: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return BROKEN_PIPE
    except SystemExit as stop:  # argparse has printed a help text
        return stop.code if isinstance(stop.code, int) else SUCCESS
    except Exception as error:
        _give_up_output()
        return _report(error)
    return status


def _give_up_output() -> None:
    """Drop what cannot be written to standard output: Python flushes it again when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """Give output a place to go where the shell has closed standard output or error."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        listing = "".join(f"  {name:{width}}  {text}\n" for name, text in COMMANDS.items())
        write(sys.stdout, f"{USAGE}\ncommands:\n{listing}\n{CLOSING}")
        return SUCCESS
    if first == "--version":
        from importlib.metadata import version

        write(sys.stdout, f"snnc {version('snnc')}\n")
        return SUCCESS
    if first in COMMANDS:
        return _run(first, words[1:])
    _refuse_unknown_command(first)
    return _run("compile", words)


def _refuse_unknown_command(word: str) -> None:
    """Raise ``OptionError`` for a first word that looks like a command and not like a file."""
    if word.startswith("-") or os.sep in word or "." in word or Path(word).exists():
        return
    from ..ir.errors import OptionError, suggestion

    raise OptionError(
        f"snnc: unknown command {word!r}",
        hint=f"{suggestion(word, COMMANDS)}give a MODEL.onnx or one of: {', '.join(COMMANDS)}",
    )


def _run(name: str, words: Sequence[str]) -> int:
    command = load_command(name)
    summary = COMMANDS[name]
    parser = Parser(
        f"snnc {name}", f"{summary[0].upper()}{summary[1:]}.", f"example:\n  {command.EXAMPLE}"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else"
    )
    command.add_arguments(parser)
    arguments = parser.parse(words)
    with open_console(json=arguments.json) as console:
        return command.run(arguments, console)


def _report(error: Exception) -> int:
    """Say what went wrong and return the exit status."""
    from ..ir.errors import Problem, SnncError

    if isinstance(error, SnncError):
        write_problems(error.problems)
        return USER_ERROR
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename}: " if error.filename else ""
        hint = "check the path, your permissions and the free space"
        write_problems([Problem(f"{what}{error.strerror}", hint)])
        return USER_ERROR
    if isinstance(error, MemoryError):
        write_problems([Problem("out of memory", "use fewer samples or a smaller --timesteps")])
        return USER_ERROR
    import traceback

    traceback.print_exception(type(error), error, error.__traceback__)
    write(sys.stderr, "error: internal error, this is a bug in snnc\n")
    write(sys.stderr, "hint: please report it with the lines above\n")
    return FAILED
