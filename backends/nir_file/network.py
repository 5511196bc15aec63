"""What a ``.nir`` file holds: nodes by name, and edges. Only the nodes that snnc writes.

NIR (Pedersen et al., *Nature Communications* 15:8122, 2024; package ``nir`` 1.0.8). Shapes have no
batch and no time axis; several edges into a node mean a sum; parameters of neurons are per neuron.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from ...ir import Array
from ...ir.shapes import Pair
from .stateful import Late, Neuron, Threshold


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
class IntegrateAndFire:
    """``IF``: ``dv/dt = r I``, a spike where ``v > v_threshold``; what follows is the reader's.

    Attributes:
        shape: Of the neurons.
        r: Resistance of all of them.
        threshold: ``v_threshold`` of all of them.
        reset: ``v_reset``; files for nir up to 1.0.4 have none.
    """

    shape: tuple[int, ...]
    r: float = 1.0
    threshold: float = 1.0
    reset: float = 0.0


NirNode = Port | Affine | Conv2d | Flatten | IntegrateAndFire | Neuron | Threshold | Late


@dataclass(frozen=True, kw_only=True, eq=False)
class NirNetwork:
    """A network as its file holds it.

    Attributes:
        nodes: By name, each after those it reads but for edges that go back.
        edges: Pairs of names. One to an earlier node goes back: it carries what was sent in the
            time step before.
        metadata: Texts for people and for readers that know snnc.
        version: Of the package ``nir`` whose files it is one of.
    """

    nodes: Mapping[str, NirNode]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    version: str = "1.0.8"

    @property
    def neurons(self) -> dict[str, IntegrateAndFire]:
        """All populations, in order."""
        return {n: node for n, node in self.nodes.items() if isinstance(node, IntegrateAndFire)}

    def sources(self, name: str) -> list[str]:
        """Return the nodes that a node reads."""
        return [source for source, reader in self.edges if reader == name]


def uniform(values: Array) -> float:
    """Return the one value of an array; raise ``ValueError`` where there are several."""
    (value,) = np.unique(values)
    return float(value)
