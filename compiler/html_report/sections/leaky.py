"""What the neurons of a trained spiking network compute with: time constants, gains, resets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....ir import Array, Node
from ....ir.leaky import (
    DECAY_UNITY,
    LEAKY,
    CubaLI,
    CubaLIF,
    LeakyIntegrator,
    LeakyPopulation,
    LoihiLIF,
)
from ..findings import Findings
from ..markup import Content
from ..quantities import MINUS, NONE, number
from ..tables import table
from .section import paragraph

RESETS = {"subtract": "subtracts the threshold", "value": "to {}", "none": "none"}


def leaky_neurons(findings: Findings) -> Content:
    """Return the parameters of all leaky populations and how they were made; None without any."""
    nodes = [node for node in findings.network.graph if isinstance(node, LEAKY)]
    if not nodes:
        return None
    label = findings.topology.label
    clock = Clock.of(findings.network.artifact.manifest["options"])
    rows = [(label(node.name), type(node).__name__, *_row(node, clock)) for node in nodes]
    heads = ("layer", "neuron", "time constant", "of the current", "gain", "of the current")
    more = ("bias", "fires at", "reset", "refractory")
    return [
        table("Neurons, what they compute with", (*heads, *more), rows),
        paragraph(
            f"{clock.in_words()} ∞ is a neuron that does not leak, 0 one that keeps nothing."
        ),
    ]


@dataclass(frozen=True)
class Clock:
    """How a decay of a step is put into words.

    Attributes:
        seconds: Length of a step, None where it has none.
        euler: Whether the decay was found by Euler's rule.
    """

    seconds: float | None = None
    euler: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Clock:
        """Return the clock of a network from the options in its manifest."""
        return cls(options.get("dt"), options.get("discretisation") == "euler")

    def in_words(self) -> str:
        """Return what time constants are."""
        rule = "1 / (1 \N{MINUS SIGN} d)" if self.euler else "\N{MINUS SIGN}1 / ln d"
        if self.seconds is None:
            return f"Time constants are in steps, {rule} for a decay of d a step."
        which = "Euler's" if self.euler else "exact"
        return (
            f"A step is {self.seconds:g} s, the discretisation {which}: a decay of d a step is a "
            f"time constant of {rule} steps."
        )

    def time_constants(self, decay: Array) -> Array:
        """Return time constants, in seconds where a step has a length; NaN where there is none.

        >>> Clock().time_constants(np.array([0.0, 1.0, np.exp(-0.1)])).round(3).tolist()
        [0.0, inf, 10.0]
        """
        decay = np.asarray(decay, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = 1 / (1 - decay) if self.euler else np.abs(1 / np.log(decay))
        steps = np.where(decay == 0, 0.0, np.where(decay > 1, np.nan, steps))
        return np.asarray(steps * (self.seconds or 1.0))

    def spell(self, decay: Array) -> str:
        """Return the least and the greatest time constant."""
        found = _range(self.time_constants(decay))
        return found if self.seconds is None or found in ("0", "∞") else f"{found} s"


def _row(node: Node, clock: Clock) -> Iterator[str]:
    """Yield time constants, gains, bias, comparison, reset and refractory period."""
    if isinstance(node, LoihiLIF):
        yield clock.spell((DECAY_UNITY - node.dv) / DECAY_UNITY)
        yield clock.spell((DECAY_UNITY - 1 - node.du) / DECAY_UNITY)
        yield from ("1", "64", _range(node.bias * 2.0**node.bias_exp))
        yield from (f"above {_range(64 * node.threshold)}", "to 0", NONE)
        return
    assert isinstance(node, (LeakyPopulation, LeakyIntegrator))
    yield clock.spell(node.decay)
    yield clock.spell(node.current_decay) if isinstance(node, (CubaLI, CubaLIF)) else NONE
    yield _range(node.gain)
    yield _range(node.current_gain) if isinstance(node, (CubaLI, CubaLIF)) else NONE
    yield _range(node.bias)
    yield from _firing(node) if isinstance(node, LeakyPopulation) else (NONE, NONE, NONE)


def _firing(node: LeakyPopulation) -> Iterator[str]:
    yield f"{'above' if node.strict else 'from'} {_range(node.threshold)}"
    reset = RESETS[node.reset].format(_range(node.reset_to))
    yield f"{reset}, a step later" if node.reset_delayed and node.reset != "none" else reset
    yield f"{node.refractory} steps" if node.refractory else NONE


def _range(values: Array) -> str:
    """Return the least and the greatest of some parameters."""
    low, high = (number(float(edge)).replace("-", MINUS) for edge in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
