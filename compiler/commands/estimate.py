"""``snnc estimate``: energy from counted operations, beside the ANN and its quantised twin."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import add_artifact, add_resources, resources
from .console import Console

if TYPE_CHECKING:
    from ..energy import Estimate

EXAMPLE = "snnc estimate out --data test.npz"


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--data",
        required=True,
        metavar="X.npz",
        help="samples to count operations on, named after the model's inputs or x",
    )
    parser.add_argument(
        "--hardware",
        default="horowitz-45nm",
        metavar="NAME",
        help="whose energy per operation: horowitz-45nm or loihi2 (default: %(default)s)",
    )
    add_resources(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ...backends.artifact import require_ann
    from ..data import open_samples
    from ..energy import estimate
    from ..hardware import get_hardware
    from ..network import load
    from ..onnx_import import load as load_model

    hardware, limits = get_hardware(arguments.hardware), resources(arguments)
    network = load(arguments.artifact)
    require_ann(network.artifact)
    ann = load_model(Path(arguments.artifact) / "ann.onnx").graph
    samples = open_samples(arguments.data, network.graph, limits)
    with console.stage("estimate") as advance:
        found = estimate(network, ann, samples, hardware, advance, limits)
    print_layers(found, console)
    print_totals(found, console)
    console.result(found.to_json())
    return 0


def print_layers(found: Estimate, console: Console) -> None:
    """Write what each node of the spiking network does."""
    console.lines(f"operations of the spiking network for one sample, mean of {found.samples}", "")
    console.table(
        ("node", "", ">MACs", ">ACs", ">neuron updates", ">events", ">energy"),
        [
            (
                node.node,
                node.kind,
                *map(_count, (node.macs, node.acs, node.neuron_updates, node.events)),
                joules(node.joules(found.hardware, *found.arithmetic["snn"])),
            )
            for node in found.snn
        ],
    )


def print_totals(found: Estimate, console: Console) -> None:
    """Write the ANN, the spiking network and the twin side by side, and the verdict."""
    titles = {"ann": "ANN", "snn": "SNN", "twin": f"ANN with {found.twin_bits}-bit activations"}
    console.lines("")
    console.table(
        ("", ">MACs", ">additions", ">neuron updates", "arithmetic", ">energy"),
        [
            (
                title,
                _count(found.total(name, "macs")),
                _count(found.total(name, "acs")),
                _count(found.total(name, "neuron_updates")) if name == "snn" else "",
                " ".join(found.arithmetic[name]),
                joules(found.joules(name)),
            )
            for name, title in titles.items()
        ],
    )
    console.lines("", verdict(found), f"{found.hardware.name}: {found.hardware.basis}")
    if found.hardware.constants:
        console.lines("Loihi 2: no energy per operation is published, so none is given")
    if found.twin_bits < 8 and found.hardware.constants:
        console.lines(
            f"no energy below 8 bits is published there: the {found.twin_bits}-bit ANN is costed "
            "with 8-bit MACs"
        )
    used = {name for names in found.arithmetic.values() for name in names}
    for name, constant in found.hardware.constants.items():
        if name in used:
            console.lines(f"  {name} {constant.value} {constant.unit}: {constant.source}")


def verdict(found: Estimate) -> str:
    """Return one sentence that compares the three energies."""
    snn, ann, twin = (found.joules(name) for name in ("snn", "ann", "twin"))
    if snn is None or not ann or not twin:
        return "no verdict: without published energies only the counts can be compared"
    return (
        f"on compute alone the SNN needs {snn / ann:.2g} times the energy of the 32-bit ANN and "
        f"{snn / twin:.2g} times that of the quantised ANN with as many activation levels"
    )


def joules(energy: float | None) -> str:
    """Return an energy in a readable unit.

    >>> joules(1.5e-7), joules(None)
    ('150 nJ', 'not published')
    """
    if energy is None:
        return "not published"
    for unit, factor in (("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9)):
        if energy >= factor:
            return f"{energy / factor:.3g} {unit}"
    return f"{energy / 1e-12:.3g} pJ"


def _count(count: float) -> str:
    return f"{count:,.0f}" if count else ""
