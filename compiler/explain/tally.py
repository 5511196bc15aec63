"""Sums over blocks of samples, from which the figures of an explanation are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from ...ir import Array
from .explanation import LayerError
from .layers import Layer, Observed
from .split import PARTS, Parts


@dataclass
class LayerTally:
    """The sums of one layer.

    Attributes:
        layer: The layer.
        steps: The prefixes.
        products: Sums of the products of two parts of the error, ``(parts, parts)``.
        power: Sum of the squares of the ANN's values.
        count: Number of values a channel.
        channels: Sum of the error of each channel.
        squares: For each prefix, the sum of the squared error.
        output: Sums over the network that spikes up to this layer.
    """

    layer: Layer
    steps: tuple[int, ...]
    products: Array = field(default_factory=lambda: np.zeros((len(PARTS), len(PARTS))))
    power: float = 0.0
    count: int = 0
    channels: Array = field(default_factory=lambda: np.zeros(1))
    squares: Array = field(default_factory=lambda: np.zeros(1))
    output: OutputTally = field(default_factory=lambda: OutputTally())

    def add(self, seen: Observed) -> Parts:
        """Add a block; return the parts of its error."""
        target, parts = self.layer.target(seen), self.layer.split(seen)
        used = [place for place, name in enumerate(PARTS) if name in parts]
        flat = np.stack([parts[PARTS[place]].ravel() for place in used])
        self.products[np.ix_(used, used)] += flat @ flat.T
        self.power += float(np.square(target).sum())
        error = np.asarray(sum(parts.values())).swapaxes(0, 1).reshape(target.shape[1], -1)
        self.count += error.shape[1]
        self.channels = self.channels + error.sum(axis=1)
        wrong = [np.square(self.layer.sent(seen, t) - target).sum() for t in self.steps]
        self.squares = self.squares + np.array(wrong)
        return parts

    def result(self) -> LayerError:
        """Return the layer's figures."""
        power = self.power or 1.0  # a value that is 0 on all samples: absolute errors
        total = float(self.products.sum())
        shift = float(np.square(self.channels).sum() / self.count / total) if total > 0 else 0.0
        return LayerError(
            value=self.layer.value,
            kind=self.layer.kind,
            nodes=self.layer.nodes,
            added=getattr(self.layer, "added", False),
            moments=self.products / power,
            shift=shift,
            over_time=tuple(sqrt(square / power) for square in self.squares),
            output_error=self.output.error,
            agreement=self.output.share(self.output.agreed),
        )


@dataclass
class OutputTally:
    """Sums over the outputs of the spiking network, or of one that spikes up to some layer.

    Attributes:
        squares: Sum of the squared error.
        power: Sum of the squares of the ANN's outputs.
        classified: Samples whose outputs are scores of classes.
        agreed: Those among them with the ANN's answer.
        right: Those among them with the right answer.
    """

    squares: float = 0.0
    power: float = 0.0
    classified: int = 0
    agreed: int = 0
    right: int = 0

    def add(
        self, wanted: dict[str, Array], got: dict[str, Array], classes: str | None, labels: Array
    ) -> None:
        """Add a block of outputs.

        Args:
            wanted: The ANN's outputs.
            got: Those to compare.
            classes: Name of the output that scores classes, or None.
            labels: The right answers, or an empty array.
        """
        for name, value in wanted.items():
            self.squares += float(np.square(got[name] - value.astype(np.float64)).sum())
            self.power += float(np.square(value.astype(np.float64)).sum())
        if classes is not None:
            found, expected = (answers(scores[classes]) for scores in (got, wanted))
            self.classified += len(found)
            self.agreed += int(np.sum(found == expected))
            self.right += int(np.sum(found == labels)) if len(labels) else 0

    @property
    def error(self) -> float:
        """Root mean square of the error over that of the ANN's outputs."""
        return sqrt(self.squares / (self.power or 1.0))

    def share(self, samples: int) -> float | None:
        """Return a number of samples as a share; None where nothing was classified."""
        return samples / self.classified if self.classified else None


def answers(scores: Array) -> Array:
    """Return the index of the largest score of each sample."""
    return np.asarray(scores.reshape(len(scores), -1).argmax(axis=1))
