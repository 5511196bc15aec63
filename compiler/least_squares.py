"""Weighted ridge regression with the penalty chosen on samples that were held out.

For a layer that should deliver ``z`` from inputs ``f`` and delivers ``g``, find the change
``D`` of its weights and ``b`` of its bias that minimise

    sum over rows of  w * (z - g - b - D f)**2  +  rows * penalty * |D|**2 .

Behind a ReLU an error is of no account where the layer should be silent and is: there the
weight ``w`` is small, and it depends on what the layer delivers. So the problem is solved by
conjugate gradients (Polak and Ribiere, with exact line search), with the factorised problem of
equal weights as preconditioner: for equal weights the first step is the answer. A large
penalty changes nothing but the bias: where held-out samples gain nothing from new weights,
they keep the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Array

PENALTIES = 10.0 ** np.arange(-5.0, 4.0)
"""Candidates, relative to the mean variance of an input."""

HELD_OUT = 4
"""One sample in so many chooses the penalty."""

UNIMPORTANT = 0.1
"""Weight of a row where the layer should be silent and is."""

STEPS = 6
"""Iterations of the weighted problem."""

FEW_STEPS = 2
"""Iterations for each penalty that is only compared with others."""

TINY = 1e-30
"""Keeps quotients of what is nothing finite."""


@dataclass(frozen=True)
class Rows:
    """What a regression is fitted to.

    Attributes:
        features: Inputs, ``(rows, inputs)``.
        wanted: What should come out, ``(rows, outputs)``.
        given: What comes out now, ``(rows, outputs)``.
    """

    features: Array
    wanted: Array
    given: Array

    def part(self, chosen: Array) -> Rows:
        """Return some of the rows."""
        return Rows(self.features[chosen], self.wanted[chosen], self.given[chosen])


@dataclass(frozen=True)
class Direction:
    """Where to go from some weights and bias.

    Attributes:
        change: Of the weights, ``(inputs, outputs)``.
        bias: Change of the bias, ``(outputs,)``.
    """

    change: Array
    bias: Array

    def __add__(self, other: Direction) -> Direction:
        return Direction(self.change + other.change, self.bias + other.bias)

    def __sub__(self, other: Direction) -> Direction:
        return Direction(self.change - other.change, self.bias - other.bias)

    def __mul__(self, factor: Array) -> Direction:
        return Direction(self.change * factor, self.bias * factor)

    def along(self, other: Direction) -> Array:
        """Return the inner product for each output, ``(outputs,)``."""
        return np.asarray((self.change * other.change).sum(axis=0) + self.bias * other.bias)


class _Problem:
    """The rows of one fit, with their factorised moments."""

    def __init__(self, rows: Rows) -> None:
        self.features = rows.features.astype(np.float32)
        self.wanted, self.given = rows.wanted, rows.given
        self.count = len(self.features)
        self.mean = self.features.mean(axis=0, dtype=np.float64)
        gram = (self.features.T @ self.features).astype(np.float64) / self.count
        gram -= np.outer(self.mean, self.mean)
        self.scale = float(np.trace(gram)) / max(1, len(gram))
        values, self.vectors = np.linalg.eigh(gram)
        self.values = np.maximum(values, 0)

    def solve(self, penalty: Array, silent: float, steps: int) -> tuple[Array, Array]:
        """Return change and bias; where a penalty is infinite the weights do not change."""
        stays = np.isinf(penalty)
        penalty = np.where(stays, 1.0, penalty)
        residuals = self.wanted - self.given
        bias = residuals.mean(axis=0, dtype=np.float64)
        residuals = residuals - bias.astype(np.float32)
        change = np.zeros((self.features.shape[1], len(bias)))
        before: Direction | None = None
        direction = Direction(change, np.zeros_like(bias))
        slope: Array = np.ones_like(bias)
        for _ in range(1 if silent == -np.inf else steps):
            weight = self.importance(residuals, silent)
            gradient = self._gradient(weight * residuals, penalty * change)
            found = self._preconditioned(gradient, penalty, stays)
            turn = 0.0 if before is None else gradient.along(found - before) / slope
            direction = found + direction * np.maximum(turn, 0.0)
            slope = np.maximum(gradient.along(found), TINY)
            moved = self.delivered(direction)
            curve = (weight * np.square(moved)).mean(axis=0, dtype=np.float64)
            curve = curve + penalty * np.square(direction.change).sum(axis=0)
            length = gradient.along(direction) / np.maximum(curve, TINY)
            change, bias = change + direction.change * length, bias + direction.bias * length
            residuals = residuals - moved * length.astype(np.float32)
            before = found
        return change, bias

    def importance(self, residuals: Array, silent: float) -> Array:
        """Return the weight of every row for every output."""
        unimportant = (self.wanted < silent) & (self.wanted - residuals < silent)
        return np.where(unimportant, np.float32(UNIMPORTANT), np.float32(1))

    def delivered(self, direction: Direction) -> Array:
        """Return what a change adds to the outputs, ``(rows, outputs)``, float32."""
        added = self.features @ direction.change.astype(np.float32)
        return np.asarray(added + direction.bias.astype(np.float32))

    def loss(self, change: Array, bias: Array, silent: float) -> Array:
        """Return the mean weighted square of what is missing, ``(outputs,)``."""
        residuals = self.wanted - self.given - self.delivered(Direction(change, bias))
        weighted = self.importance(residuals, silent) * np.square(residuals)
        return np.asarray(weighted.mean(axis=0, dtype=np.float64))

    def _gradient(self, weighted: Array, shrinking: Array) -> Direction:
        cross = (self.features.T @ weighted).astype(np.float64) / self.count
        return Direction(cross - shrinking, weighted.mean(axis=0, dtype=np.float64))

    def _preconditioned(self, gradient: Direction, penalty: Array, stays: Array) -> Direction:
        """Return the way to the answer, were all rows equally important."""
        centred = gradient.change - np.outer(self.mean, gradient.bias)
        rotated = self.vectors.T @ centred / (self.values[:, None] + penalty[None, :])
        change = np.where(stays, 0.0, self.vectors @ rotated)
        return Direction(change, gradient.bias - self.mean @ change)


def correction(rows: Rows, held_out: Array, silent: float = -np.inf) -> tuple[Array, Array]:
    """Return what to add to weights and bias.

    Args:
        rows: What the layer receives, should deliver and delivers.
        held_out: Which rows choose the penalty, for each output on its own.
        silent: Where wanted and delivered are both below, an error does not matter.

    Returns:
        ``(outputs, inputs)`` and ``(outputs,)``.
    """
    fitted, judge = _Problem(rows.part(~held_out)), _Problem(rows.part(held_out))
    chosen: Array = np.full(rows.wanted.shape[1], np.inf)
    least = judge.loss(*fitted.solve(chosen, silent, FEW_STEPS), silent)
    if fitted.scale > 0:  # else the inputs never vary: only the bias can help
        for penalty in PENALTIES * fitted.scale:
            found = fitted.solve(np.full_like(chosen, penalty), silent, FEW_STEPS)
            loss = judge.loss(*found, silent)
            better = loss < least
            least, chosen = np.where(better, loss, least), np.where(better, penalty, chosen)
    change, bias = _Problem(rows).solve(chosen, silent, STEPS)
    return change.T, bias
