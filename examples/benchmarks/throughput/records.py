"""Results of matches as JSON lines; a match that was played again counts with its last line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one contestant of a match did.

    Attributes:
        system: What computed.
        code: Spike code, or ``dense``.
        seconds: Of a run, for each round.
        image_steps: Of a run.
        operations: Multiplications and additions of a run, where they are counted.
        accuracy: Share of right answers, where the network is a trained one.
        agreement: Share of answers that are the ANN's.
        density: Share of neurons that send an event in a step.
        synops: Synaptic operations of a sample in a step.
        equal: Whether outputs are the simulator's at every step; None where it was not asked.
        note: What a reader must know.
        failure: Why it did not take part; empty where it did.
    """

    system: str
    code: str
    seconds: Sequence[float] = ()
    image_steps: float = 0.0
    operations: float = 0.0
    accuracy: float | None = None
    agreement: float | None = None
    density: float | None = None
    synops: float | None = None
    equal: bool | None = None
    note: str = ""
    failure: str = ""

    @property
    def rate(self) -> float:
        """Image-steps a second, median over rounds."""
        return self.image_steps / median(self.seconds)

    @property
    def speed(self) -> float:
        """Multiplications and additions a second, median over rounds."""
        return self.operations / median(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One match.

    Attributes:
        kind: What it is about; see ``matches``.
        network: Name of the network.
        sha256: Of its ONNX file; empty where there is none.
        setting: What else identifies it.
        timesteps: T, or None where each contestant has its own.
        batch: Samples at once.
        samples: Samples of a run.
        threads: For each contestant.
        machine: Processor and versions.
        lines: One for each contestant.
    """

    kind: str
    network: str
    sha256: str
    setting: str
    timesteps: int | None
    batch: int
    samples: int
    threads: int
    machine: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[Line]

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies it."""
        return self.kind, self.network, self.setting, self.timesteps

    @property
    def played(self) -> tuple[Line, ...]:
        """Lines of those who took part."""
        return tuple(line for line in self.lines if line.seconds)

    def line(self, system: str, code: str | None = None) -> Line | None:
        """Return the line of a contestant that took part, or None."""
        found = (x for x in self.played if x.system == system and code in (None, x.code))
        return next(found, None)


def ratio(fast: Line, slow: Line) -> float:
    """Return how many times as many image-steps a second one does, the median over rounds.

    >>> one = Line(system="a", code="rate", seconds=[1, 2, 4], image_steps=10)
    >>> other = Line(system="b", code="rate", seconds=[3, 4, 8], image_steps=10)
    >>> ratio(one, other)
    2.0
    """
    pairs = zip(fast.seconds, slow.seconds, strict=True)
    each = slow.image_steps / fast.image_steps
    return float(median(theirs / ours / each for ours, theirs in pairs))


def best(lines: Iterable[Line]) -> Line | None:
    """Return who did most image-steps a second; None of nobody."""
    return max((line for line in lines if line.seconds), key=lambda line: line.rate, default=None)


def append(path: Path, record: Record) -> None:
    """Add a record at the end of a file, which is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read(path: Path) -> list[Record]:
    """Return the last record of each match in a file."""
    records = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        found = json.loads(text)
        lines = tuple(Line(**line) for line in found.pop("lines"))
        record = Record(**found, lines=lines)
        records[record.key] = record
    return list(records.values())
