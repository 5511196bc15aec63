"""How many steps an answer takes: until all are in, until the first is right, one after another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...backends import Result
from ...ir import Array
from ..evaluate import check_labels, class_scores
from ..network import Network


@dataclass(frozen=True)
class Correct:
    """When samples are answered rightly; steps are counted from the first of T.

    Attributes:
        samples: Number of samples.
        ever: Share that is right after some step.
        at_end: Share that is right after T steps: the accuracy.
        first: Mean first right step, of the samples that are ever right.
        first_median: Its median.
        first_95: The step after which 95 % of them were right once.
        settled: Mean step from which on an answer stays right, of those right at the end.
        settled_median: Its median.
        settled_95: The step after which 95 % of them stay right.
    """

    samples: int
    ever: float
    at_end: float
    first: float | None
    first_median: float | None
    first_95: float | None
    settled: float | None
    settled_median: float | None
    settled_95: float | None


@dataclass(frozen=True)
class Latency:
    """How long an answer takes.

    Attributes:
        timesteps: T.
        depth_latency: Steps beyond T until the outputs of a sample are out, on its target.
        latency_steps: Both, for all elements of a sequence.
        first_answer: The first of the T steps after which the outputs mean something.
        layer_synchronous: Whether a layer waits for the last event of the one before.
        layer_synchronous_factor: All steps that neurons run, over T; 1 where none waits.
        steps_between_samples: Steps after which the next sample can enter, if layers work on
            different samples at a time.
        correct: When samples are answered rightly, where labels are known.
        step_seconds: How long a step takes on the hardware, where it says so.
        hardware_steps: Steps of a sample on the hardware, where every synapse takes one.
    """

    timesteps: int
    depth_latency: int
    latency_steps: int
    first_answer: int
    layer_synchronous: bool
    layer_synchronous_factor: float
    steps_between_samples: int
    correct: Correct | None = None
    step_seconds: float | None = None
    hardware_steps: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object, with times where a step has one."""
        seconds = self.step_seconds
        return {
            **asdict(self),
            "seconds": seconds and seconds * self.hardware_steps,
            "samples_per_second": seconds and 1 / (seconds * self.steps_between_samples),
        }


def latency_of(network: Network, elements: int) -> Latency:
    """Return the steps that a network takes, without what only a run can tell."""
    steps = network.steps
    between = network.timesteps if network.layer_synchronous else steps
    return Latency(
        timesteps=network.timesteps,
        depth_latency=network.program.depth_latency,
        latency_steps=network.program.latency_steps(elements),
        first_answer=network.first_answer,
        layer_synchronous=network.layer_synchronous,
        layer_synchronous_factor=steps / network.timesteps,
        steps_between_samples=elements * between,
    )


@dataclass
class Answers:
    """Collects which samples are answered rightly after which of the T steps.

    Attributes:
        network: The network.
        labels: ``(samples,)``, the index of the right output.
    """

    network: Network
    labels: Array
    _right: list[Array] = field(default_factory=list)
    _done: int = 0

    def __post_init__(self) -> None:
        self._output, classes = class_scores(self.network.graph)
        check_labels(self.labels, self._output, classes)

    def add(self, result: Result) -> None:
        """Add the result of a block of samples."""
        scores = result.decoded[self._output][:, -self.network.timesteps :]
        answers = scores.reshape(*scores.shape[:2], -1).argmax(axis=-1)
        wanted = self.labels[self._done : self._done + len(answers), None]
        self._done += len(answers)
        self._right.append(answers == wanted)

    def correct(self) -> Correct:
        """Return the statistics of all samples."""
        return correct_steps(np.concatenate(self._right), self.network.first_answer)


def correct_steps(right: Array, first_answer: int = 1) -> Correct:
    """Return when samples are answered rightly.

    Args:
        right: Whether a sample is right after each step, bool ``(samples, timesteps)``.
        first_answer: The first step that counts.

    >>> found = correct_steps(np.array([[0, 1, 0, 1], [0, 0, 0, 0]], bool))
    >>> found.ever, found.first, found.settled
    (0.5, 2.0, 4.0)
    """
    valid = right[:, first_answer - 1 :]
    ever, at_end = valid.any(axis=1), valid[:, -1]
    first = valid[ever].argmax(axis=1) + first_answer
    wrong = ~valid[at_end]
    last_wrong = valid.shape[1] - wrong[:, ::-1].argmax(axis=1)
    settled = np.where(wrong.any(axis=1), last_wrong, 0) + first_answer
    return Correct(
        len(right),
        float(ever.mean()),
        float(at_end.mean()),
        *_summary(first),
        *_summary(settled),
    )


def _summary(steps: Array) -> tuple[float | None, float | None, float | None]:
    """Return mean, median and 95 % quantile (a step that occurs), None of nothing."""
    if not len(steps):
        return None, None, None
    quantile = np.quantile(steps, 0.95, method="inverted_cdf")
    return float(steps.mean()), float(np.median(steps)), float(quantile)
