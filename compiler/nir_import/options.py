"""How to take what NIR leaves open: the options of ``snnc compile`` for a NIR file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from operator import index
from typing import Any

from ...backends.nir_file.continuous import DEFAULT_DT, EXACT, RULES, TimeStep
from ...backends.nir_file.file_contract import FileContract
from ...ir.errors import OptionError, suggestion
from ...ir.extent import MOST_ELEMENTS
from ..options import MOST_TIMESTEPS, Options
from ..target_settings import settings_for
from .discretisation import AUTO, GAINS, Discretisation
from .resets import RESETS

DEFAULT_TIMESTEPS = 100

NIR_ONLY = ("dt", "discretisation", "if_gain")
"""Options that say nothing about an ANN."""


@dataclass(frozen=True, kw_only=True)
class NirOptions:
    """The options of ``snnc compile`` that mean something for a NIR file.

    Attributes:
        timesteps: T: steps of one sample.
        dt: Length of a step in seconds; None for what a file of snnc says, else ``DEFAULT_DT``.
        discretisation: ``exact`` or ``euler``; see ``discretisation``. None for what a file of
            snnc says, else ``exact``.
        reset: What a spike does: ``auto`` as the file means it, ``subtract``, or ``zero``, which
            sets ``v_reset`` where the file has one; see ``resets``.
        if_gain: What ``r`` of a neuron without leak is: the gain of a ``step``, of a ``second``,
            or ``auto``; see ``discretisation``.
        max_elements: Numbers that one value of one sample may have.
        seed: Of the golden samples.
        nir_version: For target ``nir``; see its backend.
        nir_flavour: For target ``nir``; see its backend.
    """

    timesteps: int = DEFAULT_TIMESTEPS
    dt: float | None = None
    discretisation: str | None = None
    reset: str = AUTO
    if_gain: str = AUTO
    max_elements: int = MOST_ELEMENTS
    seed: int = 0
    nir_version: str | None = None
    nir_flavour: str | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "timesteps", index(self.timesteps))
            if self.dt is not None:
                object.__setattr__(self, "dt", float(self.dt))
        except (TypeError, ValueError):
            raise OptionError(
                f"--timesteps {self.timesteps!r} or --dt {self.dt!r} is no number",
                hint="give a whole number of steps, and seconds",
            ) from None
        if not 1 <= self.timesteps <= MOST_TIMESTEPS:
            raise OptionError(
                f"--timesteps {self.timesteps} is out of range",
                hint=f"give a whole number from 1 to {MOST_TIMESTEPS}",
            )
        if self.dt is not None and not (isfinite(self.dt) and self.dt > 0):
            raise OptionError(f"--dt {self.dt} is no length of a step", hint="give seconds above 0")
        for name, choices in (
            ("discretisation", (None, *RULES)),
            ("reset", RESETS),
            ("if_gain", GAINS),
        ):
            if getattr(self, name) not in choices:
                raise OptionError(
                    f"unknown --{name.replace('_', '-')} {getattr(self, name)!r}",
                    hint=f"choose one of: {', '.join(filter(None, choices))}",
                )

    def rule(self, contract: FileContract | None) -> Discretisation:
        """Return how the equations of a file become steps.

        Args:
            contract: What the file says of itself, or None.
        """
        said = contract.step if contract else TimeStep(DEFAULT_DT, EXACT)
        return Discretisation(
            said.dt if self.dt is None else self.dt,
            self.discretisation or said.rule,
            self.if_gain,
        )

    def settings_for(self, target: str) -> dict[str, str]:
        """Return what only one target knows, as its backend calls it; see ``Options``."""
        return settings_for(target, asdict(self))

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> NirOptions:
        """Return options by name; those left at the default of an ONNX model do not count.

        Raises:
            OptionError: One is unknown, out of range, or says something about an ANN.
        """
        known = {field.name for field in fields(cls)}
        of_ann = {field.name: field.default for field in fields(Options)}
        of_ann |= {"calibration": None, "max_drop": None}
        unknown = [name for name in given if name not in known | of_ann.keys()]
        if unknown:
            raise OptionError(
                f"unknown option {unknown[0]!r}",
                hint=f"{suggestion(unknown[0], known)}choose from: {', '.join(sorted(known))}",
            )
        foreign = [n for n in given if n not in known and given[n] not in (None, of_ann[n])]
        if foreign:
            refuse(foreign)
        return cls(**{n: each for n, each in given.items() if n in known and each is not None})

    def to_json(self) -> dict[str, Any]:
        """Return the options as they go into a manifest."""
        return asdict(self)


def refuse(names: list[str]) -> None:
    """Raise ``OptionError`` for options that have no meaning for a NIR file."""
    listed = ", ".join(f"--{name.replace('_', '-')}" for name in names)
    raise OptionError(
        f"{listed}: no meaning for a NIR file, which is a spiking network already",
        hint="leave " + ("them" if len(names) > 1 else "it") + " out",
    )
