"""Lava's own simulation on the CPU, of the very network that snnc's simulator runs.

Lava takes seconds to start and to stop, and its own models take minutes for a batch: a few samples
run. They pass through the network one behind the other, a step each, so what counts is the time of
the steps from the one in which the first sample has reached the last layer to the one in which the
last sample still enters the first: all layers are then at work, and each step is an image-step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import perf_counter
from typing import Any

import numpy as np

from examples.benchmarks.throughput.contestant import Job, Outcome, Prepared
from examples.benchmarks.throughput.simulator import compiled
from snnc.backends.base import Result
from snnc.backends.lava_process import LavaBackend, LavaProgram
from snnc.backends.lava_process.recording import Recording
from snnc.ir import Array, Input

LOOK_SECONDS = 0.002
"""Between two looks at how far Lava is."""


@dataclass(frozen=True)
class TimedProgram(LavaProgram):
    """A program that notes when its steps are done.

    Attributes:
        times: For steps seen as the last one done, when they were first.
    """

    times: dict[int, float] = field(default_factory=dict, repr=False)

    def simulate(self, samples: Mapping[str, Array], recording: Recording, **options: Any) -> None:
        """Run the processes of the plan."""
        self.times.clear()
        with self.watched(recording):
            super().simulate(samples, recording, **options)

    @contextmanager
    def watched(self, recording: Recording) -> Iterator[None]:
        """Look at the clocks meanwhile."""
        over = Event()

        def look() -> None:
            while not over.wait(LOOK_SECONDS):
                self.times.setdefault(int(recording.clocks.min()), perf_counter())

        thread = Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def lava(job: Job, *, options: Mapping[str, Any], fast: bool, images: int) -> Prepared:
    """Make Lava ready.

    Args:
        job: What to compute.
        options: Of ``snnc.compile``, as for the simulator.
        fast: Whether connections run on snnc's process models instead of Lava's.
        images: Samples of a run, the first of the job's.
    """
    network = compiled(job, options)
    lowered = LavaBackend().lower(network.graph, network.timesteps)
    program = TimedProgram(lowered.graph, lowered.timesteps, lowered.plan)
    x, _ = job.network.test_samples(images)
    inputs = {node.name: x for node in network.graph.of_type(Input)}
    expected = network.program.run(inputs).decoded
    full = program.depth_latency, images * job.steps

    def run() -> tuple[Result, float]:
        result = program.run(inputs, fast=fast)
        return result, seconds_each(program.times, *full)

    def describe(value: tuple[Result, float]) -> Outcome:
        result, each = value
        same = all(np.array_equal(result.decoded[key], expected[key]) for key in expected)
        (decoded,) = result.decoded.values()
        return Outcome(
            image_steps=1.0,
            outputs=decoded[:, -1],
            equal=same,
            seconds=each,
            note=f"images: {images}",
        )

    return Prepared(run, describe)


def seconds_each(times: Mapping[int, float], begin: int, end: int) -> float:
    """Return the seconds of a step.

    Args:
        times: For some steps, when they were done.
        begin: The first step after which the network is full.
        end: The last step before which it is.

    >>> seconds_each({1: 20.0, 2: 22.0, 5: 28.0, 7: 99.0}, 1, 6)
    2.0

    Raises:
        ValueError: No two of the steps in between were seen.
    """
    seen = [step for step in times if begin <= step <= end]
    if len(seen) < 2:
        raise ValueError("too few steps to tell how long one takes")
    first, last = min(seen), max(seen)
    return (times[last] - times[first]) / (last - first)
