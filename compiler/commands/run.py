"""``snnc run``: samples through a compiled network, on its own target."""

from __future__ import annotations

import os
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import add_artifact, add_on, offering_simulator
from .console import Console
from .input_range import warn_of_cut_off_inputs

if TYPE_CHECKING:
    from ...backends import Result
    from ...ir import Array
    from ..network import Network

EXAMPLE = "snnc run out --input x.npz --output y.npz"
ARCHIVE = b"PK"
"""The first bytes of an ``.npz`` file."""


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--input",
        required=True,
        metavar="X.npz",
        help="samples, arrays named after the model's inputs, or x where there is one",
    )
    parser.add_argument(
        "--output", metavar="Y.npz", help="file for the outputs, one array a model output"
    )
    add_on(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ..network import load

    destination = Path(arguments.output) if arguments.output else None
    if destination:
        check_file(destination, Path(arguments.input))
    network = load(arguments.artifact, on=arguments.on)
    warn_of_cut_off_inputs(network, arguments.input, console)
    with offering_simulator(), console.stage("run") as advance:
        result = network.run(arguments.input, progress=advance)
    outputs = {name: trace[:, -1] for name, trace in result.decoded.items()}
    if destination:
        write_atomically(destination, outputs)
    document = to_json(network, result, arguments.on or network.target)
    console.lines(
        f"{document['samples']} samples on {document['executed_on']}, T = {network.timesteps}, "
        f"depth latency {document['depth_latency']}"
    )
    console.table(
        ("output", "shape", ">least", ">mean", ">greatest"),
        [
            (name, tuple(y.shape), f"{y.min():.4g}", f"{y.mean():.4g}", f"{y.max():.4g}")
            for name, y in outputs.items()
        ],
    )
    console.table(
        ("node", ">events", ">payload units", ">synaptic operations, mean of a sample"),
        [
            (node, *(f"{counts[key]:,.1f}" for key in ("spikes", "units", "synops")))
            for node, counts in document["activity"].items()
        ],
    )
    if destination:
        console.lines(f"written to {destination}")
    console.result({**document, "output": arguments.output})
    return 0


def to_json(network: Network, result: Result, executed_on: str) -> dict[str, Any]:
    """Return what a run gave, without the outputs themselves; activity is the mean of a sample."""
    return {
        "target": network.target,
        "executed_on": executed_on,
        "samples": len(next(iter(result.decoded.values()))),
        "timesteps": network.timesteps,
        "elements": network.elements,
        "depth_latency": network.program.depth_latency,
        "layer_synchronous": network.layer_synchronous,
        "outputs": {name: list(trace[:, -1].shape) for name, trace in result.decoded.items()},
        "activity": {
            name: {
                field: float(getattr(result.activity[name], field).sum(axis=1).mean())
                for field in ("spikes", "units", "synops", "unit_synops")
            }
            for name in network.graph.nodes
            if name in result.activity
        },
    }


def check_file(path: Path, source: Path) -> None:
    """Raise ``OptionError`` where the outputs may not be written, before the long work."""
    from ...backends.artifact import is_artifact
    from ...ir.errors import OptionError

    hint = "give another file with --output"
    if path.is_dir():
        raise OptionError(f"--output {path}: is a folder", hint=hint)
    if not path.parent.is_dir():
        raise OptionError(f"--output {path}: there is no folder {path.parent}", hint=hint)
    if is_artifact(path.parent):
        raise OptionError(f"--output {path}: lies inside an artifact", hint=hint)
    if not path.exists():
        return
    if not path.is_file():
        raise OptionError(f"--output {path}: is not a plain file", hint=hint)
    if path.samefile(source) if source.exists() else False:
        raise OptionError(f"--output {path}: is the file with the input", hint=hint)
    with path.open("rb") as file:
        if file.read(len(ARCHIVE)) not in (ARCHIVE, b""):
            raise OptionError(f"--output {path}: exists and is not an .npz file", hint=hint)


def write_atomically(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays to an ``.npz`` file; a crash leaves the old file or none."""
    from ...ir.storage import write_arrays

    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write_arrays(temporary, arrays)
        temporary.chmod(0o644)  # mkstemp made it private
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
