"""What a step of a leaky neuron takes; ``docs/neurons.md`` has its equations.

Every parameter that multiplies (decay, gain, those of the current) is one multiplication an
update, unless it is -1, 0 or 1 in the whole population, which nobody multiplies by. The addition
beside a multiplication is part of it (a MAC); a current that nothing scales on its way into a
membrane that nothing scales is an addition of its own. A shift is free.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..ir import Array
from ..ir.leaky import (
    DECAY_UNITY,
    CubaLI,
    CubaLIF,
    LeakyIntegrator,
    LeakyPopulation,
    LoihiLIF,
)

Leaky = LeakyIntegrator | LeakyPopulation | LoihiLIF


def multiplications(node: Leaky) -> int:
    """Return the multiplications of one update.

    >>> decay = np.array([0.9])
    >>> multiplications(CubaLI(name="n", inputs=("w",), decay=decay, current_decay=decay))
    2
    """
    if isinstance(node, LoihiLIF):
        return sum(_multiplies(kept, DECAY_UNITY) for kept in _kept(node))
    return sum(_multiplies(factor) for factor in _factors(node))


def additions(node: Leaky) -> int:
    """Return the additions of one update that are no part of a multiplication, but the bias."""
    if isinstance(node, LoihiLIF):
        _, kept = _kept(node)
        return int(not _multiplies(kept, DECAY_UNITY) and bool(kept.any()))
    if not isinstance(node, (CubaLI, CubaLIF)):
        return 0  # synapses add to the membrane itself
    scaled = _multiplies(node.decay) or _multiplies(node.gain)
    return int(not scaled and bool(node.decay.any() and node.gain.any()))


def subtracts(node: Leaky) -> bool:
    """Whether a spike subtracts the threshold, at once or later; to set a membrane takes none.

    A delayed reset of a neuron that is then refractory is forgotten.
    """
    if not isinstance(node, LeakyPopulation) or node.reset != "subtract":
        return False
    return not (node.reset_delayed and node.refractory)


def waits(node: Leaky) -> bool:
    """Whether an update looks at a counter of refractory steps, and counts it down."""
    return isinstance(node, LeakyPopulation) and node.refractory > 0


def kept_numbers(node: Leaky) -> int:
    """Return how many numbers a neuron keeps from one step to the next.

    Its membrane; a current of its own; how long it is refractory, or whether it fired, where
    there is such a period or a delayed reset.
    """
    own = isinstance(node, (CubaLI, CubaLIF, LoihiLIF))
    late = isinstance(node, LeakyPopulation) and node.reset_delayed and node.reset != "none"
    return 1 + own + (waits(node) or late)


def _factors(node: LeakyIntegrator | LeakyPopulation) -> Iterator[Array]:
    yield node.decay
    yield node.gain
    if isinstance(node, (CubaLI, CubaLIF)):
        yield node.current_decay
        yield node.current_gain


def _kept(node: LoihiLIF) -> tuple[Array, Array]:
    """Return what is left of current and voltage, of ``DECAY_UNITY``."""
    return DECAY_UNITY - 1 - node.du, DECAY_UNITY - node.dv


def _multiplies(factor: Array, one: int = 1) -> bool:
    return not np.isin(factor, (-one, 0, one)).all()
