"""The integers behind the weights of a quantised layer."""

from __future__ import annotations

import numpy as np

from ...ir import Array, Conv, Linear

TOLERANCE = 1e-9
"""How far a weight may be from a whole multiple of its scale, relative to the weight: it is the
product of the two in float64, perhaps multiplied by further constants."""

SINGLE = 2e-7
"""Likewise where weight and scale were each rounded to float32, by 6e-8."""

MOST = 255
"""Largest integer that is looked for in weights that come without a scale."""


def integer_weights(node: Conv | Linear) -> tuple[Array, Array] | None:
    """Return the weights of a layer as integers, with their scale.

    Without a ``weight_scale`` the weights are taken for integers where they are seen to be:
    whole multiples, up to ``MOST``, of the smallest of them, in all or in each output channel.
    That is so for the constant weights of a mean, of a branch, of a sign.

    Returns:
        int64 weights including ``copies``, and their scale ``(1,)`` or ``(out,)``; or None.
    """
    weight = node.weight.astype(np.float64) * node.copies
    if node.weight_scale is not None:
        return _multiples(weight, node.weight_scale.astype(np.float64), TOLERANCE)
    rows = np.abs(weight).reshape(len(weight), -1)
    smallest = np.where(rows > 0, rows, np.inf).min(axis=1)
    for unit in (smallest.min(keepdims=True), smallest):
        found = _multiples(weight, np.where(np.isfinite(unit), unit, 1.0), SINGLE)
        if found is not None and np.abs(found[0]).max() <= MOST:
            return found
    return None


def _multiples(weight: Array, scale: Array, tolerance: float) -> tuple[Array, Array] | None:
    """Return weights in units of a scale, or None where they are no integers."""
    units = weight / scale.reshape(-1, *(1,) * (weight.ndim - 1))
    whole = np.rint(units)
    if np.any(np.abs(units - whole) > tolerance * np.maximum(1, np.abs(whole))):
        return None
    return whole.astype(np.int64), scale
