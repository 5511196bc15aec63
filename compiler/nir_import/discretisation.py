r"""From NIR's equations in continuous time to one step of length ``dt``.

NIR leaves this to whoever reads it, and gives no step. The input is constant over a step.

======= ======================== ====================== ===========================
rule    decay                    gain                   bias
======= ======================== ====================== ===========================
exact   :math:`e^{-dt/\tau}`     :math:`R(1 - decay)`   :math:`(1 - decay) v_{leak}`
euler   :math:`1 - dt/\tau`      :math:`R \, dt/\tau`   :math:`dt/\tau \; v_{leak}`
======= ======================== ====================== ===========================

A membrane without leak (I, IF) has decay 1. Its gain is :math:`R \, dt` by the equation, and so
SpikingJelly writes ``r = 1 / dt``. Sinabs, snnTorch and the NIR paper write ``r = 1`` and mean a
gain of 1; so where ``r`` is 1 everywhere, ``auto`` takes it for the gain of a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backends.nir_file.continuous import EULER, EXACT, NEARLY, Step
from ...ir import Array
from ...ir.errors import Problem
from .nodes import Neuron, NirGraph

AUTO, STEP, SECOND = "auto", "step", "second"
GAINS = (AUTO, STEP, SECOND)
"""What ``r`` of a neuron without leak is: see above, the gain of a step, the gain of a second."""


@dataclass(frozen=True)
class Discretisation(Step):
    """How the equations of a file become steps; see ``Step``.

    Attributes:
        if_gain: One of ``GAINS``.
    """

    rule: str = EXACT
    if_gain: str = AUTO

    def takes_r_as_gain(self, neuron: Neuron) -> bool:
        """Whether ``r`` of a neuron without leak is the gain of one step."""
        return self.if_gain == STEP or (
            self.if_gain == AUTO and bool(np.allclose(neuron.r, 1, rtol=NEARLY, atol=0))
        )

    def gain(self, neuron: Neuron) -> Array:
        """Return membrane units of one unit of current."""
        if neuron.tau is not None:
            return neuron.r * self.share(neuron.tau)
        return neuron.r if self.takes_r_as_gain(neuron) else self._per_step(neuron.r)

    def _per_step(self, r: Array) -> Array:
        """Return ``r * dt``, and 1 where it is that but for the rounding of a file."""
        gain = r * self.dt
        return np.where(np.isclose(gain, 1, rtol=NEARLY, atol=0), 1.0, gain)

    def steps(self, delay: Array) -> Array:
        """Return delays in steps, not yet whole."""
        return delay / self.dt


def coarse(graph: NirGraph, rule: Discretisation) -> list[Problem]:
    """Return the neurons for which a step of Euler's is longer than a time constant.

    Their membrane would swing from one side to the other.
    """
    if rule.rule != EULER:
        return []
    return [
        Problem(
            f"{name}: has a time constant of {min(shortest):g} s, shorter than a step of "
            f"{rule.dt:g} s",
            "use --discretisation exact, or a smaller --dt",
        )
        for name, node in graph.nodes.items()
        if isinstance(node, Neuron)
        and (
            shortest := [
                tau.min()
                for tau in (node.tau, node.tau_syn)
                if tau is not None and tau.min() < rule.dt
            ]
        )
    ]
