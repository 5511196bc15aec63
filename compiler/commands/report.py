"""``snnc report``: one HTML file about a compiled network, for people."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..wording import counted
from .arguments import add_artifact
from .console import Console

if TYPE_CHECKING:
    from ...ir import Array
    from ..data import Samples
    from ..html_report import Findings
    from ..network import Network

EXAMPLE = "snnc report out --data test.npz"

FILE = "report.html"
SAMPLES = 256
START = b"<!doctype html>"
"""The first bytes of a report."""


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--data",
        metavar="XY.npz",
        help="samples, named after the model's inputs or x, and labels y (default: the few samples "
        "that the artifact carries)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE.html",
        help=f"where to write it (default: OUT/{FILE})",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=SAMPLES,
        metavar="N",
        help="most samples of the data to look at, taken evenly (default: %(default)s)",
    )
    parser.add_argument(
        "--hardware",
        default="lemaire-2022",
        metavar="NAME",
        help="whose energy per operation, as for `snnc estimate` (default: %(default)s)",
    )
    parser.add_argument(
        "--chip",
        default="loihi2",
        metavar="NAME",
        help="whose cores, as for `snnc fit`: loihi1 or loihi2 (default: %(default)s)",
    )


def run(arguments: Namespace, console: Console) -> int:
    from ...backends.artifact import is_trained
    from ...ir import Graph
    from ...ir.errors import OptionError
    from ..html_report import gather, render
    from ..network import load_whole
    from ..source_ann import source_ann

    if arguments.samples < 1:
        raise OptionError(f"--samples {arguments.samples}: less than 1", hint="give at least 1")
    network = load_whole(arguments.artifact)
    out = Path(arguments.output) if arguments.output else Path(arguments.artifact) / FILE
    check_file(out)
    samples, labels = _data(arguments, network)

    def ann() -> Graph | None:
        return None if is_trained(network.artifact) else source_ann(network.artifact)

    with console.progress() as advance:
        found = gather(
            *(network, ann, samples, labels),
            hardware=arguments.hardware,
            chip=arguments.chip,
            progress=advance,
        )
    write_whole(out, render(found))
    told = {tuple(each) for each in network.report.get("warnings", ())}
    for problem in found.warnings:
        if (problem.message, problem.hint) not in told:  # by compile, to whom it concerned
            console.warning(problem.message, problem.hint)
    console.lines(*describe(found), f"written to {out}")
    console.result({"report": str(out), **found.to_json()})
    return 0


def check_file(path: Path) -> None:
    """Raise ``OptionError`` where a report may not be written, before the long work."""
    from ...ir.errors import OptionError

    hint = "give another file with -o"
    if path.is_dir():
        raise OptionError(f"{path}: is a folder", hint=hint)
    if not path.parent.is_dir():
        raise OptionError(f"{path}: there is no folder {path.parent}", hint=hint)
    if not path.exists():
        return
    if not path.is_file():
        raise OptionError(f"{path}: is not a plain file", hint=hint)
    with path.open("rb") as file:
        if file.read(len(START)).lower() not in (START, b""):
            raise OptionError(f"{path}: exists and is no HTML file", hint=hint)


def write_whole(path: Path, text: str) -> None:
    """Write a file; a crash leaves the old one or none."""
    from ...backends.temporary_folder import temporary_folder
    from ...backends.writing import writing

    path = path.absolute()
    with writing(path), temporary_folder(path) as folder:
        made = folder / "report"
        made.write_text(text, encoding="utf-8")
        made.replace(path)


def describe(found: Findings) -> list[str]:
    """Return in a few lines what the report says."""
    from ...backends.artifact import is_trained
    from ...ir.errors import Problem

    what = "golden sample" if found.source == "golden" else "sample"
    lines = [f"looked at    {counted(found.samples, what)}, in the simulator"]
    if found.warnings:
        lines.append(f"warnings     {len(found.warnings)}, at the top of the page")
    trained = is_trained(found.network.artifact)
    parts = {
        "accuracy": found.evaluation,
        "errors": found.explanation,
        "spikes": found.recordings,
        "cost": found.cost,
        "cores": found.fit,
    }
    for name, part in parts.items():
        if isinstance(part, Problem) and not (name == "errors" and trained):
            lines.append(f"left out     {name}: {part.message} ({part.hint})")
    if trained:
        lines.append("left out     errors: there is no source ANN to differ from")
    return lines


def _data(arguments: Namespace, network: Network) -> tuple[Samples | None, Array | None]:
    """Return the samples to look at and their labels, if there are any."""
    from ..data import find_labels
    from ..explain.explain import taken_evenly

    if not arguments.data:
        return None, None
    samples = network.opened(arguments.data)
    labels = find_labels(arguments.data, samples)
    taken, kept = taken_evenly(samples, labels, arguments.samples)
    return taken, None if labels is None else kept
