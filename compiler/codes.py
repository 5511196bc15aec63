"""The spike codes: settings of the one neuron, by the names of ``--code``."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.errors import OptionError

EXACT = "exact"
CODES = ("rate", "ternary", "augmented", "multithreshold", "radix", EXACT)
SELECTIONS = ("nearest", "greedy")

MOST_LEVELS = 1 << 16
"""Most levels of one value: the integer arithmetic of a population holds 24 bits."""


@dataclass(frozen=True)
class Code:
    """One spike code.

    Attributes:
        name: One of ``CODES``.
        max_positive: Largest payload of an event; for ``radix`` the largest value.
        max_negative: Largest magnitude of a negative payload; 0 for unsigned codes.
        deadband: 0: a neuron answers any negative membrane with a negative event; 1: only one
            of minus a whole threshold (the literal double threshold of TerMapping).
        guard: Whether a neuron behind a ReLU may take back only what it has sent.
        v_init: Membrane at the start, in thresholds.
        select: Which payload a membrane asks for; see ``ir.IF``.
        base: For ``radix``, and for ``exact`` with digits, their base; else 0.
        differential: Whether an event at step t is worth 1/t; see ``ir.DifferentialIF``.
        reset: What a spike does to the membrane; see ``ir.IF``.
    """

    name: str
    max_positive: int
    max_negative: int
    deadband: int = 0
    guard: bool = True
    v_init: float = 0.5
    select: str = "count"
    base: int = 0
    differential: bool = False
    reset: str = "subtract"

    def presentations(self, timesteps: int) -> int:
        """Return over how many steps a value is averaged: T, or 1 where it is sent once."""
        return 1 if self.base else timesteps


def make_code(
    name: str,
    *,
    timesteps: int = 8,
    max_payload: int | None = None,
    deadband: int | None = None,
    guard: bool | None = None,
    v_init: float | None = None,
    select: str | None = None,
    radix: int | None = None,
    differential: bool = False,
    reset: str | None = None,
) -> Code:
    """Return a code with its options.

    Args:
        name: ``rate`` (binary spikes), ``ternary`` (signed spikes), ``augmented`` (signed
            spikes that carry a coefficient), ``multithreshold`` (signed spikes that carry a
            power of two), ``radix`` (digits, layer after layer) or ``exact`` (what is missing
            to the value of a quantised ANN, in payloads or in digits).
        timesteps: T; for ``radix`` the number of digits.
        max_payload: Largest coefficient of an augmented spike, 4 by default, or of a
            multi-threshold spike, 8 by default; of one event of ``exact``, 15 by default.
        deadband: 0 or 1, for ``ternary`` and ``augmented``.
        guard: For signed codes.
        v_init: Initial membrane in thresholds, 0.5 by default; 0 for ``multithreshold``, whose
            rules round by themselves.
        select: ``nearest`` (default) or ``greedy``, for ``multithreshold``.
        radix: Base of the digits, 2 by default, for ``radix``; for ``exact``, where digits are
            wanted.
        differential: For ``ternary`` and ``multithreshold``.
        reset: ``subtract`` (default) or ``zero``, for ``rate``.

    Raises:
        OptionError: An option is out of range or has no meaning for the code.
    """
    if name not in CODES:
        raise OptionError(f"unknown code {name!r}", hint=f"choose one of: auto, {', '.join(CODES)}")
    if v_init is not None and not 0 <= v_init <= 1:
        raise OptionError(
            f"--v-init {v_init} is out of range", hint="give a value from 0 to 1, in thresholds"
        )
    signed = ("ternary", "augmented", "multithreshold")
    _only("--max-payload", max_payload, name, ("augmented", "multithreshold", EXACT))
    _only("--deadband", deadband, name, ("ternary", "augmented"))
    _only("--guard", guard, name, signed)
    _only("--select", select, name, ("multithreshold",))
    _only("--radix", radix, name, ("radix", EXACT))
    _only("--differential", differential or None, name, ("ternary", "multithreshold"))
    _only("--reset", reset, name, ("rate",))
    if name == EXACT:
        _only("--v-init", v_init, name, CODES[:-1])
        return _exact(15 if max_payload is None else max_payload, radix)
    start = 0.5 if v_init is None else v_init
    guarded = guard is not False
    if name == "rate":
        return Code(name, 1, 0, v_init=start, reset=reset or "subtract")
    if name == "radix":
        return _radix(2 if radix is None else radix, timesteps, start)
    if name == "multithreshold":
        most = _power_of_two(8 if max_payload is None else max_payload)
        rule = select or "nearest"
        if rule not in SELECTIONS:
            raise OptionError(
                f"unknown rule --select {rule!r}", hint=f"choose one of: {', '.join(SELECTIONS)}"
            )
        start = 0.0 if v_init is None else v_init
        return Code(name, most, most, 0, guarded, start, select=rule, differential=differential)
    if deadband not in (None, 0, 1):
        raise OptionError(f"--deadband {deadband} is out of range", hint="give 0 or 1")
    payload = 1 if name == "ternary" else 4 if max_payload is None else max_payload
    if not 1 <= payload <= 127 or (name == "augmented" and payload < 2):
        raise OptionError(
            f"--max-payload {payload} is out of range",
            hint="give a value from 2 to 127; --code ternary is the code with payload 1",
        )
    return Code(name, payload, payload, deadband or 0, guarded, start, differential=differential)


def _only(option: str, value: object, name: str, codes: tuple[str, ...]) -> None:
    """Raise ``OptionError`` where an option is given that a code does not know."""
    if value is not None and name not in codes:
        raise OptionError(
            f"{option} has no meaning for code {name!r}",
            hint="use " + " or ".join(f"--code {code}" for code in codes),
        )


def _radix(base: int, digits: int, start: float) -> Code:
    if base < 2 or base**digits > MOST_LEVELS:
        raise OptionError(
            f"--radix {base} with --timesteps {digits} makes {base ** max(1, digits)} levels",
            hint=f"give a base of 2 or more, and at most {MOST_LEVELS} levels",
        )
    return Code("radix", base**digits - 1, 0, v_init=start, base=base)


def _exact(payload: int, radix: int | None) -> Code:
    if not 1 <= payload < MOST_LEVELS:
        raise OptionError(
            f"--max-payload {payload} is out of range",
            hint=f"give a value from 1 to {MOST_LEVELS - 1}",
        )
    if radix is not None and not 2 <= radix < MOST_LEVELS:
        raise OptionError(f"--radix {radix} is out of range", hint="give a base of 2 or more")
    return Code(EXACT, payload, payload, base=radix or 0)


def _power_of_two(payload: int) -> int:
    if not 1 <= payload <= 64 or payload & (payload - 1):
        raise OptionError(
            f"--max-payload {payload} is no power of two from 1 to 64",
            hint="give 1, 2, 4, 8, 16, 32 or 64",
        )
    return payload
