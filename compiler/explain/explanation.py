"""What an explanation says: errors of layers, over time and over depth, and a verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np

from ...ir import Array
from .split import PARTS

ROUNDING = 1e-9
"""Share of the parts' products that their sum cannot be told from 0 below, in float64."""


@dataclass(frozen=True)
class LayerError:
    """How far a layer is from the ANN, and why. Errors are relative to the ANN's values.

    Attributes:
        value: Name of the ANN's node.
        kind: ``input``, ``population``, ``max pool`` or ``output``.
        nodes: The nodes of the spiking network that stand for it.
        added: Whether the ANN has no activation function there: a population was put between
            two linear maps, behind an average pool say.
        moments: Means of the products of two parts of the error, ``(parts, parts)``, divided by
            the mean square of the ANN's value. All of them together are the squared error.
        shift: Share of the squared error that is the same for a whole channel on all samples.
        over_time: The error after each of the prefixes.
        output_error: Error of the outputs if the network spikes up to here and the ANN computes
            the rest exactly.
        agreement: Share of samples to which that network gives the ANN's answer; None where the
            outputs are no scores of classes.
    """

    value: str
    kind: str
    nodes: tuple[str, ...]
    added: bool
    moments: Array
    shift: float
    over_time: tuple[float, ...]
    output_error: float
    agreement: float | None

    @property
    def error(self) -> float:
        """Root mean square of the error over that of the ANN's value, after all steps."""
        return sqrt(self._total)

    @property
    def _total(self) -> float:
        """The squared error; what is left when its parts cancel but for rounding counts as 0."""
        total = float(self.moments.sum())
        return total if total > ROUNDING * float(np.abs(self.moments).sum()) else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Share of each part in the squared error; they sum up to 1, or are all 0.

        A part that makes the error smaller has a negative share.
        """
        total = self._total
        products = self.moments.sum(axis=1)
        return {
            name: float(product / total) if total > 0 else 0.0
            for name, product in zip(PARTS, products, strict=True)
        }

    def to_json(self) -> dict[str, Any]:
        """Return the layer as one JSON object."""
        return {
            "value": self.value,
            "kind": self.kind,
            "nodes": list(self.nodes),
            "added": self.added,
            "error": self.error,
            "shares": self.shares,
            "shift": self.shift,
            "over_time": list(self.over_time),
            "output_error": self.output_error,
            "agreement": self.agreement,
        }


@dataclass(frozen=True)
class Moment:
    """The outputs after some of the steps.

    Attributes:
        timesteps: Steps counted from the first.
        output_error: Root mean square of their error over that of the ANN's outputs.
        agreement: Share of samples with the ANN's answer; None without classes.
        accuracy: Share of samples with the right answer; None without labels.
    """

    timesteps: int
    output_error: float
    agreement: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Verdict:
    """What is wrong, if anything.

    Attributes:
        fine: Whether the network is as good as the ANN.
        layer: The layer where it goes wrong; None where all is fine.
        cause: One of ``split.PARTS``; None where all is fine.
        spread: Whether no single layer goes wrong: errors of several layers add up. Then
            ``layer`` is the one that adds most, and ``cause`` that of all layers together.
        message: All of that in one sentence.
        hint: What to do, an imperative sentence; empty where all is fine.
    """

    fine: bool
    layer: str | None
    cause: str | None
    spread: bool
    message: str
    hint: str


@dataclass(frozen=True)
class Explanation:
    """Where and why a spiking network differs from its ANN.

    Attributes:
        samples: Number of samples looked at.
        timesteps: T.
        ann_accuracy: Accuracy of the ANN on these samples; None without labels.
        over_time: The outputs after each prefix; the last is after all steps.
        layers: The layers from the inputs to the outputs.
        verdict: What is wrong.
        ann_changed_by: Options that made the ANN another model than that of the file, or "".
    """

    samples: int
    timesteps: int
    ann_accuracy: float | None
    over_time: tuple[Moment, ...]
    layers: tuple[LayerError, ...]
    verdict: Verdict
    ann_changed_by: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as one JSON object."""
        return {
            "samples": self.samples,
            "timesteps": self.timesteps,
            "ann_accuracy": self.ann_accuracy,
            "over_time": [asdict(moment) for moment in self.over_time],
            "layers": [layer.to_json() for layer in self.layers],
            "verdict": asdict(self.verdict),
            **({"ann_changed_by": self.ann_changed_by} if self.ann_changed_by else {}),
        }
