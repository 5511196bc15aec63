"""All nodes of nir 1.0.8 as plain records: what a file says, before anything is made of it.

Neurons and delays are the records that snnc writes, ``backends.nir_file.nodes``; of the others
files say more than snnc ever writes. No record has a batch or a time axis; parameters are float64.
The name of a node is its key in the graph it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...backends.nir_file.nodes import Delay, Neuron, Threshold
from ...ir import Array

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Input:
    """A port through which values come in.

    Attributes:
        shape: Of one time step.
    """

    shape: Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Output:
    """A port through which values go out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """Passes values on: NIR's Identity, and the ports of a graph inside another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """NIR's Affine and Linear: ``weight @ x + bias``.

    Attributes:
        weight: ``(out, in)``.
        bias: ``(out,)`` or None.
    """

    weight: Array
    bias: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """``scale * x``, value by value."""

    scale: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv:
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
class Pool:
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
class Flatten:
    """Joins the axes from ``start`` to ``end``, both included."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True, eq=False)
class NirGraph:
    """Nodes and edges; several edges into one node are added.

    Attributes:
        nodes: By name.
        edges: Pairs of names, from and to, in the order of the file.
    """

    nodes: Mapping[str, NirNode]
    edges: tuple[tuple[str, str], ...]


NirNode = (
    Input
    | Output
    | Identity
    | Linear
    | Scale
    | Conv
    | Pool
    | Flatten
    | NirGraph
    | Neuron
    | Threshold
    | Delay
)


def kind(node: NirNode) -> str:
    """Return the class of a node; Affine counts as Linear, and a pool is one of two."""
    if isinstance(node, Neuron):
        return node.kind
    if isinstance(node, Pool):
        return "AvgPool2d" if node.mean else "SumPool2d"
    return f"Conv{node.weight.ndim - 2}d" if isinstance(node, Conv) else type(node).__name__
