r"""Are exact networks of trained models equal to them, for every image?

From the repository root; the network, its model in integers and ONNX Runtime run side by side::

    python -m examples.benchmarks.exact_models mnist examples/models/lenet5-int8.onnx --count 10000
    python -m examples.benchmarks.exact_models cifar10 examples/models/resnet20-int8.onnx \
        --count 2000 --caps 15 --output docs/results/exact.jsonl

A run is one line of JSON in the output file; a run that is there is not made again. With
``--table`` nothing runs and the file is printed as the tables of ``docs/results/exact.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import snnc
from examples.datasets import load
from snnc.backends import Result
from snnc.compiler.oracle import verify_model

Line = dict[str, Any]


@dataclass
class Tally:
    """What is counted while a comparison runs.

    Attributes:
        readout: Name of the output's node.
        guesses: Class numbers, of the model and of the network.
        settled: For each sample, the step after which it was at rest, 0 if it was not.
    """

    readout: str
    guesses: list[NDArray[np.int64]] = field(default_factory=list)
    settled: list[NDArray[np.int64]] = field(default_factory=list)

    def observe(self, expected: Mapping[str, NDArray[Any]], result: Result) -> None:
        """Count some samples."""
        (trace,) = result.decoded.values()
        both = expected[self.readout].argmax(1), trace[:, -1].argmax(1)
        self.guesses.append(np.stack(both))
        assert result.settled is not None
        self.settled.append(result.settled)


def measure(data: str, model: Path, cap: int, count: int) -> Line:
    """Compare the exact network of a model with it, on the first images of a test set.

    Args:
        data: Name of the data set.
        model: A quantised ONNX file.
        cap: Largest payload.
        count: Number of images.
    """
    x, y = (array[:count] for array in load(data, "test"))
    network = snnc.compile(model, code="exact", max_payload=cap, include_ann=False)
    (name,) = (node for node in network.graph.nodes if not network.graph[node].inputs)
    tally = Tally(next(iter(network.graph.outputs.values())))
    start = time.perf_counter()
    found = verify_model(network, model, {name: x}, observe=tally.observe, progress=show)
    seconds = time.perf_counter() - start
    settled = np.concatenate(tally.settled)
    model_right, network_right = (np.concatenate(tally.guesses, axis=1) == y).mean(axis=1)
    line = found.to_json()
    line["onnxruntime"].pop("layers", None)
    return {
        "model": model.name,
        "sha256": sha256(model.read_bytes()).hexdigest(),
        "max_payload": cap,
        **{key: line[key] for key in ("samples", "equal", "first_difference")},
        **{key: line[key] for key in ("outputs_compared", "values_compared")},
        "accuracy_model": float(model_right),
        "accuracy_network": float(network_right),
        "steps_mean": float(settled.mean()),
        "steps_largest": int(settled.max()),
        "steps_bound": network.timesteps,
        "never_at_rest": int((settled == 0).sum()),
        "onnxruntime": line["onnxruntime"],
        "seconds": round(seconds, 1),
    }


def show(done: int, total: int) -> None:
    """Print how far it is."""
    print(f"\r{done} of {total}", end="", flush=True)


def table(lines: list[Line]) -> str:
    """The results as Markdown."""
    rows = [
        "| model | images | payload up to | differing neurons or logits | accuracy, model "
        "| network | at rest after, mean | largest | bound |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows += (
        f"| {line['model']} | {line['samples']:,} | {line['max_payload']} | "
        f"{'0' if line['equal'] else 'some'} of "
        f"{line['values_compared'] + line['outputs_compared']:,} | "
        f"{line['accuracy_model']:.2%} | {line['accuracy_network']:.2%} | "
        f"{line['steps_mean']:.1f} | {line['steps_largest']} | {line['steps_bound']} |"
        for line in lines
    )
    rows += [
        "",
        "| model | images | values | differing | at ties | rounding | unexplained "
        "| arising, levels | carried, levels |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    seen: dict[tuple[str, int], Line] = {}
    for line in lines:
        seen.setdefault((line["model"], line["samples"]), line["onnxruntime"])
    rows += (
        f"| {model} | {samples:,} | {said['values_compared']:,} | {said['differing_values']:,} "
        f"({said['share']:.3%}) | {said['ties']:,} | {said['rounding']:,} | "
        f"{said['unexplained']:,} | {said['max_difference_lsb']} | {said['max_carried_lsb']} |"
        for (model, samples), said in seen.items()
    )
    return "\n".join(rows)


def main() -> None:
    """Runs what is asked for, or prints the tables."""
    parser = argparse.ArgumentParser(description="Compare exact networks with their models.")
    parser.add_argument("data", choices=["mnist", "fashion-mnist", "cifar10"], nargs="?")
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--count", type=int, default=1000, help="images")
    parser.add_argument("--caps", type=int, nargs="+", default=[15, 1], help="largest payloads")
    parser.add_argument("--output", type=Path, default=Path("docs/results/exact.jsonl"))
    parser.add_argument("--table", action="store_true", help="print the tables and run nothing")
    args = parser.parse_args()
    lines: list[Line] = []
    if args.output.exists():
        lines = [json.loads(text) for text in args.output.read_text().splitlines()]
    if args.table:
        print(table(lines))
        return
    there = {(line["model"], line["max_payload"], line["samples"]) for line in lines}
    for model in args.models:
        for cap in args.caps:
            if (model.name, cap, args.count) in there:
                continue
            line = measure(args.data, model, cap, args.count)
            print(f"\r{line}", flush=True)
            with args.output.open("a") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
