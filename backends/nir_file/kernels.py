"""Convolutions as every reader of NIR takes them: one group, square kernels, equal borders.

``nir`` 1.0.8 checks types with the channels of one group only, and infers both sides of an image
from the height of the kernel; SpikingJelly and others refuse groups; NIR has one padding for both
sides. Each is gone round by zeros in the kernel, which change no sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...ir import Array, Conv
from ...ir.shapes import Pair


@dataclass(frozen=True)
class Axis:
    """Zeros around a kernel and around an image, along one axis.

    Attributes:
        zeros: Kernel elements added at the beginning and at the end.
        padding: Zeros on both sides of the image.
    """

    zeros: Pair
    padding: int


def plain(node: Conv, size: Pair) -> Conv | None:
    """Return the same convolution with one group, a square kernel and equal borders.

    Args:
        node: A convolution; its parallel copies become one.
        size: Height and width of its input.

    Returns:
        The convolution, or None where borders alike on both sides cannot give the same: where one
        side of the kernel with what its borders differ by is even and the other is odd.
    """
    found = _square(node, size)
    if found is None and max(node.dilation) > 1:
        found = _square(undilated(node), size)
    return found


def _square(node: Conv, size: Pair) -> Conv | None:
    kernel = node.weight.shape[2:]
    ends = ((node.padding[0], node.padding[2]), (node.padding[1], node.padding[3]))
    uneven = max(abs(end - begin) for begin, end in ends)
    for length in range(max(kernel), 3 * max(kernel) + uneven + 1):
        rows, columns = (
            lengthened(size[i], kernel[i], length, node.stride[i], ends[i], node.dilation[i])
            for i in (0, 1)
        )
        if rows and columns:
            weight = ungrouped(node.weight.astype(np.float64), node.groups) * node.copies
            return replace(
                node,
                weight=np.pad(weight, ((0, 0), (0, 0), rows.zeros, columns.zeros)),
                padding=(rows.padding, columns.padding) * 2,
                groups=1,
                copies=1,
            )
    return None


def lengthened(
    size: int, kernel: int, length: int, stride: int, ends: Pair, dilation: int
) -> Axis | None:
    """Return how a kernel gets a length with equal borders, or None where it does not.

    With ``z`` zeros before the kernel, output ``i`` reads ``x[i*s + (k + z)*d - P]``, which is
    ``x[i*s + k*d - begin]`` exactly when ``P = begin + z*d``; the number of outputs must stay.

    >>> lengthened(size=28, kernel=1, length=3, stride=1, ends=(0, 0), dilation=1)
    Axis(zeros=(1, 1), padding=1)
    """
    begin, end = ends
    outputs = (size + begin + end - dilation * (kernel - 1) - 1) // stride
    for before in range(length - kernel + 1):
        padding = begin + before * dilation
        if (size + 2 * padding - dilation * (length - 1) - 1) // stride == outputs:
            return Axis((before, length - kernel - before), padding)
    return None


def undilated(node: Conv) -> Conv:
    """Return the same convolution with zeros in the kernel in the place of dilation."""
    out, inputs, *kernel = node.weight.shape
    sides = [d * (k - 1) + 1 for d, k in zip(node.dilation, kernel, strict=True)]
    weight = np.zeros((out, inputs, *sides), node.weight.dtype)
    weight[:, :, :: node.dilation[0], :: node.dilation[1]] = node.weight
    return replace(node, weight=weight, dilation=(1, 1))


def ungrouped(weight: Array, groups: int) -> Array:
    """Return weights ``(out, in / groups, ...)`` as those of one group, ``(out, in, ...)``.

    >>> ungrouped(np.ones((2, 1, 1, 1)), 2)[..., 0, 0].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if groups == 1:
        return weight
    out, own = weight.shape[0] // groups, weight.shape[1]
    whole = np.zeros((weight.shape[0], own * groups, *weight.shape[2:]), weight.dtype)
    for group in range(groups):
        rows = slice(group * out, (group + 1) * out)
        whole[rows, group * own : (group + 1) * own] = weight[rows]
    return whole
