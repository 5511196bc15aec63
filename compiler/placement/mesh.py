"""The mesh of routers that cores hang on, over one chip or several side by side."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isqrt

import numpy as np

from ...backends.chips import Chip
from ...ir import Array


@dataclass(frozen=True)
class Mesh:
    """Places for cores, numbered chip by chip, router by router along the rows of a chip.

    Attributes:
        columns: Routers from west to east, over all chips.
        rows: Routers from north to south.
        x: Column of the router of each place, int64.
        y: Row of the router of each place.
        chip: Chip of each place.
    """

    columns: int
    rows: int
    x: Array
    y: Array
    chip: Array

    @property
    def places(self) -> int:
        """Number of places."""
        return len(self.x)


def mesh_of(chip: Chip, cores: int) -> Mesh:
    """Return the mesh of as many chips as some cores need.

    Several chips stand in a near-square grid, and their meshes continue into each other: how
    chips of a real board are wired is not modelled.

    Args:
        chip: The chip.
        cores: Number of cores, at least 1.
    """
    chips = ceil(cores / int(chip.cores.value))
    wide = isqrt(chips - 1) + 1
    high = ceil(chips / wide)
    place = np.arange(chips * int(chip.cores.value))
    number, on_chip = np.divmod(place, int(chip.cores.value))
    row, column = np.divmod(on_chip // chip.cores_per_router, chip.columns)
    return Mesh(
        columns=wide * chip.columns,
        rows=high * chip.rows,
        x=number % wide * chip.columns + column,
        y=number // wide * chip.rows + row,
        chip=number,
    )
