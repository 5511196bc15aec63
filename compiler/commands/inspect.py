"""``snnc inspect``: what of a model converts, what does not, why, and the way round."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import add_conversion, conversion_options
from .console import Console

if TYPE_CHECKING:
    from ..inspection import Inspection

EXAMPLE = "snnc inspect model.onnx --target lava"


def add_arguments(parser: ArgumentParser) -> None:
    add_conversion(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ...backends import get_backend
    from ..inspection import inspect
    from ..options import Options

    backend, options = get_backend(arguments.target), Options(**conversion_options(arguments))
    found = inspect(Path(arguments.model), backend, options)
    print_inspection(found, console)
    console.result({"model": arguments.model, **found.to_json()})
    return 0


def print_inspection(found: Inspection, console: Console) -> None:
    """Write an inspection for human eyes."""
    count = len(found.unsupported)
    answer = "yes" if found.convertible else f"no, {count} problem{'s' if count > 1 else ''}"
    console.lines(
        f"convertible  {answer}",
        f"for          target {found.target}, code {found.code}",
        f"opset        {found.opset}",
    )
    for title, shapes in (("input", found.inputs), ("output", found.outputs)):
        console.lines(*(f"{title:12} {name} {shape}" for name, shape in shapes.items()))
    console.lines(
        "operators    " + ", ".join(f"{name} x {n}" for name, n in found.operators.items()),
        *(f"cut off      {c.operator} ({c.node}) before output {c.output!r}" for c in found.cut),
        *(f"approximate  {text}" for text in found.approximations),
    )
    if found.unsupported:
        console.lines("")
        console.table(
            ("operator", "node", "reason", "way round"),
            [(entry.operator, entry.node, entry.reason, entry.hint) for entry in found.unsupported],
        )
