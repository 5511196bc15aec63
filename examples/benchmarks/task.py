"""What every method is measured on: one network, its calibration samples, its test samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.datasets import load
from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import Array

CALIBRATION = {"mnist": 512, "fashion-mnist": 512, "cifar10": 1024}
"""Number of training samples used for calibration."""


@dataclass(frozen=True)
class Task:
    """One network and the samples it is measured on.

    Attributes:
        data: Name of the data set.
        model: The ONNX file.
        sha256: Of the ONNX file.
        calibration: Training samples, ``(samples, *shape)``.
        x: The first test samples, ``(count, *shape)``.
        y: Their labels, ``(count,)``.
        ann: Accuracy of the ANN on them in ONNX Runtime, a fraction.
    """

    data: str
    model: Path
    sha256: str
    calibration: Array
    x: Array
    y: Array
    ann: float


def open_task(data: str, model: str | Path, count: int) -> Task:
    """Return the task of a network on the first ``count`` test samples of a data set."""
    path = Path(model)
    content = path.read_bytes()
    x, y = (array[:count] for array in load(data, "test"))
    session = AnnSession(content)
    ((name, _),) = session.inputs.items()
    (logits,) = session.run({name: x}).values()
    return Task(
        data=data,
        model=path,
        sha256=hashlib.sha256(content).hexdigest(),
        calibration=calibration_samples(data),
        x=x,
        y=y,
        ann=float((logits.argmax(axis=1) == y).mean()),
    )


def calibration_samples(data: str) -> Array:
    """Return training samples drawn with a fixed seed, the same ones for every method."""
    train, _ = load(data, "train")
    drawn = np.random.default_rng(0).choice(len(train), CALIBRATION[data], replace=False)
    return np.asarray(train[drawn])
