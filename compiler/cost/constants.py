"""A constant of a model of energy: no value without unit, source, technology and status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LARGEST = 1e30
"""No figure is larger, in any unit."""

ENERGY: Mapping[str, float] = {"fJ": 1e-15, "pJ": 1e-12, "nJ": 1e-9}
"""Units of an energy of one operation, in joules."""

ENERGY_PER_BIT: Mapping[str, float] = {"fJ/bit": 1e-15, "pJ/bit": 1e-12}
"""Units of an energy of one bit, in joules."""

POWER: Mapping[str, float] = {"uW": 1e-6, "mW": 1e-3, "W": 1.0}
"""Units of a power, in watts."""

TIME: Mapping[str, float] = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}
"""Units of a time, in seconds."""

NUMBER: Mapping[str, float] = {"neurons": 1.0, "bits": 1.0}
"""Units of what a chip holds, and of points on a curve."""

UNITS: Mapping[str, float] = {**ENERGY, **ENERGY_PER_BIT, **POWER, **TIME, **NUMBER}
"""All units, in SI units."""

STATUSES: Mapping[str, str] = {
    "measured": "measured on silicon",
    "fitted": "fitted to measurements on silicon",
    "pre-silicon": "simulated by the vendor before there was silicon",
    "simulated": "simulated, or from synthesis",
    "published": "stated in a publication that does not say how it was found",
    "derived": "computed by us or others from published figures",
    "yours": "given by the user",
}
"""What a status means."""


class ConstantError(ValueError):
    """A field of a constant is missing or nonsense.

    Args:
        field: Which one.
        message: What is wrong with it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field, self.message = field, message


@dataclass(frozen=True)
class Constant:
    """One figure of a model of energy.

    Attributes:
        name: What it is the figure of.
        value: In ``unit``.
        unit: One of ``UNITS``.
        source: Who published it, and where it was read if not there.
        technology: Process and voltage, or what else it holds for.
        status: One of ``STATUSES``.

    Raises:
        ConstantError: A field is missing or nonsense.
    """

    name: str
    value: float
    unit: str
    source: str
    technology: str
    status: str

    def __post_init__(self) -> None:
        number = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        if not number or not abs(self.value) <= LARGEST:
            raise ConstantError("value", f"is {self.value!r} and no finite number")
        if self.value < 0:
            raise ConstantError("value", f"is {self.value} and below 0")
        if self.unit not in tuple(UNITS):  # it may be a list, which no dictionary takes
            raise ConstantError("unit", _none_of(self.unit, UNITS))
        for field in ("name", "source", "technology"):
            text = getattr(self, field)
            if not isinstance(text, str) or not any(letter.isalpha() for letter in text):
                raise ConstantError(field, "is missing")
        if self.status not in tuple(STATUSES):
            raise ConstantError("status", _none_of(self.status, STATUSES))

    @property
    def si(self) -> float:
        """The value in joules, joules a bit, watts, seconds, or as a number."""
        return self.value * UNITS[self.unit]


def _none_of(given: object, known: Iterable[str]) -> str:
    """Return what is wrong with a word that is not among the known ones."""
    found = "is missing, give" if given is None else f"is {given!r} and none of:"
    return f"{found} {', '.join(known)}"
