"""Accuracy of trained networks on whole test sets, for each spike code and number of steps.

    python -m examples.benchmarks.accuracy mnist [--output tables.md]
    python -m examples.benchmarks.accuracy cifar10 [--settings ternary@8 augmented4@4 ...]

Every entry is the default recipe: nothing but code, T and cap is set. Calibration takes
training samples drawn with a fixed seed; nothing is chosen on the test set.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import snnc
from examples.benchmarks.task import calibration_samples
from examples.datasets import load
from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import IF


@dataclass(frozen=True)
class Suite:
    """What is measured on one data set.

    Attributes:
        models: ONNX files.
        settings: Spike codes with T, as ``CODE[K]@T``.
    """

    models: tuple[str, ...]
    settings: tuple[str, ...]


BLOCK = 250
"""Test samples that run at once: all their payloads are held in memory."""

SUITES: Mapping[str, Suite] = {
    "mnist": Suite(
        models=("compiler/demo/lenet5.onnx", "examples/models/lenet5-max.onnx"),
        settings=("augmented4@4", "ternary@8", "rate@32"),
    ),
    "cifar10": Suite(
        models=("examples/models/resnet20.onnx",),
        settings=(
            *("rate@8", "rate@16", "rate@32"),
            *("ternary@4", "ternary@8", "ternary@16", "ternary@32"),
            *("augmented4@2", "augmented4@4", "augmented4@8"),
            *("augmented15@1", "augmented15@2"),
        ),
    ),
}


def options_of(setting: str) -> dict[str, Any]:
    """Return compile options for ``CODE[K]@T``.

    >>> options_of("augmented15@2")
    {'code': 'augmented', 'timesteps': 2, 'max_payload': 15}
    """
    code, _, timesteps = setting.partition("@")
    name = code.rstrip("0123456789")
    options: dict[str, Any] = {"code": name, "timesteps": int(timesteps)}
    return options | ({"max_payload": int(code[len(name) :])} if code != name else {})


@dataclass(frozen=True)
class Line:
    """One measured setting.

    Attributes:
        model: File name of the network.
        ann: Accuracy of the ANN, a fraction.
        code: Spike code and T in words.
        weights: Width of the weights in words.
        snn: Accuracy of the spiking network, a fraction.
        spikes: Events a digit.
        shares: For each population: share of negative events, share of payloads above 1.
    """

    model: str
    ann: float
    code: str
    weights: str
    snn: float
    spikes: float
    shares: Mapping[str, tuple[float, float]]


def measure(
    data: str,
    models: Iterable[str],
    settings: Iterable[str],
    widths: Iterable[int | None],
    count: int,
) -> list[Line]:
    """Compile and run every model with every setting on the first ``count`` test samples."""
    x, y = (array[:count] for array in load(data, "test"))
    calibration = calibration_samples(data)
    found = []
    for model in models:
        for setting in settings:
            for bits in widths:
                options = options_of(setting)
                net = snnc.compile(model, calibration=calibration, weight_bits=bits, **options)
                found.append(_line(net, model, setting, bits, x, y))
                print(as_row(found[-1]), flush=True)
    return found


def _line(
    net: snnc.Network,
    model: str,
    setting: str,
    bits: int | None,
    x: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
) -> Line:
    assert net.artifact.ann is not None
    (logits,) = AnnSession(net.artifact.ann).run({"x": x}, batch=BLOCK).values()
    correct, spikes, counts = 0, 0.0, dict[str, np.ndarray[Any, Any]]()
    for begin in range(0, len(x), BLOCK):
        result = net.run(x[begin : begin + BLOCK], record=True)
        outputs = result.outputs
        assert isinstance(outputs, np.ndarray)
        correct += int((outputs.argmax(axis=1) == y[begin : begin + BLOCK]).sum())
        spikes += sum(float(trains.astype(bool).sum()) for trains in result.spikes.values())
        for name, trains in result.spikes.items():
            several = [(trains != 0).sum(), (trains < 0).sum(), (trains > 1).sum()]
            counts[name] = counts.get(name, np.zeros(3)) + several
    return Line(
        model=Path(model).stem,
        ann=float((logits.argmax(axis=1) == y).mean()),
        code=setting.replace("@", ", T="),
        weights="float" if bits is None else f"{bits} bit",
        snn=correct / len(y),
        spikes=spikes / len(y),
        shares={
            node.represents: (float(c[1] / c[0]), float(c[2] / c[0]))
            for node in net.graph.of_type(IF)
            if (c := counts[node.name])[0]
        },
    )


def as_row(line: Line) -> str:
    """Return a row of the table."""
    loss = 100 * (line.ann - line.snn)
    return (
        f"| {line.model} | {100 * line.ann:.2f} | {line.code} | {line.weights} "
        f"| {100 * line.snn:.2f} | {loss:+.2f} | {line.spikes:.0f} |"
    )


def as_text(lines: list[Line]) -> str:
    """Return the tables as Markdown."""
    text = [
        "| network | ANN % | code | weights | SNN % | loss, points | spikes a sample |",
        "|---|---|---|---|---|---|---|",
        *map(as_row, lines),
        "",
        "Share of negative events, and of payloads above 1, for each population (8-bit weights):",
        "",
        "| network | code | population | negative | above 1 |",
        "|---|---|---|---|---|",
    ]
    for line in lines:
        if line.weights != "float" and not line.code.startswith("rate"):
            text += [
                f"| {line.model} | {line.code} | `{name}` | {negative:.3%} | {above:.3%} |"
                for name, (negative, above) in line.shares.items()
            ]
    return "\n".join(text)


def main() -> int:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(SUITES))
    parser.add_argument("--models", nargs="+", help="ONNX files (default: those of the suite)")
    parser.add_argument("--settings", nargs="+", help="CODE[K]@T (default: those of the suite)")
    parser.add_argument("--float", action="store_true", help="real weights beside 8-bit ones")
    parser.add_argument("--count", type=int, default=10000, help="test samples (default: all)")
    parser.add_argument("--output", type=Path, help="write the tables there, too")
    arguments = parser.parse_args()
    suite = SUITES[arguments.data]
    text = as_text(
        measure(
            arguments.data,
            arguments.models or suite.models,
            arguments.settings or suite.settings,
            (8, None) if arguments.float else (8,),
            arguments.count,
        )
    )
    print("\n" + text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
