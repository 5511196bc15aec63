"""The settings a search may choose from: code, time steps and payload cap."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...backends.target import Target
from ...ir.errors import OptionError
from ..options import AUTO, Options

STEPS = {"rate": (8, 16, 32, 64), "ternary": (4, 8, 16, 32), "augmented": (1, 2, 4, 8)}
"""Numbers of time steps for each code: as many as it takes from a coarse result to a good one."""

PAYLOADS = (4, 15)
"""Caps of an augmented spike: that of the default, and four bits."""


@dataclass(frozen=True)
class Setting:
    """One setting of the options a search chooses.

    Attributes:
        code: Name of the spike code.
        timesteps: T.
        max_payload: Largest coefficient of an augmented spike; None for other codes.
    """

    code: str
    timesteps: int
    max_payload: int | None = None

    def __str__(self) -> str:
        cap = f", K = {self.max_payload}" if self.max_payload else ""
        return f"{self.code}{cap}, T = {self.timesteps}"

    @property
    def family(self) -> Setting:
        """The setting with one time step: stands for all that differ in T only."""
        return replace(self, timesteps=1)

    def applied(self, options: Options) -> Options:
        """Return options with this setting."""
        return replace(
            options, code=self.code, timesteps=self.timesteps, max_payload=self.max_payload
        )


def candidates(options: Options, target: Target, most_steps: int | None) -> tuple[Setting, ...]:
    """Return the settings that go with what the user and the target ask for.

    Args:
        options: A code or a cap in them is kept; their T is not looked at.
        target: Where payloads may be graded and signed there are ``augmented`` and ``ternary``
            to choose from, where only signed ``ternary``, else ``rate``.
        most_steps: The largest T allowed, which is then a candidate itself; None for no limit.

    Raises:
        OptionError: The code is none that a search can set.
    """
    found = []
    for code in _codes(options, target):
        steps: tuple[int, ...] = STEPS[code]
        if most_steps is not None:
            steps = (*(t for t in steps if t < most_steps), most_steps)
        caps: tuple[int | None, ...] = (None,)
        if code == "augmented":
            caps = PAYLOADS if options.max_payload is None else (options.max_payload,)
        found += [Setting(code, t, cap) for cap in caps for t in steps]
    return tuple(found)


def _codes(options: Options, target: Target) -> tuple[str, ...]:
    if options.code not in (None, AUTO):
        if options.code not in STEPS:
            raise OptionError(
                f"--max-drop has no meaning for code {options.code!r}",
                hint=f"choose one of: {', '.join((AUTO, *STEPS))}",
            )
        return (str(options.code),)
    if not target.signed_payloads:
        return ("rate",)
    if not target.graded_payloads:
        return ("ternary",)
    # A cap is an option of augmented spikes only.
    return ("augmented", "ternary") if options.max_payload is None else ("augmented",)
