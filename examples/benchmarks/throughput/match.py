"""Matches: contestants in processes of their own take turns, round by round.

What is measured of two contestants in one round was measured within seconds; where the machine
is slower for a while, both are. Each process waits without a thread running while others run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeAlias

from examples.benchmarks.throughput import machine
from examples.benchmarks.throughput.contestant import Contestant, Job, Outcome, Prepared
from examples.benchmarks.throughput.records import Line, Record
from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import Array

LEAST_SECONDS = 0.2
"""Short runs are repeated until they have taken so long, and the mean counts."""

PAUSE = 0.05
"""Seconds before each run in which threads of the contestant before fall asleep."""

LONGEST = 3600.0
"""Seconds for making a contestant ready, or for one run; then it is given up."""

Answer: TypeAlias = "Outcome | float | str"
"""Of a worker: the outcome of its warm-up, the seconds of a run, or why it failed."""


@dataclass(frozen=True)
class Match:
    """Contestants that compute the same.

    Attributes:
        kind: What it is about.
        job: What they compute.
        contestants: In their order.
        setting: What else identifies it.
    """

    kind: str
    job: Job
    contestants: Sequence[Contestant]
    setting: str = ""

    @property
    def title(self) -> str:
        """For people."""
        steps = "" if self.job.timesteps is None else f"T = {self.job.timesteps}"
        words = (self.kind, self.job.network.name, self.setting, steps)
        return ", ".join(word for word in words if word)


def serve(connection: Connection, contestant: Contestant, job: Job) -> None:
    """Build a contestant and let it run whenever asked; the work of a process."""
    try:
        prepared = contestant.build(job)
        for _ in range(contestant.warm_up):
            outcome = prepared.describe(prepared.run())
        connection.send(outcome)
        while connection.recv():
            connection.send(seconds_of(prepared))
    except EOFError:
        return
    except Exception as error:  # whatever a peer raises: it stands in the table
        lines = str(error).strip().splitlines() or [""]
        connection.send(f"{type(error).__name__}: {lines[0][:300]}")


def seconds_of(prepared: Prepared) -> float:
    """Return the seconds of a run."""
    begin, runs = time.perf_counter(), 0
    while True:
        value = prepared.run()
        runs += 1
        elapsed = time.perf_counter() - begin
        if (own := prepared.describe(value).seconds) is not None:
            return own
        if elapsed >= LEAST_SECONDS:
            return elapsed / runs


class Worker:
    """A contestant's process."""

    def __init__(self, contestant: Contestant, job: Job) -> None:
        threads = str(job.threads)
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, contestant, job))
        with _environment({**dict.fromkeys(names, threads), **contestant.environment}):
            self._process.start()
        theirs.close()

    def answer(self) -> Answer:
        """Return what the process says next."""
        try:
            if not self._ours.poll(LONGEST):
                return f"no answer within {LONGEST:.0f} s"
            found: Answer = self._ours.recv()
        except (EOFError, OSError):
            self._process.join()
            return f"its process ended with code {self._process.exitcode}"
        return found

    def run(self) -> Answer:
        """Run once and return the seconds."""
        try:
            self._ours.send(True)
        except OSError:
            return "its process has ended"
        return self.answer()

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@dataclass
class Seat:
    """A contestant at play.

    Attributes:
        contestant: Who.
        worker: Its process.
        outcome: Of its warm-up; None if it cannot take part.
        seconds: Of its runs.
        failure: Why it takes no part, or no more.
    """

    contestant: Contestant
    worker: Worker
    outcome: Outcome | None = None
    seconds: list[float] = field(default_factory=list)
    failure: str = ""

    def warm_up(self) -> None:
        """Wait until it is ready."""
        answer = self.worker.answer()
        if isinstance(answer, Outcome):
            self.outcome = answer
        else:
            self.fail(str(answer))

    def take_turn(self) -> None:
        """Run once, unless it failed before."""
        if self.failure:
            return
        time.sleep(PAUSE)
        answer = self.worker.run()
        if isinstance(answer, float):
            self.seconds.append(answer)
        else:
            self.fail(str(answer))

    def fail(self, reason: str) -> None:
        """Leave the match: an incomplete set of rounds cannot be paired."""
        self.failure = reason
        self.seconds.clear()
        print(f"  {self.contestant.system}, {self.contestant.code}: {reason}", flush=True)

    def line(self, ann: Array | None, labels: Array | None) -> Line:
        """Return what stands in the results.

        Args:
            ann: The ANN's answers, ``(samples,)``.
            labels: The right answers, or None where there are none.
        """
        found = self.outcome or Outcome()
        answers = None if found.outputs is None else found.outputs.argmax(axis=1)
        return Line(
            system=self.contestant.system,
            code=self.contestant.code,
            seconds=tuple(self.seconds),
            image_steps=found.image_steps,
            operations=found.operations,
            accuracy=_share(answers, labels),
            agreement=_share(answers, ann),
            density=found.density,
            synops=found.synops,
            equal=found.equal,
            note=found.note,
            failure=self.failure,
        )


def _share(answers: Array | None, expected: Array | None) -> float | None:
    if answers is None or expected is None:
        return None
    return float((answers == expected[: len(answers)]).mean())


def play(match: Match, rounds: int) -> Record:
    """Let all contestants of a match take turns."""
    job, seats = match.job, list[Seat]()
    print(f"{match.title}: {len(match.contestants)} contestants", flush=True)
    try:
        for contestant in match.contestants:  # one after the other: they compile and calibrate
            seats.append(Seat(contestant, Worker(contestant, job)))
            seats[-1].warm_up()
        for _ in range(rounds):
            for seat in seats:
                seat.take_turn()
    finally:
        for seat in seats:
            seat.worker.close()
    answering = any(seat.outcome and seat.outcome.outputs is not None for seat in seats)
    ann, labels = _expected(job) if answering else (None, None)
    record = Record(
        kind=match.kind,
        network=job.network.name,
        sha256=job.network.sha256,
        setting=match.setting,
        timesteps=job.timesteps,
        batch=job.batch,
        samples=job.samples,
        threads=job.threads,
        machine=machine.describe(),
        lines=[seat.line(ann, labels) for seat in seats],
    )
    for line in record.played:
        said = f"{line.rate:,.0f} image-steps/s"
        if match.kind == "walls":
            said = f"{line.speed / 1e9:,.0f} G operations/s"
        print(f"  {line.system}, {line.code}: {said}", flush=True)
    return record


def _expected(job: Job) -> tuple[Array, Array | None]:
    """Return the answers of the ANN on a job's samples, and the right ones if there are any."""
    x, labels = job.network.test_samples(job.samples)
    session = AnnSession(job.network.model.read_bytes())
    ((name, _),) = session.inputs.items()
    (logits,) = session.run({name: x}, batch=job.batch).values()
    return logits.argmax(axis=1), labels if job.network.trained else None


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
