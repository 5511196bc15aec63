"""Everything a user can choose about a compilation, checked in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from operator import index
from typing import Any

from ..ir.errors import OptionError
from .codes import Code, make_code
from .thresholds import ThresholdRule

CORRECTIONS = ("none", "reconstruct")

AUTO = "auto"
"""The code that stands for the target's default."""

DEFAULT_CODE = "augmented"
"""For targets that take graded payloads; a target without them gets the richest code it takes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of ``snnc compile``; every one has a default that works.

    Attributes:
        code: Name of the spike code; ``auto``, and None, for the target's default.
        timesteps: T: steps a sample is presented for.
        thresholds: Threshold rule, or None for ``mmse`` (``max`` on synthetic calibration data).
        percentile: For the rule ``percentile``.
        per_channel: Whether each channel has a threshold of its own, or None for yes with real
            calibration data and no with synthetic ones.
        correction: One of ``CORRECTIONS``, or None for ``reconstruct`` with real calibration data
            and ``none`` with synthetic ones.
        weight_bits: Width of integer weights, 2 to 8, or None for real weights.
        input_bits: Width of the quantised input, 2 to 8; unused with real weights.
        max_payload: Largest coefficient of an augmented spike.
        deadband: 0 or 1; see ``codes.Code``.
        guard: See ``codes.Code``.
        v_init: Initial membrane in thresholds.
        seed: Of the synthetic calibration data, and of what a search draws.
    """

    code: str | None = None
    timesteps: int = 8
    thresholds: str | None = None
    percentile: float = 99.9
    per_channel: bool | None = None
    correction: str | None = None
    weight_bits: int | None = 8
    input_bits: int = 8
    max_payload: int | None = None
    deadband: int | None = None
    guard: bool | None = None
    v_init: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("timesteps", "weight_bits", "input_bits", "max_payload", "deadband", "seed"):
            self._coerce(name, index, "a whole number")
        for name in ("percentile", "v_init"):
            self._coerce(name, float, "a number")
        _in_range("--timesteps", self.timesteps, 1, 65536)
        if self.weight_bits is not None:
            _in_range("--weight-bits", self.weight_bits, 2, 8)
        _in_range("--input-bits", self.input_bits, 2, 8)
        if self.correction not in (None, *CORRECTIONS):
            raise OptionError(
                f"unknown correction {self.correction!r}",
                hint=f"choose one of: {', '.join(CORRECTIONS)}",
            )
        if self.seed < 0:
            raise OptionError(f"--seed {self.seed} is negative", hint="give 0 or more")

    def _coerce(self, name: str, kind: Callable[[Any], Any], wanted: str) -> None:
        """Make an option a plain Python number: NumPy's do not go into a manifest."""
        value = getattr(self, name)
        if value is None:
            return
        try:
            object.__setattr__(self, name, kind(value))
        except (TypeError, ValueError):
            option = f"--{name.replace('_', '-')}"
            raise OptionError(f"{option} {value!r} is no number", hint=f"give {wanted}") from None

    def make_code(self, *, signed: bool, graded: bool) -> Code:
        """Return the code, or the richest one that a target can take.

        Args:
            signed: Whether the target takes negative payloads.
            graded: Whether it takes payloads above 1.
        """
        default = DEFAULT_CODE if graded and signed else "ternary" if signed else "rate"
        return make_code(
            default if self.code is None or self.code == AUTO else self.code,
            max_payload=self.max_payload,
            deadband=self.deadband,
            guard=self.guard,
            v_init=self.v_init,
        )

    def threshold_rule(self, *, synthetic: bool) -> ThresholdRule:
        """Return the threshold rule; synthetic data say nothing about a distribution's tail."""
        name = self.thresholds or ("max" if synthetic else "mmse")
        per_channel = not synthetic if self.per_channel is None else self.per_channel
        return ThresholdRule(name, self.percentile, per_channel)

    def reconstructs(self, *, synthetic: bool) -> bool:
        """Whether populations are fitted to the ANN on the calibration data."""
        return (self.correction or ("none" if synthetic else "reconstruct")) == "reconstruct"

    def to_json(self) -> dict[str, Any]:
        """Return the options as they go into a manifest."""
        return asdict(self)


def _in_range(option: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OptionError(
            f"{option} {value} is out of range", hint=f"give a whole number from {low} to {high}"
        )
