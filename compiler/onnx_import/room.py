"""How much the network may take, whatever the file: checked node by node."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ...ir import Affine, Node, TensorType
from ...ir.compact import compact
from ...ir.extent import MOST_AXES, extent
from .operation import TOO_MUCH
from .values import RefusalError

MOST_WEIGHTS = 2**27 + 2**24
"""Numbers that all nodes may have together, whatever the file: each has a copy of what it reads.
VGG-19, whose published test file writes weights of one number out, has 144 million."""

NUMBERS_PER_BYTE = 4
"""And more for each byte of the file: two come of a byte of 4-bit weights, some are read twice."""

MOST_OTHERS = 2**22
"""Numbers of all that is no weight: scales, shifts, biases, and as many for each layer as it has
outputs, each at every place where places differ. A neuron has a dozen arrays of that size."""


class Room:
    """What is left for the nodes of a network.

    Attributes:
        left: Numbers that their weights may still have.
        rest: Numbers that all else may still have.

    Args:
        max_elements: Numbers that one value of one sample may have.
        file_bytes: Size of the model's file.
    """

    def __init__(self, max_elements: int, file_bytes: int) -> None:
        self.left = MOST_WEIGHTS + NUMBERS_PER_BYTE * file_bytes
        self.rest = MOST_OTHERS + NUMBERS_PER_BYTE * file_bytes
        self._max_elements = max_elements

    def take(self, node: Node, reads: tuple[TensorType, ...], type: TensorType) -> None:
        """Count a node.

        Raises:
            RefusalError: It takes too much, or has numbers that are none.
        """
        if len(type.shape) > MOST_AXES:
            raise RefusalError(
                f"has {len(type.shape)} axes, more than {MOST_AXES}", "use fewer axes"
            )
        if (most := extent(node, reads, type)) > self._max_elements:
            raise RefusalError(
                f"takes {most} numbers for one sample, more than {self._max_elements}",
                f"use smaller inputs, or allow it with --max-elements {most}",
            )
        for field in fields(node):
            array = getattr(node, field.name)
            if not isinstance(array, np.ndarray):
                continue
            if field.name == "weight":
                self.left -= array.size
                self.rest -= len(array)
            else:
                self.rest -= array.size
            if not np.isfinite(compact(array)).all():
                raise RefusalError(
                    f"its {field.name} has NaN or infinity", "mend the trained model"
                )
        if isinstance(node, Affine) and _differs_by_place(node, type):
            self.rest -= type.size
        if min(self.left, self.rest) < 0:
            self.left, self.rest = max(self.left, 0), max(self.rest, 0)
            raise RefusalError(*TOO_MUCH)


def _differs_by_place(node: Affine, type: TensorType) -> bool:
    """Whether a channel has more than one scale or shift: a sum of such has a number each place."""
    shapes = [(1,) * (len(type.shape) - p.ndim) + p.shape for p in (node.scale, node.shift)]
    return any(size > 1 for shape in shapes for size in shape[1:])
