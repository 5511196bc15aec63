"""``snnc run``: samples through a compiled network, on its own target."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wording import counted
from . import partitioned
from .arguments import add_artifact, add_on, add_resources, offering_simulator, resources
from .console import Console
from .expected_time import foretelling
from .input_range import warn_of_cut_off_inputs
from .output_file import Outputs, check_file, open_outputs

if TYPE_CHECKING:
    from ..network import Network
    from ..totals import Totals

EXAMPLE = "snnc run out --input x.npz --output y.npz"


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--input",
        "--data",  # as the other commands call it
        required=True,
        metavar="X.npz",
        help="samples, arrays named after the model's inputs, or x where there is one",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="Y.npz",
        help="file for the outputs, one array a model output",
    )
    add_on(parser)
    add_resources(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ..network import Network, load
    from ..totals import Totals

    limits = resources(arguments)
    destination = Path(arguments.output) if arguments.output else None
    if destination:
        check_file(destination, Path(arguments.input))
    network = load(arguments.artifact, on=arguments.on)
    if not isinstance(network, Network):
        return partitioned.run(network, arguments, console)
    samples = network.opened(arguments.input, limits)
    warn_of_cut_off_inputs(network, samples, console)
    totals = Totals()
    with (
        open_outputs(destination) as outputs,
        offering_simulator(),
        console.stage("run") as advance,
    ):
        advance = foretelling(advance, arguments.on or network.target, console)
        for result in network.program.stream(samples, progress=advance, resources=limits):
            outputs.add({name: trace[:, -1] for name, trace in result.decoded.items()})
            totals.add(result)
    document = to_json(network, outputs, totals, arguments.on or network.target)
    console.lines(
        f"{counted(document['samples'], 'sample')} on {document['executed_on']}, "
        f"T = {network.timesteps}, depth latency {document['depth_latency']}"
    )
    console.table(
        ("output", "shape", ">least", ">mean", ">greatest"),
        [
            (
                name,
                (y.samples, *y.shape),
                *(f"{figure:.4g}" for figure in (y.least, y.mean, y.greatest)),
            )
            for name, y in outputs.by_name.items()
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


def to_json(network: Network, outputs: Outputs, totals: Totals, executed_on: str) -> dict[str, Any]:
    """Return what a run gave, without the outputs themselves; activity is the mean of a sample."""
    activity = totals.mean()
    return {
        "target": network.target,
        "executed_on": executed_on,
        "samples": totals.samples,
        "timesteps": network.timesteps,
        "elements": network.elements,
        "depth_latency": network.program.depth_latency,
        "layer_synchronous": network.layer_synchronous,
        "outputs": {name: [y.samples, *y.shape] for name, y in outputs.by_name.items()},
        "activity": {
            name: {
                field: getattr(activity[name], field).item()
                for field in ("spikes", "units", "synops", "unit_synops")
            }
            for name in network.graph.nodes
            if name in activity
        },
    }
