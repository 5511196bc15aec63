"""``snnc verify``: does the target compute what the compiler meant, spike for spike."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import add_artifact, add_on, offering_simulator
from .console import Console

if TYPE_CHECKING:
    from ..network import Network
    from ..verify import Verification

EXAMPLE = "snnc verify out"


def add_arguments(parser: ArgumentParser) -> None:
    add_artifact(parser)
    parser.add_argument(
        "--model", metavar="M.onnx", help="also check that the artifact was made from this file"
    )
    parser.add_argument(
        "--data",
        metavar="X.npz",
        help="compare on these samples instead of the golden ones: the target with the "
        "simulator, the simulator with the slow reference (16 samples at most)",
    )
    add_on(parser)


def run(arguments: Namespace, console: Console) -> int:
    from ..data import load_samples
    from ..network import load
    from ..verify import verify

    network = load(arguments.artifact, on=arguments.on)
    if arguments.model:
        check_model(network, Path(arguments.model))
    samples = load_samples(arguments.data, network.graph) if arguments.data else None
    with offering_simulator(), console.stage("verify") as advance:
        found = verify(network, samples, executed_on=arguments.on or "", progress=advance)
    console.lines(*describe(found))
    console.result(found.to_json())
    return 0 if found.equal else 1


def check_model(network: Network, model: Path) -> None:
    """Raise ``ArtifactError`` where the artifact was made from another model."""
    from ...ir.errors import ArtifactError
    from ..onnx_import.file import read

    actual, recorded = read(model).sha256, network.artifact.manifest["model"]["sha256"]
    if actual != recorded:
        raise ArtifactError(
            f"{model}: has the hash {actual}, but the artifact was compiled from {recorded}",
            hint=f"give the model it was made from, or compile {model} again",
        )


def describe(found: Verification) -> list[str]:
    """Return the result in words, one line an element."""
    head = f"equal: {'yes' if found.equal else 'no'}"
    lines = [
        f"{head} ({found.samples} samples on {found.executed_on} against {found.compared_with}; "
        f"{found.outputs_compared} outputs and {found.spike_counts_compared} payloads compared)"
    ]
    if (first := found.first_difference) is not None:
        lines.append(
            f"first difference: sample {first.sample}, step {first.step}, node {first.node!r} at "
            f"{list(first.index)}: expected {first.expected}, got {first.actual}"
        )
    return lines
