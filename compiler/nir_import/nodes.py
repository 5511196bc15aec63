"""The nodes of NIR as plain records: what a file says, before anything is made of it.

The set is that of nir 1.0.8 (Pedersen et al., *Neuromorphic intermediate representation*, Nature
Communications 15:8122, 2024). No record has a batch or a time axis; parameters are float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...ir import Array

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class NirNode:
    """One node; its name is the key of the graph it is in."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(NirNode):
    """A port through which values come in.

    Attributes:
        shape: Of one time step.
    """

    shape: Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Output(NirNode):
    """A port through which values go out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity(NirNode):
    """Passes values on: NIR's Identity, and the ports of a graph inside another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear(NirNode):
    """NIR's Affine and Linear: ``weight @ x + bias``.

    Attributes:
        weight: ``(out, in)``.
        bias: ``(out,)`` or None.
    """

    weight: Array
    bias: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale(NirNode):
    """``scale * x``, value by value."""

    scale: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(NirNode):
    """NIR's Conv1d and Conv2d: a cross-correlation over one axis or two.

    Attributes:
        weight: ``(out, in / groups, *kernel)``.
        bias: ``(out,)`` or None.
        stride: For each axis.
        padding: Zeros at both ends of each axis; ``same`` keeps the size for stride 1.
        dilation: For each axis.
        groups: Number of independent channel groups.
    """

    weight: Array
    bias: Array | None
    stride: Shape
    padding: Shape | Literal["same"]
    dilation: Shape
    groups: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(NirNode):
    """NIR's SumPool2d and AvgPool2d; a mean counts the zeros around the image.

    Attributes:
        kernel: Height and width of the window.
        stride: Likewise.
        padding: Zeros at both ends of each axis.
        mean: Whether the sum is divided by the size of the window.
    """

    kernel: Shape
    stride: Shape
    padding: Shape
    mean: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Flatten(NirNode):
    """Joins the axes from ``start`` to ``end``, both included."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Delay(NirNode):
    """``y(t) = x(t - delay)``; seconds."""

    delay: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold(NirNode):
    """1 where a value is above the threshold, else 0."""

    threshold: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron(NirNode):
    r"""NIR's I, IF, LI, LIF, CubaLI and CubaLIF: one equation with parts left out.

    .. math::
        \tau_{syn} \dot I = -I + w_{in} S, \qquad \tau \dot v = (v_{leak} - v) + R I

    Without ``tau`` the membrane has no leak, :math:`\dot v = R I`; without ``tau_syn`` the
    current is what comes in; without ``v_threshold`` the neuron sends its membrane.

    Attributes:
        kind: Its class in NIR.
        r: Resistance.
        tau: Time constant of the membrane in seconds.
        v_leak: The membrane at rest.
        v_threshold: The neuron spikes above it.
        v_reset: The membrane after a spike; None where the file does not say.
        tau_syn: Time constant of the current in seconds.
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


@dataclass(frozen=True, kw_only=True, eq=False)
class NirGraph(NirNode):
    """Nodes and edges; several edges into one node are added.

    Attributes:
        nodes: By name.
        edges: Pairs of names, from and to, in the order of the file.
    """

    nodes: Mapping[str, NirNode]
    edges: tuple[tuple[str, str], ...]


def kind(node: NirNode) -> str:
    """Return the class of a node; Affine counts as Linear, and a pool is one of two."""
    if isinstance(node, Neuron):
        return node.kind
    if isinstance(node, Pool):
        return "AvgPool2d" if node.mean else "SumPool2d"
    return f"Conv{node.weight.ndim - 2}d" if isinstance(node, Conv) else type(node).__name__
