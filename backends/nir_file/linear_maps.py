"""What nodes of NIR without state compute, float64."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import product

import numpy as np

from ...ir import Array
from .nodes import Affine, Conv2d, Flatten, NirNode


def linear_map(node: NirNode, ignored: Collection[str] = ()) -> Callable[[Array], Array]:
    """Return what a node without state computes of a batch."""
    if isinstance(node, Affine):
        weight, offset = node.weight.astype(np.float64).T, node.bias.astype(np.float64)
        return lambda x: np.asarray(x @ weight + offset)
    if isinstance(node, Conv2d):
        bias = np.zeros(()) if "Conv2d.bias" in ignored else node.bias[:, None, None]
        return lambda x: convolved(node, x) + bias
    if isinstance(node, Flatten):
        return lambda x: x.reshape(len(x), -1)
    return lambda x: x


def convolved(node: Conv2d, x: Array) -> Array:
    """Return a convolution of ``(batch, in, height, width)`` without bias, float64."""
    rows, columns = node.padding
    grid = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    side = node.weight.shape[2]
    _, height, width = node.shape
    result = np.zeros((len(x), height, width, len(node.weight)))
    for i, j in product(range(side), repeat=2):
        if node.weight[:, :, i, j].any():  # zeros stand where a kernel was made square
            top, left = i * node.dilation[0], j * node.dilation[1]
            tap = grid[
                :,
                :,
                top : top + (height - 1) * node.stride[0] + 1 : node.stride[0],
                left : left + (width - 1) * node.stride[1] + 1 : node.stride[1],
            ]
            result += np.tensordot(tap, node.weight[:, :, i, j].astype(np.float64), ((1,), (1,)))
    return result.transpose(0, 3, 1, 2)
