"""Who takes part in a match, on what, and what a run of it gives.

A contestant is built and run in a process of its own, so all that is here can be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.benchmarks.throughput.networks import TestNetwork
from snnc.ir import Array


@dataclass(frozen=True)
class Job:
    """What all contestants of a match compute.

    Attributes:
        network: The network.
        timesteps: T, or None where a contestant has its own.
        batch: Samples that run at once.
        samples: Samples of one run, in batches.
        threads: Threads for each contestant.
        keep: Folder for compiled artifacts.
        calibration: Training samples that conversions may look at.
    """

    network: TestNetwork
    timesteps: int | None
    batch: int
    samples: int
    threads: int
    keep: Path
    calibration: int

    @property
    def steps(self) -> int:
        """T, where there is one."""
        assert self.timesteps is not None
        return self.timesteps


@dataclass(frozen=True)
class Outcome:
    """What one run gave.

    Attributes:
        image_steps: Samples times the steps that were simulated.
        operations: Multiplications and additions, where they are counted.
        outputs: ``(samples, classes)``, or None where the answer does not matter.
        density: Share of neurons that send an event in a step.
        synops: Synaptic operations of a sample in a step.
        equal: Whether outputs equal the simulator's, bit for bit; None where it is not asked.
        seconds: Where the time of the run is not its wall time.
        note: What a reader must know.
    """

    image_steps: float = 0.0
    operations: float = 0.0
    outputs: Array | None = None
    density: float | None = None
    synops: float | None = None
    equal: bool | None = None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Prepared:
    """A contestant that is ready.

    Attributes:
        run: What is timed.
        describe: What the return value of ``run`` means; not timed.
    """

    run: Callable[[], Any]
    describe: Callable[[Any], Outcome]


@dataclass(frozen=True)
class Contestant:
    """One way to compute a job.

    Attributes:
        system: What computes.
        code: Spike code, or ``dense``.
        build: Makes it ready, in its own process.
        environment: Variables of that process.
        warm_up: Runs that do not count, at least 1: some systems set up their state in the first.
    """

    system: str
    code: str
    build: Callable[[Job], Prepared]
    environment: Mapping[str, str] = field(default_factory=dict)
    warm_up: int = 2
