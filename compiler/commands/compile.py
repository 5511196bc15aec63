"""``snnc compile``: from an ONNX file to an artifact folder."""

from __future__ import annotations

import warnings
from argparse import ArgumentParser, Namespace
from itertools import count
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ..wording import counted
from . import partitioned
from .console import Console, one_line
from .conversion_arguments import add_conversion, conversion_options
from .search_table import print_search

if TYPE_CHECKING:
    from ...ir import Graph
    from ..network import Network
    from ..pipeline import After

SIZES = ("population", "neuron", "weight")
"""What a summary counts of a network."""

EXAMPLE = "snnc compile model.onnx --target lava --calibration train.npz --timesteps 8 -o out"


def add_arguments(parser: ArgumentParser) -> None:
    add_conversion(parser)
    parser.add_argument(
        "--calibration",
        metavar="X.npz",
        help="training samples, arrays named after the model's inputs or x; some hundreds are "
        "enough (default: synthetic ones, and a warning)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="folder to write; only an artifact is ever replaced (default: MODEL-TARGET)",
    )
    parser.add_argument(
        "--dump-passes", metavar="DIR", help="write the graph after every pass into this folder"
    )
    parser.add_argument(
        "--no-ann",
        action="store_true",
        help="leave the source model out; evaluate and estimate then refuse the artifact",
    )


def run(arguments: Namespace, console: Console) -> int:
    from ...backends import get_backend
    from ...backends.artifact import check_destination, is_trained
    from ..api import compile
    from ..network import Network

    target = arguments.target
    get_backend(target)  # an unknown target is said before any file is looked at
    out = Path(arguments.output or f"{Path(arguments.model).stem}-{target}")
    check_destination(out)
    after = dump_into(Path(arguments.dump_passes)) if arguments.dump_passes else None
    with warnings.catch_warnings(), console.progress() as progress:
        warnings.simplefilter("ignore", UserWarning)  # told below, as all warnings are
        network = compile(
            arguments.model,
            target=target,
            calibration=arguments.calibration,
            max_drop=arguments.max_drop,
            include_ann=not arguments.no_ann,
            require_full=arguments.require_full,
            after=after,
            progress=progress,
            **conversion_options(arguments),
        )
        network.save(out)
    for message, hint in network.report["warnings"]:
        console.warning(message, hint)
    if not isinstance(network, Network):
        document = partitioned.compiled(network, out, console)
        console.lines(f"written      {out}", *_next_commands("", out))
        console.result(document)
        return 0
    console.lines(*describe(network))
    print_search(network.report.get("search"), console)
    following = _next_commands(_claim(network, arguments.model), out)
    if is_trained(network.artifact):
        following.pop()  # there is no ANN to estimate beside
    console.lines(f"written      {out}", *following)
    console.result({"artifact": str(out), **to_json(network)})
    return 0


def dump_into(folder: Path) -> After:
    """Return a callback that writes each graph it is given as ``NN_pass.txt``.

    Raises:
        OptionError: The folder cannot be made.
    """
    from ...backends.writing import writing
    from ...ir.errors import OptionError
    from ...ir.printer import to_text

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"--dump-passes {folder}: {error.strerror}", hint="give a folder that can be written"
        ) from error
    numbers = count()

    def after(name: str, graph: Graph) -> None:
        file = folder / f"{next(numbers):02}_{name}.txt"
        with writing(file):
            file.write_text(to_text(graph) + "\n", encoding="utf-8")

    return after


def describe(network: Network) -> list[str]:
    """Return the summary of a compiled network, one line an element."""
    from ...backends.artifact import is_trained
    from ..report import summary

    manifest, report, sizes = network.artifact.manifest, network.report, summary(network.graph)
    options = manifest["options"]
    if is_trained(network.artifact):
        return describe_trained(network)
    bits = options["weight_bits"]
    weights = f"{bits}-bit weights" if bits else "real weights"
    numbers = f"{weights}, {options['input_bits']}-bit input" if bits else weights
    if report["settling_bound"]:
        numbers = "integers, as the model quantises them"
    elements = network.elements
    rows = [
        ("target", network.target),
        ("code", f"{options['code']}, {payloads(network.graph)}"),
        ("time steps", f"T = {network.timesteps}, depth latency {network.program.depth_latency}"),
        *([("sequence", f"{elements} elements, T steps for each")] if elements else []),
        ("numbers", numbers),
        (
            "calibration",
            f"{report['calibration']}, {counted(report['calibration_samples'], 'sample')}",
        ),
        ("thresholds", f"{report['thresholds']}, correction {report['correction']}"),
        (
            "network",
            ", ".join(counted(sizes[f"{each}s"], each) for each in SIZES),
        ),
    ]
    if report["settling_bound"]:
        bound = counted(report["settling_bound"], "step")
        rows.append(("at rest", f"after {bound} at most, then exact"))
    lines = [f"{title:12} {text}" for title, text in rows]
    lines += [f"cut off      {text}" for text in report["cut"]]
    if report["approximations"]:
        lines.append(f"approximate  {counted(len(report['approximations']), 'place')}:")
    return lines + [f"  - {one_line(text)}" for text in report["approximations"]]


def describe_trained(network: Network) -> list[str]:
    """Return the summary of a network that was trained as a spiking one."""
    from ..report import summary

    sizes = summary(network.graph)
    sample = "a value for every step" if network.stepwise else "the same at every step"
    rows = [
        ("target", network.target),
        ("code", f"{network.artifact.manifest['options']['code']}, {payloads(network.graph)}"),
        ("time steps", f"T = {network.timesteps}, depth latency {network.program.depth_latency}"),
        ("samples", sample),
        (
            "network",
            ", ".join(counted(sizes[f"{each}s"], each) for each in SIZES),
        ),
    ]
    lines = [f"{title:12} {text}" for title, text in rows]
    return lines + [f"  - {one_line(text)}" for text in network.report["approximations"]]


def payloads(graph: Graph) -> str:
    """Return the payloads of all populations in words."""
    nodes = graph.populations
    if not nodes:
        return "no populations"
    low, high = min(n.payload[0] for n in nodes), max(n.payload[1] for n in nodes)
    return f"payloads {low} to {high}"


def to_json(network: Network) -> dict[str, Any]:
    """Return what the compiler did as one JSON object."""
    from ..report import summary

    manifest = network.artifact.manifest
    return {
        "model": manifest["model"],
        "target": network.target,
        "code": manifest["options"]["code"],
        "timesteps": network.timesteps,
        "elements": network.elements,
        "depth_latency": network.program.depth_latency,
        "layer_synchronous": network.layer_synchronous,
        "network": dict(summary(network.graph)),
        "options": manifest["options"],
        "report": network.report,
        "versions": manifest["versions"],
    }


def _claim(network: Network, model: str) -> str:
    """Return what lets ``verify`` compare a network with its model, if they shall be equal."""
    from ..oracle import claims_equality

    return f" --model {quote(model)} --data test.npz" if claims_equality(network) else ""


def _next_commands(against: str, out: Path) -> list[str]:
    folder = quote(str(out))
    return [
        "",
        "next:",
        f"  snnc verify {folder}{against}",
        f"  snnc evaluate {folder} --data test.npz",
        f"  snnc estimate {folder} --data test.npz",
    ]
