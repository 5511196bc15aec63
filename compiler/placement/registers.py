r"""Whether the parameters of a population can be written into the registers of a fixed neuron.

A chip whose neuron is one circuit keeps a threshold as a mantissa with one exponent for all, and
a bias as a mantissa with an exponent for each neuron:

.. math:: 2^s \theta = m_\theta \cdot 2^6, \qquad 2^s b = m_b \cdot 2^{x}, \qquad
          2^s |v_0| < 2^{23}

Here weights, thresholds, biases and membranes are integers in one unit, and :math:`2^s` is how
many units of the chip's membrane that is: the shift of its weights, one for a whole population,
whose synapses are quantised jointly. A population fits if there is an ``s`` for which every
neuron has such mantissas. What does not fit the chip would have to round.

Lava has no such registers for processes that are not its own: on the target ``lava`` all of these
are plain integers, and membranes alone have a width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from ...backends.chips import Chip, Registers
from ...ir import IF, Array, Integrator
from ...ir.errors import Problem
from ...ir.types import is_integer
from .layers import Layer

LEAST_WEIGHT_BITS = 2
"""The narrowest weights ``snnc`` compiles to."""


@dataclass(frozen=True)
class Misfits:
    """How many parameters of a population have no mantissa, at one shift.

    Attributes:
        thresholds: Of the thresholds.
        biases: Of the biases.
        membranes: Of the membranes at the start.
    """

    thresholds: int
    biases: int
    membranes: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.thresholds + self.biases + self.membranes

    def __str__(self) -> str:
        named = {
            "threshold": self.thresholds,
            "bias": self.biases,
            "initial membrane": self.membranes,
        }
        plural = {"bias": "biases"}
        return " and ".join(
            f"{count:,} {name if count == 1 else plural.get(name, f'{name}s')}"
            for name, count in named.items()
            if count
        )


def registers(layer: Layer, chip: Chip) -> Iterator[Problem]:
    """Thresholds, biases and initial membranes have mantissas that the chip can hold."""
    node, held = layer.node, chip.registers
    if held is None or not isinstance(node, (IF, Integrator)) or not is_integer(node.bias):
        return
    shifts = range(int(held.shift.value) + 1)
    least = min((misfits(node, held, shift) for shift in shifts), key=lambda found: found.total)
    if least.total:
        yield Problem(
            f"{layer.name}: {least} cannot be held, different values counted once: {_format(chip)}",
            _cure(layer, node, held),
        )


def _format(chip: Chip) -> str:
    held = chip.registers
    assert held is not None
    return (
        f"{chip.title} has thresholds of {held.threshold.value:.0f} bits times "
        f"2**{held.threshold_exponent.value:.0f}, and biases of {held.bias.value:.0f} bits and "
        f"sign times 2**0 to 2**{held.bias_exponent.value:.0f} ({held.bias.certainty.value})"
    )


def misfits(node: IF | Integrator, held: Registers, shift: int) -> Misfits:
    """Return how many different parameters do not fit if weights are shifted by some bits."""
    bias = _different(node.bias) << shift
    exponent = np.maximum(_bits(bias) - int(held.bias.value), 0)
    biases = (exponent > held.bias_exponent.value) | (bias % (1 << exponent) != 0)
    if isinstance(node, Integrator):
        return Misfits(0, int(biases.sum()), 0)
    threshold = _different(node.threshold) << shift
    unit = 1 << int(held.threshold_exponent.value)
    thresholds = (threshold % unit != 0) | (_bits(threshold // unit) > held.threshold.value)
    membranes = _bits(_different(node.initial) << shift) > held.membrane.value
    return Misfits(int(thresholds.sum()), int(biases.sum()), int(membranes.sum()))


def _cure(layer: Layer, node: IF | Integrator, held: Registers) -> str:
    """Return how narrow weights make parameters small enough, or what else would do."""
    used = max((projection.weight_bits for projection in layer.projections), default=0)
    largest = int(_different(node.bias).max(initial=0))
    over = max(largest / (2 ** int(held.bias.value) - 1), 2.0)
    enough = used - ceil(log2(over))
    if enough >= LEAST_WEIGHT_BITS:
        return f"compile with --weight-bits {enough}: thresholds and biases are smaller then"
    return (
        "choose --chip loihi2; or train with smaller biases: one is worth more here than all "
        "weights a neuron has"
    )


def _different(parameter: Array) -> Array:
    """Return the different magnitudes of a parameter, int64."""
    different: Array = np.unique(np.abs(parameter.astype(np.int64)))
    return different


def _bits(magnitude: Array) -> Array:
    """Return how many bits each of some magnitudes below 2**53 has."""
    return np.asarray(np.frexp(magnitude.astype(np.float64))[1], np.int64)
