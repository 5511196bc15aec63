"""Ridge regression with the penalty chosen on samples that were held out.

For a layer that should deliver ``z`` from inputs ``f`` and delivers ``W f + b``, find the
change ``D`` of its weights that minimises ``|z - b' - (W + D) f|^2 + penalty * |D|^2``. With
centred moments ``G = cov(f)`` and ``B = cov(f, z - W f)`` the solution is
``D = (G + penalty)^-1 B``, and ``b'`` makes the means agree. A large penalty changes nothing
but ``b'``: where held-out samples gain nothing from new weights, they keep the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Array

PENALTIES = 10.0 ** np.arange(-5.0, 4.0)
"""Candidates, relative to the mean variance of an input."""

HELD_OUT = 4
"""One sample in so many chooses the penalty."""


@dataclass(frozen=True)
class Moments:
    """Sums over the rows of some samples.

    Attributes:
        count: Number of rows.
        features: Sum of the inputs, ``(inputs,)``.
        residuals: Sum of what is missing in the outputs, ``(outputs,)``.
        gram: Sum of products of inputs, ``(inputs, inputs)``.
        cross: Sum of products of inputs and residuals, ``(inputs, outputs)``.
    """

    count: int
    features: Array
    residuals: Array
    gram: Array
    cross: Array

    @classmethod
    def of(cls, features: Array, residuals: Array) -> Moments:
        """Return the moments of rows ``(rows, inputs)`` and ``(rows, outputs)``."""
        features, residuals = features.astype(np.float32), residuals.astype(np.float32)
        return cls(
            len(features),
            features.sum(axis=0, dtype=np.float64),
            residuals.sum(axis=0, dtype=np.float64),
            (features.T @ features).astype(np.float64),
            (features.T @ residuals).astype(np.float64),
        )

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.count + other.count,
            self.features + other.features,
            self.residuals + other.residuals,
            self.gram + other.gram,
            self.cross + other.cross,
        )

    def centred(self) -> tuple[Array, Array]:
        """Return the covariance of the inputs, and that of inputs and residuals."""
        mean = self.features / self.count
        gram = self.gram / self.count - np.outer(mean, mean)
        cross = self.cross / self.count - np.outer(mean, self.residuals / self.count)
        return gram, cross


def correction(fitted: Moments, held_out: Moments) -> tuple[Array, Array]:
    """Return what to add to weights and bias.

    Args:
        fitted: Moments of the samples the weights are fitted to.
        held_out: Moments of the samples that choose the penalty, for each output on its own.

    Returns:
        ``(outputs, inputs)`` and ``(outputs,)``.
    """
    gram, cross = fitted.centred()
    scale = float(np.trace(gram)) / len(gram)
    if scale <= 0:  # inputs that never vary: only the bias can help
        everything = fitted + held_out
        return np.zeros(cross.T.shape), everything.residuals / everything.count
    held_gram, held_cross = held_out.centred()
    values, vectors = np.linalg.eigh(gram)
    rotated = vectors.T @ cross
    least = np.zeros(cross.shape[1])  # no change: no gain
    chosen = np.full(cross.shape[1], np.inf)
    for penalty in PENALTIES * scale:
        change = vectors @ (rotated / (np.maximum(values, 0) + penalty)[:, None])
        # |r - D f|^2 on held-out rows, up to a constant: D G D - 2 D B
        loss = np.einsum("io,ij,jo->o", change, held_gram, change, optimize=True)
        loss -= 2 * np.einsum("io,io->o", change, held_cross)
        better = loss < least
        least, chosen = np.where(better, loss, least), np.where(better, penalty, chosen)
    everything = fitted + held_out
    gram, cross = everything.centred()
    values, vectors = np.linalg.eigh(gram)
    change = vectors @ ((vectors.T @ cross) / (np.maximum(values, 0)[:, None] + chosen[None, :]))
    mean = everything.features / everything.count
    return change.T, everything.residuals / everything.count - change.T @ mean
