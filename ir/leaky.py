"""Neurons of directly trained spiking networks: with leak, in discrete time, of one step each.

What a framework trains in continuous time becomes one of these by a discretisation, which
whoever makes the node chooses; ``docs/neurons.md`` has the equations and who uses which. What
they compute stands in ``reference_leaky``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final, get_args

import numpy as np

from .errors import ShapeError
from .neurons import Population, expect_currents, expect_parameters
from .node import Node
from .types import Array, Signal, TensorType, is_integer

Reset = Literal["subtract", "value", "none"]
LEAKY_RESETS: tuple[Reset, ...] = get_args(Reset)
"""What a spike does to the membrane of a leaky neuron."""

DECAY_UNITY = 4096
"""A decay of Loihi that keeps nothing: 12 bits stand for 1."""

MANTISSA, EXPONENT = (-4096, 4095), (0, 7)
"""Bounds of a bias on Loihi: 13 bits with sign, times a power of two of 3 bits."""


def _ones() -> Array:
    return np.ones(1)


def _zeros() -> Array:
    return np.zeros(1)


def _whole_zeros() -> Array:
    return np.zeros(1, np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class LeakyPopulation(Population):
    r"""Neurons with leak and threshold that send spikes of 0 and 1: what LIF and CubaLIF share.

    With the membrane :math:`v` and what drives it, :math:`x`, a step is, in this order:

    .. math::
        v &\leftarrow decay \cdot v \\
        v &\leftarrow \text{reset of a spike of the step before, where resets are delayed} \\
        v &\leftarrow v + gain \cdot x + bias \\
        z &= v > \theta \quad\text{or, where the comparison is not strict, } v \ge \theta \\
        v &\leftarrow \text{reset where } z \text{, unless resets are delayed}

    A reset subtracts the threshold, sets ``reset_to``, or does nothing. After a spike the
    membrane is held at ``reset_to`` for ``refractory`` steps, in which nothing fires; a reset
    that was to come is then forgotten.

    All parameters are broadcastable to the shape, and all integer or all real. Integer ones make
    integer neurons, whose decay is a whole number too.

    Attributes:
        decay: What is left of the membrane after a step.
        gain: Membrane units of one unit of what drives it.
        bias: Added to the membrane at every step.
        initial: Membrane at the start of a sample.
        strict: Whether a membrane must be above its threshold; else it fires at it too.
        reset: One of ``LEAKY_RESETS``.
        reset_to: Membrane after a reset to a value, and while it is held.
        reset_delayed: Whether a spike resets in the next step, after the decay.
        refractory: Steps after a spike in which nothing fires; 0 for none.
    """

    decay: Array
    gain: Array = field(default_factory=_ones)
    bias: Array = field(default_factory=_zeros)
    initial: Array = field(default_factory=_zeros)
    strict: bool = False
    reset: Reset = "subtract"
    reset_to: Array = field(default_factory=_zeros)
    reset_delayed: bool = False
    refractory: int = 0

    @property
    def payload(self) -> tuple[int, int]:
        """See ``Population``."""
        return 0, 1

    def infer(self, *inputs: TensorType) -> TensorType:
        type = super().infer(*inputs)
        own = (self.decay, self.gain, self.reset_to)
        expect_parameters(self.name, type.shape, self.threshold, *own)
        if self.reset not in LEAKY_RESETS:
            raise ShapeError(f"{self.name}: no reset {self.reset!r}")
        if self.refractory < 0:
            raise ShapeError(f"{self.name}: cannot be refractory for {self.refractory} steps")
        return type


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LIF(LeakyPopulation):
    r"""Leaky integrate-and-fire neurons; see ``LeakyPopulation``.

    What drives them is the summed current :math:`I`. With a decay of 1 they do not leak.
    """


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class CubaLIF(LeakyPopulation):
    r"""Leaky neurons with a synaptic current of their own; see ``LeakyPopulation``.

    What drives them is :math:`i \leftarrow current\_decay \cdot i + current\_gain \cdot I`,
    which begins a sample at 0 and goes on while a neuron is refractory.

    Attributes:
        current_decay: What is left of the current after a step.
        current_gain: Units of the current of one unit of what arrives.
    """

    current_decay: Array
    current_gain: Array = field(default_factory=_ones)

    def infer(self, *inputs: TensorType) -> TensorType:
        type = super().infer(*inputs)
        own = (self.current_decay, self.current_gain)
        expect_parameters(self.name, type.shape, self.threshold, *own)
        return type


@dataclass(frozen=True, kw_only=True, eq=False)
class LeakyIntegrator(Node):
    r"""Membranes without threshold, sent on as they are: what LI and CubaLI share.

    .. math::
        v \leftarrow decay \cdot v + gain \cdot x + bias

    The membrane is the node's value at a step, an analog payload. A synapse behind it reads a
    real number at every step, so it counts as MACs.

    Attributes:
        decay: What is left of the membrane after a step.
        gain: Membrane units of one unit of what drives it.
        bias: Added to the membrane at every step.
        initial: Membrane at the start of a sample.
    """

    decay: Array
    gain: Array = field(default_factory=_ones)
    bias: Array = field(default_factory=_zeros)
    initial: Array = field(default_factory=_zeros)

    def infer(self, *inputs: TensorType) -> TensorType:
        shape = expect_currents(self.name, inputs)
        expect_parameters(self.name, shape, self.decay, self.gain, self.bias, self.initial)
        return TensorType(shape, Signal.SPIKES)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LI(LeakyIntegrator):
    """Leaky integrators, driven by the summed current; see ``LeakyIntegrator``."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class CubaLI(LeakyIntegrator):
    """Leaky integrators with a synaptic current of their own, as in ``CubaLIF``.

    Attributes:
        current_decay: What is left of the current after a step.
        current_gain: Units of the current of one unit of what arrives.
    """

    current_decay: Array
    current_gain: Array = field(default_factory=_ones)

    def infer(self, *inputs: TensorType) -> TensorType:
        type = super().infer(*inputs)
        own = (self.current_decay, self.current_gain)
        expect_parameters(self.name, type.shape, self.decay, *own)
        return type


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LoihiLIF(Population):
    r"""Leaky neurons with a synaptic current in Loihi's fixed point, as Lava computes them.

    With :math:`\lfloor x \rceil_0` rounding towards zero, a step is

    .. math::
        u &\leftarrow wrap(\lfloor u \, (4096 - du - 1) / 4096 \rceil_0 + 64 \, I) \\
        v &\leftarrow clip(\lfloor v \, (4096 - dv) / 4096 \rceil_0 + u + b, \pm(2^{23} - 1)) \\
        z &= v > 64 \, \theta, \qquad v \leftarrow 0 \text{ where } z

    with :math:`b = bias \cdot 2^{bias\_exp}`. ``wrap`` adds or subtracts :math:`2^{24}` once,
    and every sum is one of 32 bits that wraps. Source: ``lava/proc/lif/models.py``,
    ``PyLifModelBitAcc``, lava-nc 0.10.0; the registers are those of Loihi (Davies et al., *IEEE
    Micro* 38(1), 2018).

    Attributes:
        threshold: :math:`\theta`, in units of weights; >= 0, 17 bits on the chip.
        bias: Mantissa of the bias, of 13 bits with sign.
        initial: :math:`v` at the start of a sample.
        du: Decay of the current, of 12 bits; 4095 keeps nothing, -1 everything.
        dv: Decay of the voltage, of 12 bits; 4096 keeps nothing, 0 everything.
        bias_exp: Exponent of the bias, of 3 bits.
        initial_current: :math:`u` at the start of a sample.
    """

    bias: Array = field(default_factory=_whole_zeros)
    initial: Array = field(default_factory=_whole_zeros)
    du: Array
    dv: Array
    bias_exp: Array = field(default_factory=_whole_zeros)
    initial_current: Array = field(default_factory=_whole_zeros)

    @property
    def payload(self) -> tuple[int, int]:
        """See ``Population``."""
        return 0, 1

    def infer(self, *inputs: TensorType) -> TensorType:
        shape = expect_currents(self.name, inputs)
        limits = {
            "threshold": (0, (1 << 25) - 1),  # what 32 bits still hold, 6 bits further up
            "bias": MANTISSA,
            "bias_exp": EXPONENT,
            "du": (-1, DECAY_UNITY - 1),
            "dv": (0, DECAY_UNITY),
            "initial": (-(1 << 23), 1 << 23),
            "initial_current": (-(1 << 23), 1 << 23),
        }
        parameters: dict[str, Array] = {key: getattr(self, key) for key in limits}
        expect_parameters(self.name, shape, *parameters.values())
        for key, (least, most) in limits.items():
            found = parameters[key]
            if not is_integer(found):
                raise ShapeError(f"{self.name}: {key} of a fixed-point neuron is not an integer")
            if found.min() < least or found.max() > most:
                raise ShapeError(
                    f"{self.name}: {key} goes from {found.min()} to {found.max()}, "
                    f"beyond {least} to {most}"
                )
        return TensorType(shape, Signal.SPIKES, self.payload)


LEAKY = (LeakyIntegrator, LeakyPopulation, LoihiLIF)
"""Neurons that forget; networks that were trained as spiking ones have them."""
