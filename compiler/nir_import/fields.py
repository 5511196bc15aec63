"""The fields of one node of a file, checked one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...ir import Array
from .tree import Group

MOST = 1 << 31
"""Largest size, stride or padding: more is nonsense that overflows somewhere."""


class FieldError(Exception):
    """A field is missing or holds what it must not; says only what is wrong."""


@dataclass(frozen=True)
class Fields:
    """Typed access to the fields of a node.

    Attributes:
        group: The node's group in the file.
    """

    group: Group

    def has(self, name: str) -> bool:
        """Whether the file gives a field."""
        return name in self.group.entries

    def text(self, name: str) -> str:
        """Return a text."""
        found = self._entry(name)
        if not isinstance(found, str):
            raise FieldError(f"{name} is no text")
        return found

    def array(self, name: str, axes: int | None = None) -> Array:
        """Return real numbers, float64; with so many axes, where that is said."""
        found = self._entry(name)
        if not isinstance(found, np.ndarray):
            raise FieldError(f"{name} holds no numbers")
        if axes is not None and found.ndim != axes:
            raise FieldError(f"{name} has shape {found.shape}, but needs {axes} axes")
        numbers = found.astype(np.float64)
        if not numbers.size or not np.isfinite(numbers).all():
            raise FieldError(f"{name} is empty, or holds NaN or infinity")
        return numbers

    def optional(self, name: str) -> Array | None:
        """Return real numbers, or None where there are none."""
        return self.array(name) if self.has(name) else None

    def positive(self, name: str) -> Array:
        """Return real numbers above 0."""
        numbers = self.array(name)
        if not (numbers > 0).all():
            raise FieldError(f"{name} is not above 0 everywhere")
        return numbers

    def whole(self, name: str, low: int, count: int | None = None) -> tuple[int, ...]:
        """Return whole numbers not below ``low``; one is repeated where ``count`` are needed."""
        found = self._entry(name)
        if not isinstance(found, np.ndarray):
            raise FieldError(f"{name} holds no numbers")
        numbers = np.atleast_1d(found)
        fits = numbers.ndim == 1 and 0 < len(numbers) <= 32
        if not fits or not ((numbers == np.floor(numbers)) & (np.abs(numbers) < MOST)).all():
            raise FieldError(f"{name} is no list of whole numbers")
        listed = tuple(int(number) for number in numbers)
        if min(listed) < low:
            raise FieldError(f"{name} is {listed}, but must not be below {low}")
        if count is None:
            return listed
        if len(listed) not in (1, count):
            raise FieldError(f"{name} is {listed}, but needs {count} numbers")
        return listed if len(listed) == count else listed * count

    def padding(self, axes: int) -> tuple[int, ...] | Literal["same"]:
        """Return the padding of a convolution: numbers, ``same``, or ``valid`` for none."""
        if isinstance(self._entry("padding"), str):
            word = self.text("padding")
            if word == "same":
                return "same"
            if word == "valid":
                return (0,) * axes
            raise FieldError(f"padding {word!r} is neither 'same' nor 'valid'")
        return self.whole("padding", 0, axes)

    def _entry(self, name: str) -> Group | Array | str | list[str]:
        if name not in self.group.entries:
            raise FieldError(f"has no {name}")
        return self.group.entries[name]
