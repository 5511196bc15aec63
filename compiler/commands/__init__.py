"""The commands of ``snnc``, one file a command.

A command's module has ``EXAMPLE`` (one line), ``add_arguments(parser)`` and
``run(arguments, console)``, which returns the exit status. Nothing heavy is imported before
``run``: ``snnc --help`` must answer at once.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from .console import Console

COMMANDS: Mapping[str, str] = {
    "compile": "compile a trained ONNX model to a spiking network (the default command)",
    "inspect": "say what of a model converts, what does not, and the way round",
    "run": "run samples on a compiled network",
    "evaluate": "accuracy and activity over time, beside the source model",
    "estimate": "energy from counted operations, beside the ANN and its quantised twin",
    "fit": "will it fit the chip: cores, chips, memory, traffic between cores",
    "report": "write one HTML file: accuracy, errors, spikes, cost, cores, provenance",
    "verify": "replay the golden samples and compare every output and every payload",
    "show": "print the graph of a compiled network",
    "targets": "list the targets and what can run here",
    "demo": "the whole journey on the bundled model and digits",
}
"""For each command, what it does: the order in which ``snnc --help`` lists them."""


class Command(Protocol):
    """What a command's module provides."""

    EXAMPLE: str

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None: ...

    @staticmethod
    def run(arguments: Namespace, console: Console) -> int: ...


def load_command(name: str) -> Command:
    """Import the module of a command."""
    return cast(Command, import_module(f".{name}", __name__))
