"""The methods of the literature as settings of snnc, side by side on one network.

    python -m examples.benchmarks.methods cifar10 \
        --models examples/models/resnet20.onnx --count 1000

Every method compiles the network once for each T. Results are added to ``docs/results``; what is
there already is not run again (``--again`` runs it). ``python -m examples.benchmarks.tables`` makes
tables and figures of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Any

import numpy as np

import snnc
from examples.benchmarks.results import Result, append, key_of, path_of, read
from examples.benchmarks.task import CALIBRATION, Task, open_task
from snnc.compiler.event_counts import total_activity
from snnc.ir.errors import SnncError

TIMESTEPS = (1, 2, 4, 8, 16, 32, 64)
BLOCK = 250
"""Test samples that run at once."""


@dataclass(frozen=True)
class Method:
    """One setting of the compiler.

    Attributes:
        name: In tables.
        options: Of ``snnc.compile``.
        timesteps: The T it is measured at.
    """

    name: str
    options: Mapping[str, Any]
    timesteps: tuple[int, ...] = TIMESTEPS


PLAIN = {"correction": "none"}
"""No fitting to the ANN; 8-bit weights for all, so that the methods stand on the same footing."""
RATE = {**PLAIN, "code": "rate"}
TERNARY = {**PLAIN, "code": "ternary"}
AUGMENTED = {**PLAIN, "code": "augmented"}
ONE_SCALE = {"per_channel": False}
FROM_ZERO = {"v_init": 0.0}

METHODS: tuple[Method, ...] = (
    # the default recipe: thresholds mmse, correction reconstruct, 8-bit weights
    Method("default rate", {"code": "rate"}),
    Method("default ternary", {"code": "ternary"}),
    Method("default augmented, K = 4", {"code": "augmented", "max_payload": 4}),
    Method("default augmented, K = 15", {"code": "augmented", "max_payload": 15}),
    # thresholds, one by one
    Method("max, v(0) = 0", {**RATE, **ONE_SCALE, **FROM_ZERO, "thresholds": "max"}),
    Method("max, v(0) = 1/2", {**RATE, **ONE_SCALE, "thresholds": "max"}),
    Method("99.9 %, v(0) = 0", {**RATE, **ONE_SCALE, **FROM_ZERO, "thresholds": "percentile"}),
    Method("99.9 % a channel", {**RATE, "thresholds": "percentile"}),
    Method("mmse a channel", {**RATE, "thresholds": "mmse"}),
    Method("spike-norm", {**RATE, **ONE_SCALE, **FROM_ZERO, "thresholds": "spike-norm"}),
    Method("local", {**RATE, "thresholds": "local"}),
    Method("iteration", {**RATE, "thresholds": "iteration"}),
    # half a threshold, a little at each step instead of all at once
    Method("max, shift step", {**RATE, **ONE_SCALE, "thresholds": "max", "shift": "step"}),
    # corrections, with the neuron of Li et al. 2021
    Method("mmse, shift step", {**RATE, "thresholds": "mmse", "shift": "step"}),
    Method("light", {**RATE, "thresholds": "mmse", "shift": "step", "correction": "light"}),
    Method("advanced", {**RATE, "thresholds": "mmse", "shift": "step", "correction": "advanced"}),
    Method("reconstruct", {**RATE, "thresholds": "mmse", "correction": "reconstruct"}),
    # signed and graded events
    Method("ternary, deadband 1, no guard", {**TERNARY, "deadband": 1, "guard": False}),
    Method("ternary, deadband 1", {**TERNARY, "deadband": 1}),
    Method("ternary, deadband 0", TERNARY),
    Method("augmented, deadband 1, no guard", {**AUGMENTED, "deadband": 1, "guard": False}),
    Method("augmented, deadband 0", AUGMENTED),
    # other codes
    Method("radix", {"code": "radix"}, (2, 4, 8)),
    Method("multithreshold", {**PLAIN, "code": "multithreshold"}, (1, 2, 4, 8)),
    Method(
        "multithreshold, differential",
        {"code": "multithreshold", "differential": True, "weight_bits": None},
    ),
    Method("ternary, differential", {"code": "ternary", "differential": True, "weight_bits": None}),
    Method("two phases, offset", {**RATE, "two_phase": "offset"}, (1, 2, 4, 8)),
    Method("two phases, residual", {**RATE, "two_phase": "residual"}, (1, 2, 4, 8, 16)),
)


def system() -> str:
    """Return the name and version that stand in results."""
    try:
        return f"snnc {version('snnc')}"
    except PackageNotFoundError:
        return "snnc"


def measure(method: Method, tasks: Sequence[Task], timesteps: int) -> list[Result]:
    """Compile and run one method with one T.

    Args:
        method: The method.
        tasks: The same network and data, on ever fewer of the first samples: one run serves all.
        timesteps: T.

    Raises:
        SnncError: The compiler refuses the settings.
    """
    started = time.perf_counter()
    task = tasks[0]
    net = snnc.compile(
        task.model, calibration=task.calibration, timesteps=timesteps, **method.options
    )
    correct, counts, found_results = 0, np.zeros(3), list[Result]()
    blocks = sorted({*range(0, len(task.y), BLOCK), *(len(part.y) for part in tasks)})
    for begin, end in pairwise(blocks):
        result = net.run(task.x[begin:end])
        assert isinstance(result.outputs, np.ndarray)
        correct += int((result.outputs.argmax(axis=1) == task.y[begin:end]).sum())
        found = total_activity(net.graph, result.activity)
        counts += [found.spikes.sum(), found.synops.sum(), found.unit_synops.sum()]
        seconds = time.perf_counter() - started
        found_results += [
            _result(method, part, timesteps, correct, counts, seconds)
            for part in tasks
            if len(part.y) == end
        ]
    return found_results


def _result(
    method: Method,
    task: Task,
    timesteps: int,
    correct: int,
    counts: np.ndarray[Any, Any],
    seconds: float,
) -> Result:
    spikes, synops, unit_synops = (float(sum) for sum in counts / len(task.y))
    return Result(
        data=task.data,
        network=task.model.stem,
        sha256=task.sha256,
        count=len(task.y),
        calibration=len(task.calibration),
        system=system(),
        method=method.name,
        settings=dict(method.options),
        timesteps=timesteps,
        ann=task.ann,
        accuracy=correct / len(task.y),
        spikes=spikes,
        synops=synops,
        unit_synops=unit_synops,
        seconds=round(seconds, 1),
    )


def run(tasks: Sequence[Task], methods: Iterable[Method], again: bool = False) -> None:
    """Measure what is not in the file of results yet, small T first, and say what is left."""
    task = tasks[0]
    path = path_of(task)
    there = {} if again else read(path)
    asked = [(method, t) for method in methods for t in method.timesteps]
    left = [
        (method, t)
        for method, t in sorted(asked, key=lambda pair: pair[1])
        if key_of(task, system(), method.options, t) not in there
    ]
    print(f"{path}: {len(asked) - len(left)} of {len(asked)} are there")
    seconds, steps = 0.0, 0
    for number, (method, t) in enumerate(left):
        try:
            results = measure(method, tasks, t)
        except SnncError as error:
            print(f"{method.name}, T={t}: refused: {error.problems[0].message}", flush=True)
            continue
        append(path, results)
        result = results[-1]
        seconds, steps = seconds + result.seconds, steps + t
        rest = sum(other for _, other in left[number + 1 :])
        print(
            f"{method.name}, T={t}: {result.accuracy:.2%} ({result.loss:+.2f} points), "
            f"{result.synops:.3g} SynOps; {result.seconds:.0f} s, about "
            f"{seconds / steps * rest / 60:.0f} min left",
            flush=True,
        )


def main() -> int:
    """Measure what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(CALIBRATION))
    parser.add_argument("--models", nargs="+", required=True, help="ONNX files")
    parser.add_argument("--count", type=int, default=1000, help="test samples")
    parser.add_argument("--also", nargs="*", type=int, default=[], help="and on the first so many")
    parser.add_argument("--methods", nargs="+", help="only these names")
    parser.add_argument("--timesteps", nargs="+", type=int, help="only these T")
    parser.add_argument("--again", action="store_true", help="measure also what is there")
    arguments = parser.parse_args()
    timesteps = arguments.timesteps or TIMESTEPS
    chosen = [
        replace(method, timesteps=tuple(t for t in method.timesteps if t in timesteps))
        for method in METHODS
        if not arguments.methods or method.name in arguments.methods
    ]
    for model in arguments.models:
        counts = sorted({arguments.count, *arguments.also}, reverse=True)
        tasks = [open_task(arguments.data, model, count) for count in counts]
        print(f"{model}: ANN {tasks[0].ann:.2%} on {len(tasks[0].y)} samples")
        run(tasks, chosen, arguments.again)
    return 0


if __name__ == "__main__":
    sys.exit(main())
