"""``snnc demo``: the whole journey on the bundled model and digits."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import Console

if TYPE_CHECKING:
    from ...ir import Array
    from ..cost import Estimate
    from ..evaluate import Evaluation
    from ..network import Network
    from ..verify import Verification

EXAMPLE = "snnc demo --target lava"

VERIFIED = 100
"""Most digits whose payloads are all recorded and compared."""


@dataclass(frozen=True)
class Journey:
    """What the demo found.

    Attributes:
        network: The compiled network, loaded back from its artifact.
        evaluation: Accuracy and activity on the target.
        estimate: Operations and energy, counted on the simulator.
        verification: The target against the simulator.
    """

    network: Network
    evaluation: Evaluation
    estimate: Estimate
    verification: Verification


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--target", default="numpy", help="where the network shall run (default: %(default)s)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=500,
        metavar="N",
        help="test digits to run, 1 to 500 (default: %(default)s)",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="keep the artifact in this folder (default: none)"
    )


def run(arguments: Namespace, console: Console) -> int:
    from ...backends import get_backend
    from ...backends.artifact import check_destination
    from ...ir.errors import OptionError
    from ..demo import bundled

    demo, samples = bundled(), arguments.samples
    get_backend(arguments.target)
    if not 1 <= samples <= len(demo.test):
        raise OptionError(
            f"--samples {samples} is out of range",
            hint=f"give a whole number from 1 to {len(demo.test)}",
        )
    if arguments.output:
        check_destination(Path(arguments.output))
    with scratch_folder() as folder:
        journey = travel(
            demo.model,
            (demo.calibration, demo.test[:samples], demo.labels[:samples]),
            arguments.target,
            folder / "artifact",
            console,
        )
    print_journey(journey, console)
    if arguments.output:
        journey.network.save(arguments.output)
        console.lines("", f"written to {arguments.output}")
    console.result(to_json(journey) | {"artifact": arguments.output})
    return 0 if journey.verification.equal else 1


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder that is gone afterwards, whenever Ctrl-C is pressed."""
    from ...backends.interruption import uninterrupted

    folders = ExitStack()
    try:
        with uninterrupted():
            made = folders.enter_context(tempfile.TemporaryDirectory(prefix="snnc-demo-"))
        yield Path(made)
    finally:
        with uninterrupted():
            folders.close()


def travel(
    model: Path, data: tuple[Array, Array, Array], target: str, out: Path, console: Console
) -> Journey:
    """Compile, save, load, evaluate, estimate and verify.

    Args:
        model: The ONNX file.
        data: Calibration samples, test samples and their labels.
        target: Name of the target.
        out: Folder for the artifact.
        console: Shows the progress.
    """
    from ..api import compile
    from ..cost import DEFAULT, estimate, get_hardware
    from ..evaluate import evaluate
    from ..network import load
    from ..source_ann import source_ann
    from ..verify import verify

    calibration, test, labels = data
    with console.progress() as progress:
        compile(model, target=target, calibration=calibration, progress=progress).save(out)
    network = load(out)
    (name,) = network.golden.inputs
    with console.stage("evaluate") as advance:
        evaluation = evaluate(network, {name: test}, labels, progress=advance)
    with console.stage("estimate") as advance:
        hardware, ann = get_hardware(DEFAULT), source_ann(network.artifact)
        costs = estimate(network, ann, {name: test}, hardware, advance)
    with console.stage("verify") as advance:
        verification = verify(network, {name: test[:VERIFIED]}, progress=advance)
    return Journey(network, evaluation, costs, verification)


def print_journey(journey: Journey, console: Console) -> None:
    """Write the result for human eyes."""
    from ..cost.verdict import verdict
    from .compile import describe
    from .estimate_tables import joules
    from .evaluate import share

    found, costs, proof = journey.evaluation, journey.estimate, journey.verification
    whole, digits = found.snn[-1], found.samples
    assert found.ann_accuracy is not None
    others = {"reference": "the reference", "simulator": "the simulator"}
    console.lines(
        f"LeNet-5, trained on MNIST, compiled for target {found.target}",
        "",
        *describe(journey.network),
        "",
        f"on {digits} digits of the MNIST test set, executed on {found.executed_on}:",
        f"  ANN accuracy    {share(found.ann_accuracy, digits)}",
        f"  SNN accuracy    {share(whole.accuracy, digits)}",
        f"  T               {found.timesteps} steps",
        f"  depth latency   {found.depth_latency} steps",
        f"  spikes          {whole.spikes_per_sample:,.0f} a digit, "
        f"{whole.payload_units_per_sample:,.0f} payload units",
        f"  SynOps          {whole.synops_per_sample:,.0f} a digit, "
        f"{whole.unit_synops_per_sample:,.0f} unit SynOps",
        "",
        f"energy of one digit, operations counted on the simulator over {costs.samples} digits:",
        f"  SNN             {joules(costs.joules('snn'))}",
        f"  ANN, FP32       {joules(costs.joules('ann'))}",
        f"  ANN, INT8       {joules(costs.joules('ann_int8'))}",
        f"  ANN, {costs.twin_bits} bits     {joules(costs.joules('twin'))}, the quantised twin",
        f"  {verdict(costs)}",
        f"  {costs.hardware.basis}",
        *(f"  source: {source}" for source in dict.fromkeys(c.source for c in costs.constants)),
        "  Loihi 2: no energy per operation is published, so none is given",
        "",
        f"equal to {others[proof.compared_with]}: {'yes' if proof.equal else 'no'} "
        f"({proof.samples} samples run on each, {proof.spike_counts_compared} payloads and "
        f"{proof.outputs_compared} outputs compared)",
    )


def to_json(journey: Journey) -> dict[str, Any]:
    """Return the result as one JSON object."""
    from .compile import to_json as network_json

    return {
        **network_json(journey.network),
        "executed_on": journey.evaluation.executed_on,
        "evaluate": journey.evaluation.to_json(),
        "estimate": journey.estimate.to_json(),
        "verify": journey.verification.to_json(),
    }
