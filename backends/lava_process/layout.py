"""Lava keeps images as width x height x channels: the axes of a graph's edge, reversed.

An edge of any rank is laid out with its axes reversed, so a vector stays as it is.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ...ir import Array, Gather, Rearrange


def lava_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an edge in Lava.

    >>> lava_shape((6, 28, 14)), lava_shape((10,))
    ((14, 28, 6), (10,))
    """
    return shape[::-1]


def to_lava(batch: Array) -> Array:
    """Lay out ``(batch, *shape)`` for Lava, contiguously."""
    return np.ascontiguousarray(batch.transpose(0, *range(batch.ndim - 1, 0, -1)))


def lava_parameter(parameter: Array, rank: int) -> Array:
    """Lay out a parameter that broadcasts to an edge so that it broadcasts to it in Lava.

    >>> lava_parameter(np.ones((6, 1, 1)), 3).shape, lava_parameter(np.ones(14), 3).shape
    ((1, 1, 6), (14, 1, 1))
    """
    return parameter.reshape((1,) * (rank - parameter.ndim) + parameter.shape).transpose()


def lava_order(shape: tuple[int, ...]) -> Array:
    """Return, for each place of a flattened Lava edge, its place in the flattened graph edge.

    >>> lava_order((2, 1, 3))
    array([0, 3, 1, 4, 2, 5])
    """
    order: Array = np.arange(prod(shape)).reshape(shape).transpose().ravel()
    return order


def lava_rearrangement(node: Gather | Rearrange, shape: tuple[int, ...]) -> Array:
    """Return, for each place behind a move, its place before, both flat in Lava's order.

    Where nothing is read stands -1.

    Args:
        node: The move.
        shape: Shape of what it reads, channels first.
    """
    before = np.empty(prod(shape), np.int64)
    before[lava_order(shape)] = np.arange(prod(shape))
    moved = node.moved(before.reshape(shape), leading=0, blank=-1)
    order: Array = moved.ravel()[lava_order(moved.shape)]
    return order


def same_order(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether a reshape from one to the other leaves the order of a Lava edge as it is.

    >>> same_order((400,), (400, 1, 1)), same_order((16, 5, 5), (400,))
    (True, False)
    """
    return [size for size in first if size > 1] == [size for size in second if size > 1]
