"""Arguments that several commands share: the artifact, where to run it, what that may take."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...backends.resources import Resources


def add_artifact(parser: ArgumentParser) -> None:
    """Add the artifact a command works on."""
    parser.add_argument("artifact", metavar="OUT", help="folder written by `snnc MODEL.onnx`")


def add_on(parser: ArgumentParser) -> None:
    """Add ``--on``."""
    parser.add_argument(
        "--on",
        metavar="TARGET",
        help="run on this target, e.g. numpy (default: the artifact's own)",
    )


def add_resources(parser: ArgumentParser) -> None:
    """Add ``--memory`` and ``--jobs``."""
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        help="most memory to take, e.g. 2GB; samples are then read and results written block by "
        "block (default: no limit)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="blocks of samples that the simulator computes side by side (default: one a core)",
    )


def resources(arguments: Namespace) -> Resources:
    """Return what ``--memory`` and ``--jobs`` say; raise ``OptionError`` where it is nonsense."""
    from ...backends.resources import Resources

    return Resources.of(arguments.memory, arguments.jobs)


@contextmanager
def offering_simulator() -> Iterator[None]:
    """Add ``--on numpy`` to the hint of an error that says that a target cannot run here."""
    from ...ir.errors import MissingDependencyError, SnncError

    try:
        yield
    except MissingDependencyError as error:
        (problem,) = error.problems
        raise SnncError(
            problem.message, hint=f"{problem.hint}; or use the simulator: --on numpy"
        ) from error
