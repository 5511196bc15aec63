"""The spike codes: settings of the one neuron, by the names of ``--code``."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.errors import OptionError

CODES = ("rate", "ternary", "augmented")


@dataclass(frozen=True)
class Code:
    """One spike code.

    Attributes:
        name: One of ``CODES``.
        max_positive: Largest payload of an event.
        max_negative: Largest magnitude of a negative payload; 0 for unsigned codes.
        deadband: 0: a neuron answers any negative membrane with a negative event; 1: only one
            of minus a whole threshold (the literal double threshold of TerMapping).
        guard: Whether a neuron behind a ReLU may take back only what it has sent.
        v_init: Membrane at the start, in thresholds.
    """

    name: str
    max_positive: int
    max_negative: int
    deadband: int = 0
    guard: bool = True
    v_init: float = 0.5


def make_code(
    name: str,
    *,
    max_payload: int | None = None,
    deadband: int | None = None,
    guard: bool | None = None,
    v_init: float = 0.5,
) -> Code:
    """Return a code with its options.

    Args:
        name: ``rate`` (binary spikes), ``ternary`` (signed spikes) or ``augmented`` (signed
            spikes that carry a coefficient).
        max_payload: Largest coefficient of an augmented spike; 4 by default.
        deadband: 0 or 1, for signed codes.
        guard: For signed codes.
        v_init: Initial membrane in thresholds.

    Raises:
        OptionError: An option is out of range or has no meaning for the code.
    """
    if name not in CODES:
        raise OptionError(f"unknown code {name!r}", hint=f"choose one of: auto, {', '.join(CODES)}")
    if not 0 <= v_init <= 1:
        raise OptionError(
            f"--v-init {v_init} is out of range", hint="give a value from 0 to 1, in thresholds"
        )
    if name != "augmented" and max_payload is not None:
        raise OptionError(
            f"--max-payload has no meaning for code {name!r}", hint="use --code augmented"
        )
    if name == "rate":
        if deadband is not None or guard is not None:
            raise OptionError(
                "--deadband and --guard are about negative events, and code 'rate' has none",
                hint="use --code ternary or --code augmented",
            )
        return Code(name, 1, 0, v_init=v_init)
    if deadband not in (None, 0, 1):
        raise OptionError(f"--deadband {deadband} is out of range", hint="give 0 or 1")
    payload = 1 if name == "ternary" else 4 if max_payload is None else max_payload
    if not 1 <= payload <= 127 or (name == "augmented" and payload < 2):
        raise OptionError(
            f"--max-payload {payload} is out of range",
            hint="give a value from 2 to 127; --code ternary is the code with payload 1",
        )
    return Code(name, payload, payload, deadband or 0, guard is not False, v_init)
