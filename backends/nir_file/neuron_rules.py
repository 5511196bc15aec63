"""What readers of NIR make of its ``IF`` node: settings of one small neuron."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ir import Array


@dataclass(frozen=True, kw_only=True)
class NeuronRule:
    r"""One step of an ``IF`` node with a time step of 1 and ``r = 1``.

    .. math::
        v &\leftarrow decay \cdot v + I \\
        s &= [v \ge \theta] \text{ or } [v > \theta] \text{, or } \max(0, trunc(v / \theta)) \\
        v &\leftarrow v - s \theta \text{ or } v_{reset} \text{ where } s > 0,
            \text{ and at least } floor \cdot \theta

    Attributes:
        reset: ``subtract`` or ``value``.
        strict: Whether a spike needs a membrane above the threshold, not at it.
        decay: What is left of a membrane after a step, of all neurons or of each.
        several: Whether a neuron may send several spikes in a step.
        floor: The membrane stays at or above so many thresholds after a step; None for no bound.
        owes: Whether a membrane that a reset leaves above its threshold pays for the spike in
            advance at the next step, so that it fires only from twice the threshold on
            (snnTorch: it takes the membrane of the step before for an unfinished reset).
    """

    reset: str = "subtract"
    strict: bool = False
    decay: float | Array = 1.0
    several: bool = False
    floor: float | None = None
    owes: bool = False

    def step(
        self, v: Array, current: Array, threshold: Array | float, rest: Array | float
    ) -> tuple[Array, Array]:
        """Advance neurons by one step.

        Args:
            v: Membranes.
            current: What flows in.
            threshold: ``v_threshold``.
            rest: ``v_reset``.

        Returns:
            Spikes and membranes, both float64.
        """
        owed = (v > threshold) * threshold if self.owes else 0.0
        v = self.decay * v + current - owed
        if self.several:
            spikes = np.maximum(np.trunc(v / threshold), 0.0)
        else:
            spikes = ((v > threshold) if self.strict else (v >= threshold)).astype(np.float64)
        if self.reset == "subtract":
            v = v - spikes * threshold + owed
        else:
            v = np.where(spikes > 0, rest, v)
        return spikes, v if self.floor is None else np.maximum(v, self.floor * threshold)
