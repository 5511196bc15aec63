"""Networks as ONNX graphs: is every number in ONNX Runtime that of the simulator?

    python -m examples.benchmarks.onnx_equality --samples 1000
    python -m examples.benchmarks.onnx_equality --models lenet5 --codes rate exact --samples 100
    python -m examples.benchmarks.onnx_equality --table equality.jsonl

Each network is compiled once for every code. ``network.onnx``, as it is saved, computes all samples
in a session of ONNX Runtime that knows nothing of snnc: outputs after the last step are compared
bit for bit. Of the first ``--recorded`` samples every payload, every count and every output after
every step is compared too, and ``step.onnx`` is fed step by step. Real-valued networks
(``differential``) are judged as ``verify`` judges them, all samples by every payload: these may
differ only where a membrane lies on an edge.

With ``--results`` a line is added to a file for each network that was compared, and a second call
goes on behind those that are there already; ``--artifacts`` keeps compiled networks.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

import snnc
from examples.benchmarks.task import calibration_samples
from examples.datasets import load
from snnc.backends import Activity, Program, Result, get_backend
from snnc.backends.comparison import Answers, compare
from snnc.backends.onnx_network.program import INITIAL_STATE, NETWORK, STEP
from snnc.backends.onnx_runtime.library import load_onnxruntime
from snnc.backends.resources import Resources
from snnc.compiler.network import Network
from snnc.ir import Array, Input
from snnc.ir.bounds import is_quantized

MODELS = Path("examples/models")
FILES = {
    "lenet5": ("mnist", Path("compiler/demo/lenet5.onnx"), MODELS / "lenet5-int8.onnx"),
    "resnet20": ("cifar10", MODELS / "resnet20.onnx", MODELS / "resnet20-int8.onnx"),
}
"""For each network its data, the float model, and the quantised one that code ``exact`` takes."""

CODES: dict[str, dict[str, Any]] = {
    "rate": {"code": "rate"},
    "rate, reset to zero": {"code": "rate", "reset": "zero"},
    "rate, two phases": {"code": "rate", "two_phase": "residual"},
    "rate, offsets": {"code": "rate", "two_phase": "offset"},
    "ternary": {"code": "ternary"},
    "ternary, deadband": {"code": "ternary", "deadband": 1},
    "augmented": {"code": "augmented"},
    "augmented, no guard": {"code": "augmented", "guard": False},
    "multithreshold": {"code": "multithreshold"},
    "multithreshold, greedy": {"code": "multithreshold", "select": "greedy"},
    "radix": {"code": "radix"},
    "radix 4": {"code": "radix", "radix": 4, "timesteps": 4},
    "exact": {"code": "exact"},
    "exact, digits": {"code": "exact", "radix": 2},
    "differential": {"code": "multithreshold", "differential": True, "weight_bits": None},
}
TIMESTEPS = 8
CALIBRATION = 128
ONE_THREAD = Resources(jobs=1)
AT_ONCE = 50
"""Samples that are compared at once."""


@dataclass
class Case:
    """One network in one code.

    Attributes:
        network: The network, compiled for target ``onnx``.
        x: Samples.
    """

    network: Network
    x: Array

    def differences(self, recorded: int) -> Iterator[str]:
        """Yield what differs from the simulator, in words."""
        simulator = get_backend("numpy").lower(self.network.graph, self.network.timesteps)
        (node,) = self.network.graph.of_type(Input)
        if not is_quantized(self.network.graph):
            yield from self._beyond_rounding(simulator, node.name, recorded)
            return
        some = {node.name: self.x[:recorded]}
        found = self.network.program.run(some, record=True, resources=ONE_THREAD)
        expected = simulator.run(some, record=True, resources=ONE_THREAD)
        yield from unequal(expected, found)
        with tempfile.TemporaryDirectory() as folder:
            self.network.program.save(Path(folder))
            yield from self._whole(Path(folder), node.name, simulator)
            yield from self._streamed(Path(folder), node.name, expected)

    def _beyond_rounding(self, simulator: Program, name: str, at_once: int) -> Iterator[str]:
        for begin in range(0, len(self.x), at_once):
            block = {name: self.x[begin : begin + at_once]}
            pair = (
                Answers(run.spikes, run.unrounded)
                for run in (
                    each.run(block, record=True, resources=ONE_THREAD)
                    for each in (simulator, self.network.program)
                )
            )
            for wrong in compare(self.network.graph, block, *pair).wrong:
                yield f"{wrong}, in samples from {begin}"

    def _whole(self, folder: Path, name: str, simulator: Program) -> Iterator[str]:
        """Run the file as it is, in batches."""
        session = opened(folder / NETWORK)
        for begin in range(0, len(self.x), AT_ONCE):
            block = {name: self.x[begin : begin + AT_ONCE]}
            expected = simulator.run(block, resources=ONE_THREAD).decoded
            for key, got in zip(expected, session.run(None, block), strict=True):
                if not np.array_equal(got, expected[key][:, -1]):
                    yield f"output {key} of {NETWORK} differs in samples from {begin}"

    def _streamed(self, folder: Path, name: str, expected: Result) -> Iterator[str]:
        """Feed the model of one step."""
        begin, step = (opened(folder / file) for file in (INITIAL_STATE, STEP))
        names = [output.name for output in begin.get_outputs()]
        x = self.x[: len(next(iter(expected.decoded.values())))]
        states = dict(zip(names, begin.run(None, {"batch": np.array([len(x)])}), strict=True))
        wanted = [output.name for output in step.get_outputs()]
        for t in range(next(iter(expected.decoded.values())).shape[1]):
            found = dict(zip(wanted, step.run(None, {name: x, **states}), strict=True))
            states = {state: found[state.replace("state.", "next.", 1)] for state in names}
            for key, trace in expected.decoded.items():
                if not np.array_equal(found[key], trace[:, t]):
                    yield f"output {key} of {STEP} differs in step {t + 1}"


def opened(file: Path) -> Any:
    """Return a session of one thread."""
    options = load_onnxruntime().SessionOptions()
    options.intra_op_num_threads = 1
    return load_onnxruntime().InferenceSession(file, options)


def unequal(expected: Result, found: Result) -> Iterator[str]:
    """Yield which arrays of two results differ."""
    for what, pair in (
        ("output", (expected.decoded, found.decoded)),
        ("payloads of", (expected.spikes, found.spikes)),
    ):
        for name, wanted in pair[0].items():
            if not np.array_equal(wanted, pair[1][name]):
                yield f"{what} {name} differs"
    for name, counts in expected.activity.items():
        for field in fields(Activity):
            one, other = (getattr(each, field.name) for each in (counts, found.activity[name]))
            if not np.array_equal(one, other):
                yield f"{field.name} of {name} differ"
    if (expected.settled is None) != (found.settled is None) or (
        expected.settled is not None and not np.array_equal(expected.settled, found.settled)  # type: ignore[arg-type]
    ):
        yield "the step at which samples came to rest differs"


def compiled(
    model: str, code: str, artifacts: Path | None = None, correction: str | None = None
) -> Network:
    """Compile one network, or load it where it was compiled before."""
    folder = artifacts / f"{model}-{code}".replace(" ", "-") if artifacts else None
    if folder and folder.exists():
        return snnc.load(folder)
    data, plain, quantised = FILES[model]
    options = dict(CODES[code])
    path = quantised if options["code"] == "exact" else plain
    if options["code"] != "exact":
        options = {"timesteps": TIMESTEPS, **options}
        if correction:
            options["correction"] = correction
    calibration = calibration_samples(data)[:CALIBRATION]
    network = snnc.compile(path, target="onnx", calibration=calibration, **options)
    if folder:
        network.save(folder)
    return network


def table(lines: list[dict[str, Any]]) -> str:
    """Return the results as Markdown; of two of one network, that on more samples."""
    lines = sorted(lines, key=lambda line: int(line["samples"]))
    best = {(line["model"], line["code"]): line for line in lines}
    order = [(model, code) for model in FILES for code in CODES]
    rows = [
        "| network | code | steps | samples | with every payload | differences |",
        "|---|---|---|---|---|---|",
    ]
    for line in (best[case] for case in order if case in best):
        keys = ("model", "code", "steps", "samples", "recorded")
        cells = [f"{line[key]:,}" if isinstance(line[key], int) else line[key] for key in keys]
        rows.append(f"| {' | '.join(cells)} | {len(line['differences'])} |")
    return "\n".join(rows)


def read(file: Path | None) -> list[dict[str, Any]]:
    """Return the results of a file, none where it is not there yet."""
    if file is None or not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def compared(model: str, code: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare one network in one code."""
    begin = time.perf_counter()
    x, _ = load(FILES[model][0], "test")
    network = compiled(model, code, arguments.artifacts, arguments.correction)
    case = Case(network, np.ascontiguousarray(x[: arguments.samples]))
    recorded = min(arguments.recorded, len(case.x))
    differences = list(case.differences(recorded))
    return {
        "model": model,
        "code": code,
        "steps": network.steps,
        "samples": len(case.x),
        "recorded": recorded if is_quantized(network.graph) else len(case.x),
        "differences": differences,
        "seconds": round(time.perf_counter() - begin, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--codes", nargs="+", choices=CODES, default=list(CODES))
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--recorded", type=int, default=20, help="so many with every payload")
    parser.add_argument(
        "--correction", help="of all codes but exact; the default of each if not given"
    )
    parser.add_argument("--artifacts", type=Path, help="where compiled networks are kept")
    parser.add_argument("--results", type=Path, help="file that a line is added to for each")
    parser.add_argument(
        "--table", type=Path, nargs="+", help="print such files as a table, and run nothing"
    )
    arguments = parser.parse_args()
    if arguments.table:
        print(table([line for file in arguments.table for line in read(file)]))
        return
    done = {(line["model"], line["code"]) for line in read(arguments.results)}
    wrong = 0
    for model in arguments.models:
        for code in arguments.codes:
            if (model, code) in done:
                continue
            line = compared(model, code, arguments)
            wrong += len(line["differences"])
            print(json.dumps(line), flush=True)
            if arguments.results:
                with arguments.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
