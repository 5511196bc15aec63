"""The nodes of NIR that snnc writes, as plain records: what a file says of each.

NIR (Pedersen et al., *Neuromorphic intermediate representation*, Nature Communications 15:8122,
2024; package ``nir`` 1.0.8). Shapes have no batch and no time axis; parameters of neurons are per
neuron. What snnc reads besides is in ``compiler.nir_import.nodes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ...ir import Array
from ...ir.shapes import Pair

NEURONS = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF")
"""Classes of neurons: without leak or with, with a current of their own; an F stands for spikes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Port:
    """``Input`` or ``Output``: where values enter or leave.

    Attributes:
        shape: Of the values, channels first.
        output: Whether they leave.
    """

    shape: tuple[int, ...]
    output: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """``W x + b``.

    Attributes:
        weight: ``(out, in)``.
        bias: ``(out,)``.
    """

    weight: Array
    bias: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return (len(self.weight),)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv2d:
    """A convolution of one group with a square kernel and borders alike on both sides.

    Attributes:
        size: Height and width of its input.
        weight: ``(out, in, k, k)``, cross-correlated.
        bias: ``(out,)``.
        stride: Along height and width.
        padding: Zeros on both sides, along height and width.
        dilation: Along height and width.
    """

    size: Pair
    weight: Array
    bias: Array
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        sides = (
            (self.size[i] + 2 * self.padding[i] - self.dilation[i] * (kernel - 1) - 1)
            // self.stride[i]
            + 1
            for i, kernel in enumerate(self.weight.shape[2:])
        )
        return (len(self.weight), *sides)


@dataclass(frozen=True, kw_only=True, eq=False)
class Flatten:
    """Makes a vector of an image, row-major.

    Attributes:
        source: Shape of the image.
    """

    source: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return (prod(self.source),)


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron:
    r"""NIR's I, IF, LI, LIF, CubaLI and CubaLIF: one equation with parts left out.

    .. math::
        \tau_{syn} \dot I = -I + w_{in} S, \qquad \tau \dot v = (v_{leak} - v) + R I

    Without ``tau`` the membrane has no leak, :math:`\dot v = R I`; without ``tau_syn`` the
    current is what comes in; without ``v_threshold`` the neuron sends its membrane. All
    parameters have the shape of the neurons.

    Attributes:
        kind: Its class in NIR.
        r: Resistance.
        tau: Time constant of the membrane in seconds.
        v_leak: The membrane at rest, where a sample begins.
        v_threshold: The neuron spikes above it.
        v_reset: The membrane after a spike; None where the file does not say: those for nir up
            to 1.0.4 do not.
        tau_syn: Time constant of the neuron's own current in seconds.
        w_in: Weight of what comes in.
    """

    kind: str
    r: Array
    tau: Array | None = None
    v_leak: Array | None = None
    v_threshold: Array | None = None
    v_reset: Array | None = None
    tau_syn: Array | None = None
    w_in: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the neurons."""
        return self.r.shape

    def fields(self) -> dict[str, Array]:
        """Return the data sets of the node in a file."""
        named = {
            "r": self.r,
            tau_field(self.kind): self.tau,
            "v_leak": self.v_leak,
            "v_threshold": self.v_threshold,
            "v_reset": self.v_reset,
            "tau_syn": self.tau_syn,
            "w_in": self.w_in,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold:
    """1 where what comes in is above a threshold, else 0.

    Attributes:
        threshold: Of each neuron.
    """

    threshold: Array
    kind: ClassVar[str] = "Threshold"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.threshold.shape

    def fields(self) -> dict[str, Array]:
        """Return the data sets of the node in a file."""
        return {"threshold": self.threshold}


@dataclass(frozen=True, kw_only=True, eq=False)
class Delay:
    """What came in some time ago: ``y(t) = x(t - delay)``.

    Attributes:
        delay: Seconds, for each value.
    """

    delay: Array
    kind: ClassVar[str] = "Delay"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.delay.shape

    def fields(self) -> dict[str, Array]:
        """Return the data sets of the node in a file."""
        return {"delay": self.delay}


NirNode = Port | Affine | Conv2d | Flatten | Neuron | Threshold | Delay


def tau_field(kind: str) -> str:
    """Return what NIR calls the time constant of the membrane in a class of neurons.

    >>> tau_field("LIF"), tau_field("CubaLIF")
    ('tau', 'tau_mem')
    """
    return "tau_mem" if kind.startswith("Cuba") else "tau"
