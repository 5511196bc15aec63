"""Every error snnc raises on purpose. Catch ``SnncError`` to catch them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to do about it.

    Attributes:
        message: What is wrong; begins with the name of the node, file or option at fault.
        hint: An imperative sentence: the way out.
    """

    message: str
    hint: str = ""


class SnncError(Exception):
    """Base of all errors a user of snnc can cause and mend.

    Args:
        message: What is wrong, naming the node, file or option at fault.
        hint: What to do about it.
        problems: The single problems, where there are several; the command line prints one
            error line and one hint line for each.
    """

    def __init__(self, message: str, *, hint: str = "", problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.problems = tuple(problems) or (Problem(message, hint),)

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\nhint: {self.hint}" if self.hint else message


class ModelError(SnncError):
    """The ONNX file cannot be used: unreadable, not ONNX, shapes unknown, opset too old."""


class UnsupportedOperatorError(ModelError):
    """The model has operators snnc cannot convert; ``problems`` lists every one of them."""


class GraphError(SnncError):
    """A graph is malformed: a missing input, a duplicate name, an unknown output."""


class ShapeError(GraphError):
    """Two nodes do not agree on the shape or the signal of the edge between them."""


class ConversionError(SnncError):
    """A graph cannot be expressed in the spike code that was asked for."""


class DesignRuleError(SnncError):
    """A graph breaks design rules of the target; all broken rules are listed at once."""

    def __init__(self, target: str, broken: Iterable[Problem]) -> None:
        problems = tuple(broken)
        rules = "\n".join(f"  - {problem.message}" for problem in problems)
        super().__init__(f"the graph does not fit target {target!r}:\n{rules}", problems=problems)


class DataError(SnncError):
    """Data the user gave do not fit: a missing array, a wrong shape, NaN, a lossy cast."""


class AccuracyError(SnncError):
    """No setting of the compiler keeps the accuracy the user asked for."""


class ArtifactError(SnncError):
    """A folder is not a usable artifact: wrong version, wrong hash, unsafe content."""


class OptionError(SnncError):
    """An option has a value that is out of range or does not go with the others."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean ...? `` for a name close to a known one, else nothing.

    >>> suggestion("--tagret", ["--target", "--json"])
    "did you mean '--target'? "
    """
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


class UnknownTargetError(SnncError):
    """No backend has that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        hint = f"{suggestion(name, names)}choose one of: {', '.join(names)}"
        super().__init__(f"unknown target {name!r}", hint=hint)


class MissingDependencyError(SnncError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, *, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed",
            hint=f'install it with: uv pip install "snnc[{extra}]"',
        )


class ExecutionError(SnncError):
    """A program failed while it ran on its target."""
