"""Peak memory and time of an evaluation, within a limit and without one.

    python -m examples.benchmarks.memory                        # 10,000 images, ResNet-20, T = 32
    python -m examples.benchmarks.memory --images 300 --limit 400MB --repeats 1

Each evaluation is a process of its own, the whole command ``snnc evaluate``: the interpreter, the
data, the ANN, the spiking network. Its peak is what the system counted (``VmHWM``). Runs with
and without the limit alternate, and which of them is first alternates too; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import snnc
from examples.datasets import load
from snnc.backends.resources import parse_size

CHILD = """
import sys, time
from snnc.backends.resources import most_resident
from snnc.compiler.cli import main
begin = time.perf_counter()
status = main(sys.argv[1:])
seconds = time.perf_counter() - begin
print(seconds, most_resident(), file=sys.stderr)
sys.exit(status)
"""


def measured(artifact: Path, data: Path, options: list[str]) -> tuple[float, int, Any]:
    """Return seconds, peak memory in bytes, and the result of one evaluation."""
    words = ["evaluate", str(artifact), "--data", str(data), "--json", *options]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds, peak = done.stderr.split()[-2:]
    return float(seconds), int(peak), json.loads(done.stdout)


def compare(artifact: Path, data: Path, limit: str, repeats: int, jobs: list[str]) -> None:
    """Measure with and without a limit, in turns, and print what was found."""
    settings = {"no limit": jobs, limit: [*jobs, "--memory", limit]}
    seconds: dict[str, list[float]] = {name: [] for name in settings}
    peaks: dict[str, list[int]] = {name: [] for name in settings}
    answers = []
    for turn in range(repeats):
        for name in list(settings)[:: -1 if turn % 2 else 1]:
            took, peak, found = measured(artifact, data, settings[name])
            seconds[name].append(took)
            peaks[name].append(peak)
            answers.append(found)
            print(f"{name:>10}  {took:8.1f} s  {peak / 1e6:8.0f} MB", flush=True)
    times = {name: median(each) for name, each in seconds.items()}
    ratio = times[limit] / times["no limit"]
    within = max(peaks[limit]) <= parse_size(limit)
    same = all(answer == answers[0] for answer in answers)
    accuracy = answers[0]["snn"][-1]["accuracy"]
    print(
        f"within the limit: {'yes' if within else 'NO'}, at most {max(peaks[limit]) / 1e6:.0f} MB"
    )
    print(f"time with the limit: {ratio:.3f} of that without (median of {repeats})")
    print(f"equal results: {'yes' if same else 'NO'}, accuracy {accuracy:.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default="examples/models/resnet20.onnx")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--timesteps", type=int, default=32)
    parser.add_argument("--code", default="rate")
    parser.add_argument("--calibration", type=int, default=256, help="training images")
    parser.add_argument("--limit", default="1GB")
    parser.add_argument("--jobs", help="blocks side by side (default: one a core)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="snnc-memory-") as name:
        folder = Path(name)
        x, y = load("cifar10")
        data = folder / "test.npz"
        np.savez(data, x=x[: arguments.images], y=y[: arguments.images])
        network = snnc.compile(
            arguments.model,
            calibration=load("cifar10", "train")[0][: arguments.calibration],
            code=arguments.code,
            timesteps=arguments.timesteps,
        )
        artifact = network.save(folder / "artifact")
        jobs = ["--jobs", arguments.jobs] if arguments.jobs else []
        compare(artifact, data, arguments.limit, arguments.repeats, jobs)


if __name__ == "__main__":
    main()
