"""``snnc verify``: does the target compute what the compiler meant, spike for spike."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..wording import counted
from . import partitioned
from .arguments import add_artifact, add_on, add_resources, offering_simulator, resources
from .console import Console

if TYPE_CHECKING:
    from ..float_rounding import Comparison
    from ..network import Network
    from ..oracle import ModelVerification
    from ..verify import Verification

EXAMPLE = "snnc verify out"


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--model",
        metavar="M.onnx",
        help="the file the artifact was made from: with --code exact every neuron and every "
        "output is compared with the quantised model in integers, on --data or the golden "
        "samples; with other codes only its hash is checked",
    )
    parser.add_argument(
        "--data",
        metavar="X.npz",
        help="compare on these samples instead of the golden ones; without --model the target "
        "with the simulator, the simulator with the slow reference (16 samples at most)",
    )
    add_on(parser)
    add_resources(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ..network import Network, load
    from ..oracle import check_claim, check_model, claims_equality
    from ..verify import verify

    limits = resources(arguments)
    network = load(arguments.artifact, on=arguments.on)
    if not isinstance(network, Network):
        return partitioned.verify(network, arguments, console)
    if arguments.model:
        check_model(network, arguments.model)
        if arguments.data:
            check_claim(network)
        if claims_equality(network):
            return against_model(network, arguments, console)
    samples = network.opened(arguments.data, limits) if arguments.data else None
    with offering_simulator(), console.stage("verify") as advance:
        found = verify(
            network,
            samples,
            executed_on=arguments.on or "",
            progress=advance,
            resources=limits,
        )
    console.lines(*describe(found))
    console.result(found.to_json())
    return 0 if found.equal else 1


def against_model(network: Network, arguments: Namespace, console: Console) -> int:
    """Compare an exact network with its model; return the exit status."""
    from ..oracle import verify_model

    limits = resources(arguments)
    source = arguments.data or dict(network.golden.inputs)
    samples = network.opened(source, limits)
    with offering_simulator(), console.stage("verify") as advance:
        found = verify_model(
            network,
            arguments.model,
            samples,
            executed_on=arguments.on or "",
            progress=advance,
            resources=limits,
        )
    console.lines(*describe_model(found))
    console.result(found.to_json())
    return 0 if found.equal else 1


def describe_model(found: ModelVerification) -> list[str]:
    """Return the result in words, one line an element."""
    lines = [
        f"equal: {'yes' if found.equal else 'no'} ({counted(found.samples, 'sample')} on "
        f"{found.executed_on} against the quantised model in integers; "
        f"{found.outputs_compared} outputs and {found.values_compared} neurons' values compared)"
    ]
    if (first := found.first_difference) is not None:
        lines.append(
            f"first difference: sample {first.sample}, node {first.node!r}, channel "
            f"{first.channel} at {list(first.index)}: expected {first.expected}, got "
            f"{first.actual}: {first.reason}"
        )
    if found.onnxruntime is not None:
        lines += describe_runtime(found.onnxruntime)
    return lines


def describe_runtime(found: Comparison) -> list[str]:
    """Return in words how ONNX Runtime differs from the integers."""
    if found.skipped:
        return [found.skipped]
    said = found.to_json()
    if said["equal"]:
        return [f"ONNX Runtime (float32): equal in all {said['values_compared']} values"]
    return [
        f"ONNX Runtime (float32): {said['differing_values']} of {said['values_compared']} values "
        f"differ: {said['ties']} arose at ties, {said['rounding']} from rounding, "
        f"{said['unexplained']} from something else, by {said['max_difference_lsb']} levels at "
        f"most; the others were carried in, by {said['max_carried_lsb']} levels at most"
    ]


def describe(found: Verification) -> list[str]:
    """Return the result in words, one line an element."""
    from ...backends.replay import EDGE

    head = f"equal: {'yes' if found.equal else 'no'}"
    lines = [
        f"{head} ({counted(found.samples, 'sample')} on {found.executed_on} against "
        f"{found.compared_with}; "
        f"{found.outputs_compared} outputs and {found.spike_counts_compared} payloads compared)"
    ]
    if found.output_difference is not None:
        lines.append(
            f"outputs differ by {found.output_difference:.1e} at most; {found.payloads_at_edges} "
            f"payloads differ at a membrane within {EDGE:g} of an edge, "
            f"{found.payloads_that_followed} because of those"
        )
    if (first := found.first_difference) is not None:
        lines.append(
            f"first difference: sample {first.sample}, step {first.step}, node {first.node!r} at "
            f"{list(first.index)}: expected {first.expected}, got {first.actual}"
        )
    return lines
