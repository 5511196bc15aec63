"""Load, run, close, again and again in one interpreter: does Lava leave anything behind?

    python -m examples.benchmarks.lava_cycles
    python -m examples.benchmarks.lava_cycles --model examples/models/resnet20.onnx --timesteps 8

After one cycle to warm up, each of the others loads the artifact, runs a few samples on Lava and
drops everything. Printed are the memory of the interpreter (resident, and its proportional share)
after the first and the last cycle, and what is left: entries of the root logger, threads, child
processes, segments in shared memory. Exit code 1 where memory grew by ``--limit`` megabytes or
anything is left. Needs Linux: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import snnc
from snnc.backends.lava_process import LavaBackend
from snnc.compiler.demo import bundled
from snnc.ir import Array

MEGABYTE = 2**20


@dataclass(frozen=True)
class State:
    """What an interpreter holds.

    Attributes:
        resident: Memory, bytes.
        proportional: Its share of memory, bytes, where what several processes share is divided.
        handlers: Handlers of the root logger.
        threads: Threads.
        children: Child processes.
        segments: Segments in shared memory, of the whole system.
    """

    resident: int
    proportional: int
    handlers: int
    threads: int
    children: int
    segments: int


def state() -> State:
    """Return what this interpreter holds; garbage that was not collected counts."""
    sizes = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        key, size, _ = line.split()
        sizes[key] = int(size) * 1024
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return State(
        resident=sizes["Rss:"],
        proportional=sizes["Pss:"],
        handlers=len(logging.getLogger().handlers),
        threads=threading.active_count(),
        children=sum(len(task.read_text().split()) for task in tasks),
        segments=len(list(Path("/dev/shm").iterdir())),
    )


def cycle(artifact: Path, x: dict[str, Array]) -> None:
    """Load, run and forget."""
    snnc.load(artifact).run(x)


def golden_samples(network: snnc.Network, count: int) -> dict[str, Array]:
    """Return the golden inputs of a network, over again until they are enough."""
    golden = network.golden.inputs
    return {name: np.resize(values, (count, *values.shape[1:])) for name, values in golden.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifact", type=Path, help="a network compiled for Lava")
    model = bundled().model
    parser.add_argument("--model", type=Path, default=model, help="or what to compile for it")
    parser.add_argument("--timesteps", type=int, default=4)
    parser.add_argument("--samples", type=int, default=2, help="of one cycle")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--limit", type=float, default=20, help="megabytes of growth")
    arguments = parser.parse_args()
    if not LavaBackend().availability():
        sys.exit('install Lava first: uv pip install "snnc[lava]"')
    with tempfile.TemporaryDirectory() as folder:
        artifact = arguments.artifact
        if artifact is None:
            artifact = Path(folder) / "network"
            steps = arguments.timesteps
            snnc.compile(arguments.model, target="lava", timesteps=steps).save(artifact)
        x = golden_samples(snnc.load(artifact), arguments.samples)
        cycle(artifact, x)
        first, begin = state(), time.perf_counter()
        grown = []
        for _ in range(arguments.cycles):
            cycle(artifact, x)
            grown.append((state().proportional - first.proportional) / MEGABYTE)
        last = state()
    seconds = (time.perf_counter() - begin) / arguments.cycles
    counts = ("handlers", "threads", "children", "segments")
    left = {name: getattr(last, name) - getattr(first, name) for name in counts}
    growth = {
        name: round((getattr(last, name) - getattr(first, name)) / MEGABYTE, 2)
        for name in ("resident", "proportional")
    }
    summary = {
        "cycles": arguments.cycles,
        "seconds a cycle": round(seconds, 2),
        "after the first": asdict(first),
        "after the last": asdict(last),
        "grown, MB": growth,
        "grown after each, MB": [round(value, 1) for value in grown],
        "left": left,
    }
    print(json.dumps(summary, indent=1))
    leaks = any(value > 0 for value in left.values()) or max(growth.values()) >= arguments.limit
    sys.exit(1 if leaks else 0)


if __name__ == "__main__":
    main()
