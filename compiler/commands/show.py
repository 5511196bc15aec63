"""``snnc show``: the graph of an artifact in text."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from . import partitioned
from .arguments import add_artifact
from .console import Console

EXAMPLE = "snnc show out"


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ...ir.printer import to_text
    from ..network import Network, load
    from .compile import describe, to_json

    network = load(arguments.artifact)
    if not isinstance(network, Network):
        return partitioned.show(network, arguments, console)
    text = to_text(network.graph)
    console.lines(*text.split("\n"), "", *describe(network))
    console.result({"artifact": arguments.artifact, **to_json(network), "graph": text})
    return 0
