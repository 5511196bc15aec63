"""How much the network may take, whatever the file: checked node by node."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ...ir import Node, TensorType
from ...ir.extent import MOST_AXES, extent
from .operation import TOO_MUCH
from .values import RefusalError

MOST_WEIGHTS = 2**27 + 2**24
"""Numbers that all nodes may have together, whatever the file: each has a copy of what it reads.
VGG-19, whose published test file writes weights of one number out, has 144 million."""

NUMBERS_PER_BYTE = 4
"""And more for each byte of the file: two come of a byte of 4-bit weights, some are read twice."""


class Room:
    """What is left for the nodes of a network.

    Attributes:
        left: Numbers that their arrays may still have.

    Args:
        max_elements: Numbers that one value of one sample may have.
        file_bytes: Size of the model's file.
    """

    def __init__(self, max_elements: int, file_bytes: int) -> None:
        self.left = MOST_WEIGHTS + NUMBERS_PER_BYTE * file_bytes
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
            self.left -= array.size
            if self.left < 0:
                self.left = 0
                raise RefusalError(*TOO_MUCH)
            if not np.isfinite(array).all():
                raise RefusalError(
                    f"its {field.name} has NaN or infinity", "mend the trained model"
                )
