"""From NIR's equations in continuous time to one step, as a user wants it; see ``continuous``.

What ``r`` of a neuron without leak is, files leave open; ``auto`` takes it as ``continuous`` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...backends.nir_file.continuous import EULER, EXACT, TimeStep
from ...backends.nir_file.nodes import Neuron
from ...ir import Array
from ...ir.errors import Problem
from .nodes import NirGraph

AUTO, STEP, SECOND = "auto", "step", "second"
GAINS = (AUTO, STEP, SECOND)
"""What ``r`` of a neuron without leak is: as it looks, the gain of a step, the gain of a second."""


@dataclass(frozen=True)
class Discretisation(TimeStep):
    """How the equations of a file become steps; see ``TimeStep``.

    Attributes:
        if_gain: One of ``GAINS``.
    """

    rule: str = EXACT
    if_gain: str = AUTO

    def takes_r_as_gain(self, neuron: Neuron) -> bool:
        """See ``TimeStep``."""
        return self.if_gain == STEP or (self.if_gain == AUTO and super().takes_r_as_gain(neuron))

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
