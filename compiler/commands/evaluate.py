"""``snnc evaluate``: accuracy and activity over time, beside the source model; why it is lost."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wording import counted
from . import partitioned
from .argument_types import steps
from .arguments import add_artifact, add_on, add_resources, offering_simulator, resources
from .console import Console
from .expected_time import foretelling
from .input_range import warn_of_cut_off_inputs

if TYPE_CHECKING:
    from ...ir import Array
    from ..data import Inputs
    from ..evaluate import Evaluation
    from ..explain import Explanation
    from ..network import Network

EXAMPLE = "snnc evaluate out --data test.npz --timesteps 1,2,4,8 --explain"

VISIBLE = 0.005
"""Shares below this round to 0 % and are left out."""


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
    add_resources(parser)
    parser.add_argument(
        "--explain",
        action="store_true",
        help="say where accuracy is lost, why, and what to do: the error of every layer against "
        "the ANN, split into its causes",
    )
    parser.add_argument(
        "--figure",
        metavar="FILE",
        help="draw the explanation as .png, .pdf or .svg (needs the extra figure)",
    )


def run(arguments: Namespace, console: Console) -> int:
    from ...backends.artifact import require_ann
    from ..data import load_labels
    from ..evaluate import evaluate
    from ..network import Network, load

    if arguments.figure:
        from ..explain.figure import check_figure

        check_figure(Path(arguments.figure))
    limits = resources(arguments)
    network = load(arguments.artifact, on=arguments.on)
    if not isinstance(network, Network):
        return partitioned.evaluate(network, arguments, console)
    if arguments.explain or arguments.figure:
        require_ann(network.artifact)  # before a long run
    samples = network.opened(arguments.data, limits)
    labels = load_labels(arguments.data, len(next(iter(samples.values()))))
    warn_of_cut_off_inputs(network, samples, console)
    with offering_simulator(), console.stage("evaluate") as advance:
        found = evaluate(
            network,
            samples,
            labels,
            arguments.timesteps,
            executed_on=arguments.on or "",
            progress=foretelling(advance, arguments.on or network.target, console),
            resources=limits,
        )
    print_evaluation(found, console)
    document = found.to_json()
    if arguments.explain or arguments.figure:
        document["explain"] = _explain(network, samples, labels, arguments.figure, console)
    console.result(document)
    return 0


def _explain(
    network: Network, samples: Inputs, labels: Array, figure: str | None, console: Console
) -> dict[str, Any]:
    """Explain, print and draw; return the JSON object."""
    from ..explain import explain

    with console.stage("explain") as advance:
        found = explain(network, samples, labels, progress=advance)
    print_explanation(found, console)
    if figure:
        from ..explain.figure import draw

        draw(found, Path(figure))
        console.lines(f"drawn as {figure}")
    return found.to_json()


def print_evaluation(found: Evaluation, console: Console) -> None:
    """Write an evaluation as a table."""
    from ..changed_ann import remark

    console.lines(
        f"{counted(found.samples, 'sample')} on {found.executed_on}, T = {found.timesteps}, "
        f"depth latency {found.depth_latency}; accuracy with its 95 % interval (Wilson), all else "
        "per sample",
        "",
    )
    rows: list[tuple[object, ...]] = []
    anns = {"original ANN": found.original_accuracy, "ANN": found.ann_accuracy}
    for title, right in anns.items():
        if right is not None:
            rows.append((title, "", share(right, found.samples), "", "", "", ""))
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

    if found.ann_changed_by:
        console.lines("", remark(found.ann_changed_by))
    if found.ann_accuracy is None:
        from ..evaluate import NO_ANN

        console.lines("", NO_ANN)


def share(accuracy: float, samples: int) -> str:
    """Return an accuracy in percent with its confidence interval."""
    from ..evaluate import wilson

    low, high = wilson(accuracy, samples)
    return f"{accuracy:.2%} ({low:.1%} to {high:.1%})"


def print_explanation(found: Explanation, console: Console) -> None:
    """Write where the network differs from its ANN and why, and the verdict."""
    from ..changed_ann import remark

    parts = [
        part
        for part in found.layers[0].shares
        if any(abs(layer.shares[part]) >= VISIBLE for layer in found.layers)
    ]
    console.lines(
        "",
        f"why: every layer against the ANN, on {counted(found.samples, 'sample')}, in the "
        "simulator",
        "error     root mean square, relative to the ANN's values",
        f"{', '.join(parts)}: their shares of the squared error (docs/explain.md)",
        "outputs   their error, and how many answers are the ANN's, if the network spikes up to "
        "here and the ANN computes the rest",
        *([remark(found.ann_changed_by)] if found.ann_changed_by else []),
        "",
    )
    console.table(
        ("layer", ">error", *(f">{part}" for part in parts), ">outputs", ">answers"),
        [
            (
                layer.value,
                f"{layer.error:.1%}",
                *(_visible(layer.shares[part]) for part in parts),
                f"{layer.output_error:.1%}",
                "" if layer.agreement is None else f"{layer.agreement:.1%}",
            )
            for layer in found.layers
        ],
    )
    steps = [moment.timesteps for moment in found.over_time]
    console.lines("", "error after so many steps", "")
    rows: list[tuple[object, ...]] = [
        (layer.value, *(f"{error:.1%}" for error in layer.over_time))
        for layer in found.layers
        if layer.kind != "input"
    ]
    if found.over_time[-1].agreement is not None:
        agreed = (f"{moment.agreement:.1%}" for moment in found.over_time)
        rows.append(("answers that are the ANN's", *agreed))
    console.table(("layer", *(f">{t}" for t in steps)), rows)
    console.lines("", f"verdict   {found.verdict.message}")
    if found.verdict.hint:
        console.lines(f"try       {found.verdict.hint}")


def _visible(share: float) -> str:
    """Return a share in percent; nothing for one that rounds to 0."""
    return f"{share:.0%}" if abs(share) >= VISIBLE else ""
