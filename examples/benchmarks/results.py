"""Measured results as JSON lines: long runs resume, and tables are remade without running.

A line is identified by everything that determines it (network, samples, system, settings, T). A
runner asks for what is already there and measures the rest; a line that was measured again is
appended, and the last one counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from examples.benchmarks.task import Task

FOLDER = Path("docs/results")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One network, converted by one method, on one number of test samples, after T steps.

    Attributes:
        data: Name of the data set.
        network: Name of the ONNX file without its suffix.
        sha256: Of the ONNX file.
        count: Number of test samples, the first ones.
        calibration: Number of calibration samples.
        system: What converted and ran it, with its version.
        method: What it is called in tables.
        settings: What was chosen, enough to do it again.
        timesteps: T.
        ann: Accuracy of the ANN on the same samples, a fraction.
        accuracy: Accuracy of the spiking network, a fraction.
        spikes: Events a sample; the input does not count.
        synops: Synaptic operations a sample: events times the nonzero synapses they reach.
        unit_synops: Likewise, each event counted by its magnitude.
        seconds: Wall time of conversion and run, divided among the lines they gave.
        found: What the method found by itself: a delay, a number of passes.
    """

    data: str
    network: str
    sha256: str
    count: int
    calibration: int
    system: str
    method: str
    settings: Mapping[str, Any]
    timesteps: int
    ann: float
    accuracy: float
    spikes: float
    synops: float
    unit_synops: float
    seconds: float
    found: Mapping[str, Any] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """Accuracy lost by the conversion, in points."""
        return 100 * (self.ann - self.accuracy)

    @property
    def key(self) -> str:
        """What determines the result, as text."""
        return _key(self.sha256, self.count, self.calibration, self.system, self.settings) + (
            f" T={self.timesteps}"
        )


def key_of(task: Task, system: str, settings: Mapping[str, Any], timesteps: int) -> str:
    """Return the key that the result of a run will have."""
    start = _key(task.sha256, len(task.y), len(task.calibration), system, settings)
    return f"{start} T={timesteps}"


def _key(
    sha256: str, count: int, calibration: int, system: str, settings: Mapping[str, Any]
) -> str:
    return json.dumps([sha256, count, calibration, system, settings], sort_keys=True)


def path_of(task: Task) -> Path:
    """Return the file for a network's results."""
    return FOLDER / f"{task.data}-{task.model.stem}.jsonl"


def read(path: Path) -> dict[str, Result]:
    """Return the results in a file by their keys; none where there is no file."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    results = [Result(**json.loads(line)) for line in lines]
    return {result.key: result for result in results}


def append(path: Path, results: Iterable[Result]) -> None:
    """Add results at the end of a file, which is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(result)) + "\n" for result in results)
