"""Held-back samples: what a spiking network loses on them, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...backends.base import Progress
from ...backends.numpy_sim import NumpyBackend
from ...ir import Array, Graph
from ..data import Samples
from ..evaluate import check_labels, class_scores
from .cost import Cost, count
from .drop import Drop, margins, measure

HELD_BACK = 0.25
"""Share of the calibration samples that a network is judged on and never calibrated on."""


def split(samples: Samples, seed: int) -> tuple[Array, Array]:
    """Return the indices of the samples to calibrate on and of those to hold back, drawn."""
    total = len(next(iter(samples.values())))
    drawn = np.random.default_rng(seed).permutation(total)
    held = round(total * HELD_BACK)
    return np.sort(drawn[held:]), np.sort(drawn[:held])


def chosen(samples: Mapping[str, Array], indices: Array) -> Samples:
    """Return some of the samples."""
    return {name: x[indices] for name, x in samples.items()}


@dataclass(frozen=True)
class Judge:
    """The source model's answers, and the samples to compare them on.

    Attributes:
        samples: The held-back samples.
        output: Name of the output with the class scores.
        classes: The right class of each of them, ``(held,)``: its label, or the ANN's answer.
        held: The ANN's margins on them, ``(held,)``.
        others: The ANN's margins on all other calibration samples.
        accuracy: Share of all calibration samples that the ANN gets right; 1 without labels.
        labelled: Whether the right classes are labels.
        seed: Of the bootstrap.
    """

    samples: Samples
    output: str
    classes: Array
    held: Array
    others: Array
    accuracy: float
    labelled: bool
    seed: int

    @classmethod
    def of(
        cls, ann: Graph, samples: Samples, labels: Array | None, held_back: Array, seed: int
    ) -> Judge:
        """Return the judge for a model.

        Args:
            ann: The source model.
            samples: All calibration samples.
            labels: Their labels, or None: the ANN's answers then count as right.
            held_back: Indices of the samples to judge on.
            seed: Of the bootstrap.

        Raises:
            DataError: The model is no classifier of these labels.
        """
        from ...backends.onnx_runtime import AnnSession

        output, count = class_scores(ann)
        if labels is not None:
            check_labels(labels, output, count)
        scores = _flat(AnnSession(ann).run(samples)[output])
        answers = scores.argmax(axis=1)
        right = answers if labels is None else labels
        found = margins(scores, right)
        return cls(
            samples=chosen(samples, held_back),
            output=output,
            classes=right[held_back],
            held=found[held_back],
            others=np.delete(found, held_back),
            accuracy=float(np.mean(answers == right)),
            labelled=labels is not None,
            seed=seed,
        )

    def judged(
        self, graph: Graph, timesteps: int, progress: Progress | None = None
    ) -> tuple[Drop, Cost]:
        """Return what a spiking graph loses and costs; it runs on the simulator."""
        run = NumpyBackend().lower(graph, timesteps).run(self.samples, progress=progress)
        scores = _flat(run.decoded[self.output][:, -1])
        drop = measure(self.held, margins(scores, self.classes), self.others, self.seed)
        return drop, count(graph, timesteps, run)


def _flat(scores: Array) -> Array:
    return scores.reshape(len(scores), -1)
