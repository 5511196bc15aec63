"""Interpolation along an axis as a matrix: how much of each old place a new one takes.

A kernel says how much a place counts by its distance: a triangle for linear interpolation, two
cubic pieces for cubic one (Keys, IEEE Trans. ASSP 29, 1981). With antialiasing the kernel of a
smaller image is as much wider as the image is smaller, and its weights are brought to the sum 1.
Places outside of the image have the value at its border, or do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from ....ir import Array
from ..values import RefusalError
from .along import LARGEST

Kernel = Callable[[Array], Array]
"""From the distance of a place to how much it counts."""

_HINT = "resize smaller images, or with mode nearest"


def linear(distance: Array) -> Array:
    """Return the triangle of linear interpolation."""
    return np.maximum(1 - np.abs(distance), 0)


def cubic(a: float) -> Kernel:
    """Return the kernel of cubic interpolation, ``a`` its slope at distance 1."""

    def kernel(distance: Array) -> Array:
        d = np.abs(distance)
        near = ((a + 2) * d - (a + 3)) * d**2 + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.asarray(np.where(d <= 1, near, np.where(d < 2, far, 0.0)))

    return kernel


def interpolation(
    places: Array, size: int, kernel: Kernel, *, shrinking: float, only_inside: bool
) -> Array:
    """Return the matrix of an interpolation, ``(places after, places before)``.

    Args:
        places: For each place after, where it lies before.
        size: Places before.
        kernel: Zero from distance 2 on.
        shrinking: By how much distances are made smaller, at most 1: the factor of an image that
            is smaller and antialiased.
        only_inside: Whether places outside of the image do not count.
    """
    reach = ceil(2 / shrinking)
    if len(places) * max(size, 32 * reach) > LARGEST:
        raise RefusalError(f"mixes {size} places to {len(places)}", _HINT)
    near = np.floor(places).astype(np.int64)[:, None] + np.arange(-reach, reach + 2)
    counts = kernel((near - places[:, None]) * shrinking)
    if only_inside:
        counts = np.where((near >= 0) & (near < size), counts, 0.0)
    total = counts.sum(1, keepdims=True)
    if not np.all(np.abs(total) > 1e-9):
        raise RefusalError("has places that lie too far outside of the image", _HINT)
    weight = np.zeros((len(places), size))
    rows = np.broadcast_to(np.arange(len(places))[:, None], near.shape)
    np.add.at(weight, (rows, np.clip(near, 0, size - 1)), counts / total)
    return weight
