"""Everything a user can choose about a compilation, checked in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from operator import index
from typing import Any

from ..backends.target import Target
from ..ir.errors import OptionError
from ..ir.extent import MOST_ELEMENTS
from ..ir.neurons import RESETS
from .codes import EXACT, Code, make_code
from .given_inputs import plain_numbers, plain_shapes
from .post_training import WIDTHS
from .target_settings import settings_for
from .thresholds import ThresholdRule

CORRECTIONS = ("none", "light", "advanced", "reconstruct")
SHIFTS = ("initial", "step")
TWO_PHASE = ("offset", "residual")

AUTO = "auto"
"""Left to the compiler: the code to the target's default, caps to ``compiler.payload_caps``."""

FLOAT = "float"
"""Real weights, as users write it."""

CAPS = (1, 2, 4, 8, 15)
"""Payload caps that are chosen from for each population."""

DEFAULT_CODE = "augmented"
"""For targets that take graded payloads; a target without them gets the richest code it takes."""


DEFAULT_TIMESTEPS = 8
MOST_TIMESTEPS = 65536
REHEARSAL = 4

FITTED = (
    *("thresholds", "percentile", "per_channel", "correction", "weight_bits", "input_bits"),
    *("shift", "readout_delay", "two_phase"),
)
"""Options without meaning for code ``exact``: nothing is fitted, all steps count at the end."""

WHOLE_NUMBERS = (
    *("timesteps", "weight_bits", "input_bits", "max_payload", "deadband"),
    *("radix", "rehearsal", "quantize", "max_elements", "seed"),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of ``snnc compile``; every one has a default that works.

    Attributes:
        code: Name of the spike code; None, or ``auto``, for the target's default.
        timesteps: T: steps a sample is presented for. Not given it is 8, or for code ``exact``
            as many as the network can need: None until they are known.
        thresholds: Threshold rule, or None for ``mmse`` (``max`` on synthetic calibration data).
        percentile: For the rule ``percentile`` and for no other; None for 99.9.
        per_channel: Whether each channel has a threshold of its own, or None for yes with real
            calibration data and no with synthetic ones.
        correction: One of ``CORRECTIONS``, or None for ``reconstruct`` with real calibration data
            and ``none`` with synthetic ones.
        weight_bits: Width of integer weights, 2 to 8, or None, given also as ``float``, for real
            weights.
        input_bits: Width of the quantised input, 2 to 8, or None for 8; not with real weights.
        max_payload: Largest coefficient of a spike, or ``auto`` for one chosen for each
            population (code ``augmented``); for ``exact`` of one event.
        deadband: 0 or 1; see ``codes.Code``.
        guard: See ``codes.Code``.
        v_init: Initial membrane in thresholds, or None for the code's own.
        reset: What a spike does to the membrane, ``subtract`` or ``zero`` (code ``rate``); None for
            the target's own.
        select: Firing rule of a multi-threshold neuron; see ``codes.make_code``.
        radix: Base of radix-encoded spikes (code ``radix``), or of the digits of code ``exact``.
        differential: Whether an event at step t is worth 1/t; needs real weights.
        shift: ``initial``: the membrane starts at ``v_init``; ``step``: it starts at 0 and
            gets ``v_init / T`` at every step (Deng & Gu, ICLR 2021); None for ``step`` where
            spikes cannot be taken back and the network is reconstructed, else ``initial``.
        readout_delay: Steps that the outputs leave out at the start, or ``auto``.
        two_phase: Correction found in a rehearsal of each sample, ``offset`` or ``residual``,
            or None; for code ``rate``.
        rehearsal: Steps of a rehearsal.
        quantize: Bits to which a float model is quantised first, 4 or 8 (``post_training``), or
            None.
        approximate: Whether smooth functions may be computed from clipped pieces, and code
            ``exact`` may quantise what a model leaves unquantised.
        input_shapes: For inputs whose sizes the model leaves open, their shapes, batch axis first.
        fixed_inputs: For inputs that are always the same, their numbers: one for the whole input,
            or as many as it has. They become constants.
        max_elements: Numbers that one value of one sample may have in the model.
        seed: Of the synthetic calibration data, and of what a search draws.
        nir_version: For target ``nir``: whose readers the file is for, ``current`` or ``1.0.4``.
        nir_flavour: For target ``nir``: ``subtractive`` or ``strict``; see its backend.
    """

    code: str | None = None
    timesteps: int = None  # type: ignore[assignment]  # a number from __post_init__ on
    thresholds: str | None = None
    percentile: float | None = None
    per_channel: bool | None = None
    correction: str | None = None
    weight_bits: int | None = 8
    input_bits: int | None = None
    max_payload: int | str | None = None
    deadband: int | None = None
    guard: bool | None = None
    v_init: float | None = None
    reset: str | None = None
    select: str | None = None
    radix: int | None = None
    differential: bool = False
    shift: str | None = None
    readout_delay: int | str = 0
    two_phase: str | None = None
    rehearsal: int = REHEARSAL
    quantize: int | None = None
    approximate: bool = False
    input_shapes: Mapping[str, Sequence[int]] | None = None
    fixed_inputs: Mapping[str, Sequence[float]] | None = None
    max_elements: int = MOST_ELEMENTS
    seed: int = 0
    nir_version: str | None = None
    nir_flavour: str | None = None

    def __post_init__(self) -> None:
        self._take_words()
        self._take_inputs()
        if self.timesteps is None and not self.exact:
            object.__setattr__(self, "timesteps", DEFAULT_TIMESTEPS)
        for name in WHOLE_NUMBERS:
            if not (name == "max_payload" and self.chooses_caps):
                self._coerce(name, index, "a whole number")
        for name in ("percentile", "v_init"):
            self._coerce(name, float, "a number")
        if self.weight_bits is not None:
            _in_range("--weight-bits", self.weight_bits, 2, 8)
        if self.input_bits is not None:
            _in_range("--input-bits", self.input_bits, 2, 8)
        if self.quantize not in (None, *WIDTHS):
            raise OptionError(f"--quantize {self.quantize} is not offered", hint="give 4 or 8")
        _one_of("correction", self.correction, (None, *CORRECTIONS))
        _one_of("reset", self.reset, (None, *RESETS))
        _one_of("shift", self.shift, (None, *SHIFTS))
        _one_of("two-phase correction", self.two_phase, (None, *TWO_PHASE))
        _in_range("--rehearsal", self.rehearsal, 1, 1024)
        self._check_steps()
        if self.seed < 0:
            raise OptionError(f"--seed {self.seed} is negative", hint="give 0 or more")

    def _take_words(self) -> None:
        """Replace the words that stand for None."""
        for name, word in (("code", AUTO), ("weight_bits", FLOAT)):
            if getattr(self, name) == word:
                object.__setattr__(self, name, None)

    def _take_inputs(self) -> None:
        """Make what is said of inputs plain tuples."""
        if self.input_shapes is not None:
            object.__setattr__(self, "input_shapes", plain_shapes(self.input_shapes))
        if self.fixed_inputs is not None:
            object.__setattr__(self, "fixed_inputs", plain_numbers(self.fixed_inputs))

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

    def _check_unused(self) -> None:
        """Raise ``OptionError`` for options that would be ignored."""
        if self.percentile is not None and self.thresholds != "percentile":
            raise OptionError(
                f"--percentile {self.percentile:g} has no meaning for the threshold rule "
                f"{self.thresholds or 'mmse'!r}",
                hint="add --thresholds percentile, or leave it out",
            )
        if self.input_bits is not None and self.weight_bits is None:
            raise OptionError(
                f"--input-bits {self.input_bits} has no meaning with real weights: the input is "
                "injected as it is",
                hint="leave it out, or use --weight-bits 8",
            )
        if self.rehearsal != REHEARSAL and not self.two_phase:
            raise OptionError(
                f"--rehearsal {self.rehearsal} has no meaning without --two-phase",
                hint="add --two-phase offset, or leave it out",
            )

    def _check_steps(self) -> None:
        if self.timesteps is not None:
            _in_range("--timesteps", self.timesteps, 1, MOST_TIMESTEPS)
        if self.exact:
            self._check_exact()
        else:
            self._check_unused()
            self._check_delay()
            self._check_schedule()

    def _check_exact(self) -> None:
        """Raise ``OptionError`` for what has no meaning where the model says everything itself."""
        default = {field.name: field.default for field in fields(self)}
        given = [name for name in FITTED if getattr(self, name) != default[name]]
        if given == ["correction"] and self.correction == "none":
            given = []
        if given:
            raise OptionError(
                ", ".join(f"--{name.replace('_', '-')}" for name in given)
                + " and --code exact do not go together: the model's own quantisers say all that",
                hint="leave them out" if len(given) > 1 else "leave it out",
            )
        if self.radix is not None and self.max_payload is not None:
            raise OptionError(
                "--max-payload has no meaning for digits (--radix)", hint="choose one of them"
            )

    def _check_delay(self) -> None:
        if self.readout_delay == "auto":
            return
        self._coerce("readout_delay", index, "a whole number or auto")
        delay = self.readout_delay
        if not isinstance(delay, int) or not 0 <= delay < self.timesteps:
            raise OptionError(
                f"--readout-delay {delay} is out of range",
                hint=f"give 0 to {self.timesteps - 1}, or auto",
            )

    def _check_schedule(self) -> None:
        """Raise ``OptionError`` for options that contradict each other."""
        if self.differential and self.weight_bits is not None:
            raise OptionError(
                "--differential divides by the step's number, which integers cannot",
                hint="use --weight-bits float",
            )
        if self.differential and self.correction not in (None, "none"):
            raise OptionError(
                f"--correction {self.correction} fits means over equal steps, and --differential "
                "weighs steps differently",
                hint="use --correction none",
            )
        special = [
            *(["--code radix"] if self.code == "radix" else []),
            *(["--differential"] if self.differential else []),
            *([f"--two-phase {self.two_phase}"] if self.two_phase else []),
        ]
        if self.two_phase and self.reset == "zero":
            special.append("--reset zero")
        late = [f"--readout-delay {self.readout_delay}"] if self.readout_delay else []
        shifted = ["--shift step"] if self.shift == "step" else []
        if len(special) > 1 or (special and (late or shifted)):
            raise OptionError(
                " and ".join([*special, *late, *shifted]) + " do not go together",
                hint="choose one of them",
            )
        if self.two_phase and self.code not in (None, "rate"):
            raise OptionError(
                f"--two-phase has no meaning for code {self.code!r}", hint="use --code rate"
            )

    @property
    def exact(self) -> bool:
        """Whether the network shall be equal to a quantised ANN."""
        return self.code == EXACT

    @property
    def fits_first(self) -> bool:
        """Whether the model is rounded on samples before it is converted."""
        return self.quantize is not None or (self.approximate and self.exact)

    @property
    def chooses_caps(self) -> bool:
        """Whether each population gets a payload cap of its own."""
        return self.max_payload == AUTO

    def code_for(self, target: Target) -> Code:
        """Return the code, or the richest one that a target can take."""
        return self.make_code(
            signed=target.signed_payloads,
            graded=target.graded_payloads,
            resets=target.resets,
            default=target.default_code,
        )

    def make_code(
        self,
        *,
        signed: bool,
        graded: bool,
        resets: Sequence[str] = RESETS,
        default: str | None = None,
    ) -> Code:
        """Return the code, or the richest one that a target can take.

        Args:
            signed: Whether the target takes negative payloads.
            graded: Whether it takes payloads above 1.
            resets: What a spike may do to a membrane there; the first unless the user says.
            default: The code it gets unless the user says; None for the richest.
        """
        richest = DEFAULT_CODE if graded and signed else "ternary" if signed else "rate"
        name = self.code or ("rate" if self.two_phase else default or richest)
        if self.chooses_caps and name != "augmented":
            raise OptionError(
                f"--max-payload auto has no meaning for code {name!r}", hint="use --code augmented"
            )
        code = make_code(
            name,
            timesteps=self.timesteps or DEFAULT_TIMESTEPS,
            max_payload=CAPS[-1] if isinstance(self.max_payload, str) else self.max_payload,
            deadband=self.deadband,
            guard=self.guard,
            v_init=self.v_init,
            select=self.select,
            radix=self.radix,
            differential=self.differential,
            reset=self.reset or (resets[0] if name == "rate" else None),
        )
        if code.reset == "zero" and self.correction == "advanced":
            raise OptionError(
                "--correction advanced fits initial membranes, which a reset to zero forgets with "
                "the first spike",
                hint="use --correction reconstruct",
            )
        return code

    def settings_for(self, target: str) -> dict[str, str]:
        """Return what only one target knows, as its backend calls it.

        Raises:
            OptionError: An option is given that is another target's.
        """
        return settings_for(target, asdict(self))

    def threshold_rule(self, *, synthetic: bool) -> ThresholdRule:
        """Return the threshold rule; synthetic data say nothing about a distribution's tail."""
        name = self.thresholds or ("max" if synthetic else "mmse")
        per_channel = not synthetic if self.per_channel is None else self.per_channel
        return ThresholdRule(name, self.used_percentile, per_channel)

    def chosen_correction(self, *, synthetic: bool) -> str:
        """Return how populations are corrected on the calibration data."""
        return self.correction or ("none" if synthetic or self.differential else "reconstruct")

    def chosen_shift(self, code: Code, correction: str, *, at_zero: bool = False) -> str:
        """Return when neurons get their initial membrane.

        A binary spike sent too early stays sent, so it had better be late. Without
        reconstruction, though, the first steps of a deep network would stay empty. Some targets
        have membranes that start at 0 and no others (``at_zero``).
        """
        alike = not (code.base or code.differential or self.two_phase)
        late = at_zero or (alike and not code.max_negative and correction == "reconstruct")
        return self.shift or ("step" if late else "initial")

    @property
    def used_percentile(self) -> float:
        """The percentile of the rule of that name."""
        return 99.9 if self.percentile is None else self.percentile

    @property
    def used_input_bits(self) -> int:
        """Width of the input where it is quantised."""
        return 8 if self.input_bits is None else self.input_bits

    def to_json(self) -> dict[str, Any]:
        """Return the options as they go into a manifest."""
        used = {"percentile": self.used_percentile, "input_bits": self.used_input_bits}
        return asdict(self) | used


def _one_of(what: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        named = ", ".join(choice for choice in choices if choice)
        raise OptionError(f"unknown {what} {value!r}", hint=f"choose one of: {named}")


def _in_range(option: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OptionError(
            f"{option} {value} is out of range", hint=f"give a whole number from {low} to {high}"
        )
