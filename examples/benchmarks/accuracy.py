"""Accuracy of LeNet-5 on the whole MNIST test set, for each spike code.

    python -m examples.benchmarks.accuracy [--models FILE ...] [--output docs/accuracy.md]

Thresholds are calibrated on 512 training digits drawn with a fixed seed; nothing is chosen on
the test set. One run a line; every line states network, ANN accuracy, code, T and weights.
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
from examples.datasets import load
from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import IF

MODELS = ("compiler/demo/lenet5.onnx", "examples/models/lenet5-max.onnx")
LINES: tuple[Mapping[str, Any], ...] = (
    {"code": "augmented", "timesteps": 4},
    {"code": "ternary", "timesteps": 8},
    {"code": "rate", "timesteps": 32},
)
CALIBRATION = 512


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


def measure(models: Iterable[str], lines: Iterable[Mapping[str, Any]], count: int) -> list[Line]:
    """Compile and run every model with every setting on the first ``count`` test digits."""
    train, _ = load("mnist", "train")
    x, y = load("mnist", "test")
    x, y = x[:count], y[:count]
    calibration = train[np.random.default_rng(0).choice(len(train), CALIBRATION, replace=False)]
    found = []
    for model in models:
        for settings in lines:
            for bits in (8, None):
                net = snnc.compile(model, calibration=calibration, weight_bits=bits, **settings)
                found.append(_line(net, model, settings, bits, x, y))
                print(as_row(found[-1]), flush=True)
    return found


def _line(
    net: snnc.Network,
    model: str,
    settings: Mapping[str, Any],
    bits: int | None,
    x: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
) -> Line:
    assert net.artifact.ann is not None
    (logits,) = AnnSession(net.artifact.ann).run({"x": x}).values()
    correct, spikes, counts = 0, 0.0, dict[str, np.ndarray[Any, Any]]()
    for begin in range(0, len(x), 500):
        result = net.run(x[begin : begin + 500], record=True)
        outputs = result.outputs
        assert isinstance(outputs, np.ndarray)
        correct += int((outputs.argmax(axis=1) == y[begin : begin + 500]).sum())
        spikes += sum(float(trains.astype(bool).sum()) for trains in result.spikes.values())
        for name, trains in result.spikes.items():
            several = [(trains != 0).sum(), (trains < 0).sum(), (trains > 1).sum()]
            counts[name] = counts.get(name, np.zeros(3)) + several
    return Line(
        model=Path(model).stem,
        ann=float((logits.argmax(axis=1) == y).mean()),
        code=f"{settings['code']}, T={settings['timesteps']}",
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
        "| network | ANN % | code | weights | SNN % | loss, points | spikes a digit |",
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
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--count", type=int, default=10000, help="test digits (default: all)")
    parser.add_argument("--output", type=Path, help="write the tables there, too")
    arguments = parser.parse_args()
    text = as_text(measure(arguments.models, LINES, arguments.count))
    print("\n" + text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
