"""Names of nodes: any text in ONNX, but groups of HDF5, modules of torch and Python here."""

from __future__ import annotations

import re

LONGEST = 48
"""Letters of a name that are kept."""


class Names:
    """Gives names in order: ``n00_conv1``, ``n01_relu1``.

    The number keeps them apart and in the order of the network wherever they are sorted; readers
    take nodes in the order of their names, and some give up where that is not nearly the order of
    the edges (nirtorch: RecursionError). The ``n`` keeps them from being digits, Python keywords
    or attributes of a torch module.
    """

    def __init__(self, digits: int = 3) -> None:
        self.digits = digits
        self.count = 0

    def __call__(self, wanted: str) -> str:
        """Return the next name.

        >>> names = Names()
        >>> names("/conv1/Conv_output_0"), names("class")
        ('n000_conv1_Conv_output_0', 'n001_class')
        """
        plain = re.sub(r"^n\d+_(?=.)", "", wanted)  # of a network that was read from such a file
        clean = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:LONGEST]
        name = f"n{self.count:0{self.digits}}_{clean or 'node'}"
        self.count += 1
        return name
