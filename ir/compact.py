"""Arithmetic on arrays that say the same numbers again and again, without writing them out.

A few bytes of a file can stand for a weight of a hundred million equal numbers. NumPy holds such
an array as a view with a stride of 0; but as soon as something multiplies it, it takes all of its
memory. Here what comes out of such arrays is such an array again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .types import Array


def compact(array: Array) -> Array:
    """Return the numbers of an array, once where they stand in a row of views.

    Returns:
        A view of as many axes, with size 1 along those where the array repeats its numbers.

    >>> compact(np.broadcast_to(np.ones((2, 1)), (2, 1000))).shape
    (2, 1)
    """
    if array.size == 0 or array.ndim == 0:
        return array
    strides = zip(array.strides, array.shape, strict=True)
    return array[tuple(slice(size if stride else 1) for stride, size in strides)]


def elementwise(function: Callable[..., Array], *arrays: Array) -> Array:
    """Return a function of arrays, number by number, as a view where all repeat theirs.

    >>> elementwise(np.multiply, np.broadcast_to(2.0, (3, 4)), np.ones((3, 1))).strides
    (8, 0)
    """
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    found = np.asarray(function(*map(compact, arrays)))
    return found if found.shape == shape else np.broadcast_to(found, shape)
