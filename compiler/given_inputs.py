"""What a user says of a model's inputs, shapes and numbers, as plain tuples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index

import numpy as np

from ..ir.errors import OptionError


def plain_shapes(given: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of inputs as tuples of sizes above 0.

    Raises:
        OptionError: They are no shapes.
    """
    try:
        shapes = {str(n): tuple(map(index, s)) for n, s in dict(given).items()}
    except (TypeError, ValueError):
        raise OptionError(
            f"input shapes {given!r} are not names with whole numbers",
            hint="give e.g. {'x': (1, 3, 48, 320)}, on the command line x=1,3,48,320",
        ) from None
    for name, shape in shapes.items():
        if any(size < 1 for size in shape):
            raise OptionError(
                f"--input-shape {name}={','.join(map(str, shape))} has a size below 1",
                hint="give whole numbers above 0, the batch axis first",
            )
    return shapes


def plain_numbers(given: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Return the numbers of fixed inputs as tuples; one alone, or an array, is given as such too.

    Raises:
        OptionError: They are no numbers.
    """
    try:
        arrays = {str(name): np.asarray(numbers) for name, numbers in dict(given).items()}
    except (TypeError, ValueError):
        arrays = {"": np.array("")}
    if any(array.dtype.kind not in "biuf" or not array.size for array in arrays.values()):
        raise OptionError(
            f"fixed inputs {given!r} are not names with numbers",
            hint="give e.g. {'sr': 16000}, on the command line sr=16000",
        )
    return {name: tuple(array.reshape(-1).tolist()) for name, array in arrays.items()}
