"""Lava's own simulation on the CPU, of the very network that snnc's simulator runs.

Lava takes seconds to start and to stop, and is slow: a few samples run, and what counts is the
time from the first sample's end to the last one's, in which one step follows the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from examples.benchmarks.throughput.contestant import Job, Outcome, Prepared
from examples.benchmarks.throughput.simulator import compiled
from snnc.backends.base import Result
from snnc.backends.lava_process import LavaBackend
from snnc.ir import Input


def lava(job: Job, *, options: Mapping[str, Any], fast: bool, images: int) -> Prepared:
    """Make Lava ready.

    Args:
        job: What to compute.
        options: Of ``snnc.compile``, as for the simulator.
        fast: Whether connections run on snnc's process models instead of Lava's.
        images: Samples of a run, at least 2.
    """
    network = compiled(job, options)
    program = LavaBackend().lower(network.graph, network.timesteps)
    x, _ = job.network.test_samples(images)
    inputs = {node.name: x for node in network.graph.of_type(Input)}
    expected = network.program.run(inputs).decoded

    def run() -> tuple[Result, float]:
        times: dict[int, float] = {}

        def progress(done: int, total: int) -> None:
            if done:
                times.setdefault(done, perf_counter())

        result = program.run(inputs, fast=fast, progress=progress)
        return result, seconds_each(times)

    def describe(value: tuple[Result, float]) -> Outcome:
        result, each = value
        same = all(np.array_equal(result.decoded[key], expected[key]) for key in expected)
        (decoded,) = result.decoded.values()
        return Outcome(
            image_steps=float(job.steps),
            outputs=decoded[:, -1],
            seconds=each,
            note=f"extrapolated from {images} images, "
            + ("outputs equal to the simulator's" if same else "OUTPUTS DIFFER"),
        )

    return Prepared(run, describe)


def seconds_each(times: Mapping[int, float]) -> float:
    """Return the seconds of a sample, from when so many of them were done.

    >>> seconds_each({1: 20.0, 2: 22.0, 5: 28.0})
    2.0

    Raises:
        ValueError: All were done when one first looked.
    """
    first, last = min(times), max(times)
    if first == last:
        raise ValueError("too few images to tell how long one takes")
    return (times[last] - times[first]) / (last - first)
