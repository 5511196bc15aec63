"""The settings a search may choose from: code, time steps and payload cap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ...backends.target import Target
from ...ir.errors import OptionError
from ..options import AUTO, Options

STEPS: Mapping[str, tuple[int, ...]] = {
    "rate": (8, 16, 32, 64),
    "ternary": (4, 8, 16, 32),
    "augmented": (1, 2, 4, 8),
    "multithreshold": (1, 2, 4, 8),
    "radix": (2, 4, 6, 8),
}
"""T for each code: from a coarse result to a good one."""

PAYLOADS: Mapping[str, tuple[int, ...]] = {"augmented": (4, 15), "multithreshold": (8,)}
"""Caps: the default, and for augmented spikes all that four bits hold."""


@dataclass(frozen=True)
class Setting:
    """One setting of the options a search chooses.

    Attributes:
        code: Name of the spike code.
        timesteps: T.
        max_payload: Largest coefficient of a spike, ``auto`` for one chosen for each population,
            None for codes without coefficients.
    """

    code: str
    timesteps: int
    max_payload: int | str | None = None

    def __str__(self) -> str:
        return f"{self.named}, T = {self.timesteps}"

    @property
    def named(self) -> str:
        """The code and the cap in words."""
        return f"{self.code}, K = {self.max_payload}" if self.max_payload else self.code

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
        options: A code or a cap in them is kept, and settings that do not go with the other
            options are left out; their T is not looked at.
        target: Without a code there are ``augmented`` and ``ternary`` to choose from where
            payloads may be graded and signed, ``ternary`` where only signed, else ``rate``.
        most_steps: The largest T allowed, which is then a candidate itself; None for no limit.

    Raises:
        OptionError: No setting goes with the options.
    """
    refusals = {
        setting: _refusal(setting, options, target)
        for setting in _settings(options, target, most_steps)
    }
    found = tuple(setting for setting, error in refusals.items() if error is None)
    if not found:
        raise next(error for error in refusals.values() if error is not None)
    return found


def _refusal(setting: Setting, options: Options, target: Target) -> OptionError | None:
    """Return why a setting does not go with the options, or None."""
    try:
        setting.applied(options).code_for(target)
    except OptionError as error:
        return error
    return None


def _settings(options: Options, target: Target, most_steps: int | None) -> Iterator[Setting]:
    for code in _codes(options, target):
        steps = STEPS[code]
        if most_steps is not None:
            steps = (*(t for t in steps if t < most_steps), most_steps)
        caps = (options.max_payload,) if options.max_payload else PAYLOADS.get(code, (None,))
        for cap in caps:
            yield from (Setting(code, t, cap) for t in steps)


def _codes(options: Options, target: Target) -> tuple[str, ...]:
    if options.code is not None:
        if options.code not in STEPS:
            raise OptionError(
                f"--max-drop has no settings for code {options.code!r}",
                hint=f"choose one of: {', '.join((AUTO, *STEPS))}",
            )
        return (options.code,)
    if options.two_phase or options.reset or not target.signed_payloads:
        return ("rate",)
    if target.default_code:
        return (target.default_code,)
    return ("augmented", "ternary") if target.graded_payloads else ("ternary",)
