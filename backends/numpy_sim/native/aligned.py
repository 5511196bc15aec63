"""Arrays that begin where a line of the cache does: kernels then never load across two of them."""

from __future__ import annotations

import numpy as np

from ....ir import Array

LINE = 64
"""Bytes of a line, and of the widest registers."""


def aligned(values: Array) -> Array:
    """Return a contiguous array with the same values that begins at a line."""
    memory = np.empty(values.nbytes + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    copy = memory[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
