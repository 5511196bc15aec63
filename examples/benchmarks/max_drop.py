"""Does `--max-drop` keep its word? Many random calibration sets, judged on the test set.

    python -m examples.benchmarks.max_drop mnist compiler/demo/lenet5.onnx --max-drop 0.1% 0.5%
    python -m examples.benchmarks.max_drop cifar10 examples/models/resnet20.onnx --count 1000

Each draw takes other training samples for calibration. The test set has no part in any choice; a
draw is fine where the drop on it exceeds the allowed one by no more than the tolerance, which
leaves room for the noise of the test set itself.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import snnc
from examples.benchmarks.accuracy import BLOCK
from examples.datasets import load
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.commands.argument_types import fraction
from snnc.ir.errors import AccuracyError

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

HEAD = """\
| allowed | draw | chosen | tried | predicted | at most | counted, 95 % | test set | | seconds |
|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Draw:
    """One search and what became of it; drops are fractions.

    Attributes:
        allowed: The largest drop allowed.
        number: Seed of the draw.
        seconds: What the search took.
        search: The record in the report, or None where no setting was good enough.
        real: The drop on the test set.
    """

    allowed: float
    number: int
    seconds: float
    search: Mapping[str, Any] | None = None
    real: float = 0.0

    def verdict(self, tolerance: float) -> str:
        """Return whether the drop on the test set is as promised; a refusal promises nothing."""
        if self.search is None:
            return "refused"
        return "fine" if self.real <= self.allowed + tolerance else "MISSED"

    def row(self, tolerance: float) -> str:
        """Return a row of the table."""
        found = "none | | | | |"
        if self.search is not None:
            chosen, trials = self.search["chosen"], self.search["tried"]
            drop = trials[-1]["drop"]
            low, high = drop["interval"]
            found = (
                f"{chosen['code']}{chosen['max_payload'] or ''}, T={chosen['timesteps']} "
                f"| {len(trials)} | {drop['predicted']:+.2%} | {drop['limit']:+.2%} "
                f"| {drop['counted']:+.2%} ({low:+.1%} to {high:+.1%}) | {self.real:+.2%}"
            )
        return (
            f"| {self.allowed:.2%} | {self.number} | {found} | {self.verdict(tolerance)} "
            f"| {self.seconds:.0f} |"
        )


def draws(arguments: argparse.Namespace, train: Arrays, test: Arrays) -> Iterator[Draw]:
    """Yield one draw after the other."""
    x, y = train
    for allowed in arguments.max_drop:
        for number in range(arguments.draws):
            drawn = np.random.default_rng(number).choice(len(x), arguments.samples, replace=False)
            labels = {} if arguments.no_labels else {"y": y[drawn]}
            began = time.monotonic()
            try:
                network = snnc.compile(
                    arguments.model,
                    target=arguments.target,
                    calibration={"x": x[drawn], **labels},
                    max_drop=allowed,
                    code=arguments.code,
                )
            except AccuracyError as error:
                print(error, file=sys.stderr)
                yield Draw(allowed, number, time.monotonic() - began)
                continue
            seconds = time.monotonic() - began
            yield Draw(allowed, number, seconds, network.report["search"], loss(network, *test))


def loss(network: snnc.Network, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """Return the accuracy that a network loses on a test set, a fraction."""
    assert network.artifact.ann is not None
    (scores,) = AnnSession(network.artifact.ann).run({"x": x}, batch=BLOCK).values()
    lost = int((scores.argmax(axis=1) == y).sum())
    for begin in range(0, len(x), BLOCK):
        outputs = network.run(x[begin : begin + BLOCK]).outputs
        assert isinstance(outputs, np.ndarray)
        lost -= int((outputs.argmax(axis=1) == y[begin : begin + BLOCK]).sum())
    return lost / len(y)


def main() -> int:
    """Draw, search, and print one row a draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a data set of examples.datasets")
    parser.add_argument("model", help="an ONNX file with the input x")
    parser.add_argument("--max-drop", type=fraction, nargs="+", default=[0.005])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--samples", type=int, default=1024, help="calibration samples a draw")
    parser.add_argument("--count", type=int, default=10000, help="test samples (default: all)")
    parser.add_argument("--tolerance", type=fraction, default=0.003)
    parser.add_argument("--no-labels", action="store_true", help="judge by agreement")
    parser.add_argument("--code", default="auto")
    parser.add_argument("--target", default="numpy")
    arguments = parser.parse_args()
    x, y = load(arguments.data, "test")
    test = x[: arguments.count], y[: arguments.count]
    print(HEAD, flush=True)
    found = []
    for each in draws(arguments, load(arguments.data, "train"), test):
        found.append(each)
        print(each.row(arguments.tolerance), flush=True)
    print()
    for allowed in arguments.max_drop:
        verdicts = [d.verdict(arguments.tolerance) for d in found if d.allowed == allowed]
        print(
            f"allowed {allowed:.2%}: {verdicts.count('fine')} of {len(verdicts)} draws fine within "
            f"{arguments.tolerance:.2%}, {verdicts.count('refused')} refused"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
