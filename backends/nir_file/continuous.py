r"""Between steps and continuous time: which parameters of NIR give which discrete ones.

NIR's equations have no step. With one of length ``dt`` in which the input does not change,

====== ====================== ================= =======================
rule   decay                  gain              bias
====== ====================== ================= =======================
exact  :math:`e^{-dt/\tau}`   :math:`R (1 - d)` :math:`(1 - d) v_{leak}`
euler  :math:`1 - dt/\tau`    the same          the same
====== ====================== ================= =======================

where :math:`1 - d` is :math:`dt/\tau` for ``euler``. The inverse is taken so that these equations,
computed in float64, come as near to the discrete numbers as they can: decays within 2^-53, most of
them exactly, gains within a unit of the last place.

A membrane without leak (I, IF) has decay 1. Its gain is :math:`R \, dt` by the equation, and so
SpikingJelly writes ``r = 1 / dt``. Sinabs, snnTorch and the NIR paper write ``r = 1`` and mean a
gain of 1; so where ``r`` is 1 everywhere, it is taken for the gain of a step.

What a formula does not reach is a limit that float64 does: a membrane without leak has a time
constant of 2^80 steps, and one that keeps nothing one of a step (``euler``) or of 2^-10 steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np

from ...ir import Array
from ...ir.errors import OptionError
from .nodes import Neuron

EXACT, EULER = "exact", "euler"
RULES = (EXACT, EULER)

DEFAULT_DT = 1e-4
"""Seconds; that of the NIR paper, of snnTorch and of SpikingJelly."""

NEARLY = 1e-6
"""Relative error of a number that went through float32, and some more."""

NO_LEAK = 2.0**80
"""Steps after which a membrane without leak may have leaked: no sample has as many."""

NO_MEMORY = 2.0**-10
"""Time constant, in steps, of a membrane that keeps nothing: exp(-1024) is 0 in float64."""

NUDGES = 4
"""Units of the last place that are tried on either side of a quotient."""


@dataclass(frozen=True)
class TimeStep:
    """How equations become steps.

    Attributes:
        dt: Length of a step in seconds.
        rule: One of ``RULES``.
    """

    dt: float = DEFAULT_DT
    rule: str = EULER

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise OptionError(
                f"unknown --discretisation {self.rule!r}",
                hint=f"choose one of: {', '.join(RULES)}",
            )
        if not (isfinite(self.dt) and self.dt > 0):
            raise OptionError(f"--dt {self.dt} is no length of a step", hint="give seconds above 0")

    def decay(self, tau: Array) -> Array:
        """Return what is left after a step."""
        return np.exp(-self.dt / tau) if self.rule == EXACT else 1 - self.dt / tau

    def share(self, tau: Array) -> Array:
        """Return one minus the decay, without its rounding."""
        return -np.expm1(-self.dt / tau) if self.rule == EXACT else self.dt / tau

    def takes_r_as_gain(self, neuron: Neuron) -> bool:
        """Whether ``r`` of a neuron without leak is the gain of one step."""
        return bool(np.allclose(neuron.r, 1, rtol=NEARLY, atol=0))

    def gain(self, neuron: Neuron) -> Array:
        """Return membrane units of one unit of current."""
        if neuron.tau is not None:
            return neuron.r * self.share(neuron.tau)
        return neuron.r if self.takes_r_as_gain(neuron) else self._per_step(neuron.r)

    def _per_step(self, r: Array) -> Array:
        """Return ``r * dt``, and 1 where it is that but for the rounding of a file."""
        gain = r * self.dt
        return np.where(np.isclose(gain, 1, rtol=NEARLY, atol=0), 1.0, gain)

    def tau(self, decay: Array) -> Array:
        """Return the time constant of a decay from 0 to 1, both included, in seconds.

        >>> step = TimeStep(1e-3)
        >>> step.decay(step.tau(np.array([0.0, 0.9, 1.0]))).tolist()
        [0.0, 0.9, 1.0]
        """
        inside = np.where((decay > 0) & (decay < 1), decay, 0.5)
        if self.rule == EXACT:
            guess, least = -self.dt / np.log(inside), self.dt * NO_MEMORY
        else:
            guess, least = self.dt / (1 - inside), self.dt
        between = nearest(guess, self.decay, inside)
        return np.where(decay >= 1, self.dt * NO_LEAK, np.where(decay <= 0, least, between))

    def resistance(self, gain: Array, tau: Array) -> Array:
        """Return ``R`` with ``R`` times the share equal to a gain."""
        share = self.share(tau)
        return nearest(gain / share, lambda r: r * share, gain)


def nearest(guess: Array, forward: Callable[[Array], Array], wanted: Array) -> Array:
    """Return the number beside a guess whose image is nearest to what is wanted."""
    best = np.asarray(guess, np.float64)
    error = np.abs(forward(best) - wanted)
    for nudge in range(-NUDGES, NUDGES + 1):
        tried = guess + nudge * np.spacing(guess)
        found = np.abs(forward(tried) - wanted)
        best, error = np.where(found < error, tried, best), np.minimum(error, found)
    return best
