"""How large a node may be: a few bytes of a file can ask for terabytes."""

from __future__ import annotations

from math import prod

from .node import Node
from .ops import AveragePool, Conv, MaxPool
from .recurrence import Delay
from .types import TensorType

MOST_ELEMENTS = 1 << 27
"""Numbers that one value of one sample may have: half a gigabyte in single precision."""

LONGEST_IDENTITY = 1 << 13
"""Values of a vector that a matrix may hand on one by one: it has as many weights squared."""

LONGEST_NAME = 4096
"""Characters of the name of a node: an entry of an archive cannot have many more."""

MOST_AXES = 24
"""Axes of a value of one sample: NumPy 1 has 32 in all, and some are added on the way."""


def extent(node: Node, inputs: tuple[TensorType, ...], output: TensorType) -> int:
    """Return the size of the largest array that computing a node takes, for one sample.

    That is its value, or the image it reads with the padding around it, or its window. A stride
    counts as well: one larger than every image is nonsense that overflows somewhere. A delay keeps
    what it waits for.
    """
    sizes = [output.size]
    if isinstance(node, (AveragePool, Conv, MaxPool)):
        channels, height, width = inputs[0].shape
        top, left, bottom, right = node.padding
        sizes += [channels * (height + top + bottom) * (width + left + right), *node.stride]
    if isinstance(node, (AveragePool, MaxPool)):
        sizes.append(prod(node.kernel))
    if isinstance(node, Delay):
        sizes.append(output.size * (node.longest + 1))
    return max(sizes)
