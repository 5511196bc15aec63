"""Energy of single operations, as data: every constant with its source.

A constant without a published source does not stand here, and where nothing is published no
energy is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ir.errors import OptionError, suggestion

LOIHI2 = "loihi2"
HOROWITZ = (
    "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, "
    "45 nm, 0.9 V"
)
QUOTED = "published; figures as quoted by qualia-plugin-snn 15165fe and SpikingJelly afb1322"
COMPUTE_ONLY = (
    "compute only: memory, communication and static power are left out (in the same source one "
    "64-bit access to 8 KB of SRAM takes 10 pJ)"
)


@dataclass(frozen=True)
class Constant:
    """The energy of one operation.

    Attributes:
        name: The operation.
        value: In ``unit``.
        unit: Always picojoules here.
        source: Who published it.
        status: How the value was read.
    """

    name: str
    value: float
    unit: str
    source: str
    status: str


@dataclass(frozen=True)
class Hardware:
    """What operations cost on one kind of hardware.

    Attributes:
        name: The name on the command line.
        constants: By operation; empty where nothing is published.
        basis: What the figures mean and what they leave out.
    """

    name: str
    constants: Mapping[str, Constant]
    basis: str

    def joules(self, operation: str) -> float:
        """Return the energy of one operation, joules."""
        return self.constants[operation].value * 1e-12


def _horowitz(name: str, value: float) -> Constant:
    return Constant(name, value, "pJ", HOROWITZ, QUOTED)


HARDWARE: Mapping[str, Hardware] = {
    "horowitz-45nm": Hardware(
        name="horowitz-45nm",
        constants={
            "int8_mac": _horowitz("int8_mac", 0.23),  # multiplication 0.2, addition 0.03
            "int32_add": _horowitz("int32_add", 0.1),
            "int32_mac": _horowitz("int32_mac", 3.2),  # multiplication 3.1, addition 0.1
            "fp32_mac": _horowitz("fp32_mac", 4.6),  # multiplication 3.7, addition 0.9
            "fp32_add": _horowitz("fp32_add", 0.9),
        },
        basis=COMPUTE_ONLY,
    ),
    LOIHI2: Hardware(
        name=LOIHI2,
        constants={},
        basis="no energy per operation is published for Loihi 2, so none is given; published are "
        "ratios of speed to Loihi 1 and the energy of a few whole networks, from which no "
        "bracket for another network follows",
    ),
}


def get_hardware(name: str) -> Hardware:
    """Return the hardware of that name.

    Raises:
        OptionError: There is none.
    """
    if name not in HARDWARE:
        hint = f"{suggestion(name, HARDWARE)}choose one of: {', '.join(HARDWARE)}"
        raise OptionError(f"--hardware {name!r} is unknown", hint=hint)
    return HARDWARE[name]
