"""``snnc evaluate``: accuracy and activity over time, beside the source model."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from .arguments import add_artifact, add_on, offering_simulator, steps
from .console import Console
from .input_range import warn_of_cut_off_inputs

if TYPE_CHECKING:
    from ..evaluate import Evaluation

EXAMPLE = "snnc evaluate out --data test.npz --timesteps 1,2,4,8"


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--data",
        required=True,
        metavar="XY.npz",
        help="samples, named after the model's inputs or x, and labels y",
    )
    parser.add_argument(
        "--timesteps",
        type=steps,
        default=(),
        metavar="1,2,4",
        help="prefixes of the run to look at, up to the compiled T (default: powers of two)",
    )
    add_on(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ..data import load_labels, load_samples
    from ..evaluate import evaluate
    from ..network import load

    network = load(arguments.artifact, on=arguments.on)
    samples = load_samples(arguments.data, network.graph)
    labels = load_labels(arguments.data, len(next(iter(samples.values()))))
    warn_of_cut_off_inputs(network, samples, console)
    with offering_simulator(), console.stage("evaluate") as advance:
        found = evaluate(
            network,
            samples,
            labels,
            arguments.timesteps,
            executed_on=arguments.on or "",
            progress=advance,
        )
    print_evaluation(found, console)
    console.result(found.to_json())
    return 0


def print_evaluation(found: Evaluation, console: Console) -> None:
    """Write an evaluation as a table."""
    console.lines(
        f"{found.samples} samples on {found.executed_on}, T = {found.timesteps}, depth latency "
        f"{found.depth_latency}; accuracy with its 95 % interval (Wilson), all else per sample",
        "",
    )
    rows: list[tuple[object, ...]] = [
        ("ANN", "", share(found.ann_accuracy, found.samples), "", "", "", "")
    ]
    for entry in found.snn:
        counts = (
            *(entry.spikes_per_sample, entry.payload_units_per_sample),
            *(entry.synops_per_sample, entry.unit_synops_per_sample),
        )
        accuracy = share(entry.accuracy, found.samples)
        rows.append(("SNN", entry.timesteps, accuracy, *(f"{count:,.0f}" for count in counts)))
    console.table(
        ("", ">steps", ">accuracy", ">spikes", ">payload units", ">SynOps", ">unit SynOps"), rows
    )


def share(accuracy: float, samples: int) -> str:
    """Return an accuracy in percent with its confidence interval."""
    from ..evaluate import wilson

    low, high = wilson(accuracy, samples)
    return f"{accuracy:.2%} ({low:.1%} to {high:.1%})"
