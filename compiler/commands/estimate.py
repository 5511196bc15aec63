"""``snnc estimate``: operations and energy, beside the ANN and its quantised twin."""

from __future__ import annotations

import csv
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from . import partitioned
from .arguments import add_artifact, add_resources, resources
from .console import Console
from .estimate_tables import print_estimate

if TYPE_CHECKING:
    from ...ir import Array
    from ..cost import Estimate
    from ..cost.neurobench import NeuroBench
    from ..data import Inputs
    from ..network import Network

EXAMPLE = "snnc estimate out --data test.npz"

BENCHED_SAMPLES = 8
"""Samples of NeuroBench's metrics: they are one batch, and all their membranes are looked at."""


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--data",
        required=True,
        metavar="XY.npz",
        help="samples to count operations on, named after the model's inputs or x; with labels y "
        "it also says when answers are right",
    )
    parser.add_argument(
        "--hardware",
        default="lemaire-2022",
        metavar="NAME|FILE.toml",
        help="the model of energy: one that `snnc targets` lists, or your own (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--access-bits",
        type=int,
        metavar="N",
        help="bits of one access to memory, for models that know such a width",
    )
    parser.add_argument(
        "--csv", metavar="FILE", help="also write every figure as a row of this file"
    )
    parser.add_argument(
        "--neurobench",
        action="store_true",
        help=f"also NeuroBench's metrics, on the first {BENCHED_SAMPLES} samples as one batch",
    )
    add_resources(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ...backends.artifact import is_trained
    from ..cost import estimate, get_hardware
    from ..network import Network, load
    from ..source_ann import source_ann

    _check(arguments)
    hardware = get_hardware(arguments.hardware, arguments.access_bits)
    limits = resources(arguments)
    network = load(arguments.artifact)
    if not isinstance(network, Network):
        return partitioned.estimate(network, arguments, console)
    ann = None if is_trained(network.artifact) else source_ann(network.artifact)
    samples = network.opened(arguments.data, limits)
    labels = _labels(arguments.data, samples, network)
    with console.stage("estimate") as advance:
        found = estimate(
            network,
            ann,
            samples,
            hardware,
            advance,
            limits,
            labels=labels,
            neurobench=_benched(network, samples) if arguments.neurobench else None,
        )
    print_estimate(found, console)
    if arguments.csv:
        write_csv(found, Path(arguments.csv))
        console.lines(f"written to {arguments.csv}")
    console.result(found.to_json())
    return 0


def _check(arguments: Namespace) -> None:
    from ...backends.artifact import is_artifact
    from ...ir.errors import OptionError

    bits = arguments.access_bits
    if bits is not None and not 1 <= bits <= 4096:
        raise OptionError(f"--access-bits {bits}: is not from 1 to 4096", hint="give e.g. 64")
    if arguments.csv and is_artifact(Path(arguments.csv).parent):
        raise OptionError(
            f"--csv {arguments.csv}: lies inside an artifact", hint="give another file with --csv"
        )


def _labels(data: str, samples: Inputs, network: Network) -> Array | None:
    """Return labels, where the data have them and the network scores classes."""
    from ...ir.errors import DataError
    from ..data import find_labels
    from ..evaluate import class_scores

    try:
        class_scores(network.graph)
    except DataError:
        return None
    return find_labels(data, samples)


def _benched(network: Network, samples: Inputs) -> NeuroBench:
    from ..cost.neurobench import neurobench

    few = {name: rows[:BENCHED_SAMPLES] for name, rows in samples.items()}
    return neurobench(network.graph, few, network.timesteps)


def write_csv(found: Estimate, path: Path) -> None:
    """Write every figure as a row: network, node, kind, quantity, value, unit."""
    from ...backends.writing import writing
    from ..cost.document import HEADS, rows

    with writing(path), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADS)
        writer.writerows(rows(found))
