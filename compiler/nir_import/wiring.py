"""Values on their way through a conversion: what is sent, what only a neuron can read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ...ir import LI, Array, Conv, Integrator, Linear, Node, Reshape
from ...ir.errors import ModelError
from .neurons import physical
from .nodes import Shape

MOST_CONNECTED = 1 << 13
"""Neurons in a row that an identity synapse may connect one to one: it is a whole matrix."""


@dataclass(frozen=True)
class Payload:
    """What a node sends at every step.

    Attributes:
        name: The node of the graph that sends it.
        spikes: Whether it is a whole number of events.
    """

    name: str
    spikes: bool


@dataclass(frozen=True)
class Currents:
    """A sum of currents and a constant one: what only a neuron can read.

    Attributes:
        names: The synapses.
        bias: Broadcastable to the physical shape.
    """

    names: tuple[str, ...]
    bias: Array


Value = Payload | Currents


def summed(values: Iterable[Currents]) -> Currents:
    """Return the sum of currents."""
    names: tuple[str, ...] = ()
    bias = np.zeros(1)
    for value in values:
        names, bias = names + value.names, bias + value.bias
    return Currents(names, bias)


def readout(name: str, read: Currents, kind: str, offset: Array) -> Integrator:
    """Return the node that adds up currents over the steps, or takes their mean.

    Args:
        name: Of the node.
        read: What it reads.
        kind: ``sum`` or ``mean``.
        offset: Added to the result.

    Raises:
        ModelError: Currents and a constant one are summed, of which no node keeps both.
    """
    if kind == "sum" and read.bias.any():
        raise ModelError(
            f"{name}: a sum over the steps reads a map with a bias",
            hint="read the mean, or the value of a step",
        )
    bias = read.bias + offset if kind == "mean" else offset
    return Integrator(name=name, inputs=read.names, bias=bias, scale=np.ones(1), decoding=kind)


@dataclass
class Wiring:
    """Nodes of a graph in the making, and what turns one kind of value into another.

    Attributes:
        nodes: The nodes so far, in order.
        taken: Names that are used.
    """

    nodes: list[Node] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def currents(self, value: Value, shape: Shape) -> Currents:
        """Return a value as currents, over an identity synapse where it is sent."""
        if isinstance(value, Currents):
            return value
        return Currents((self.identity(value, shape),), np.zeros(1))

    def payload(self, name: str, value: Value, shape: Shape) -> Payload:
        """Return a value as something sent, over a membrane that keeps nothing."""
        if isinstance(value, Payload):
            return value
        relay = LI(
            name=self.free(f"{name}.sum"),
            inputs=value.names,
            decay=np.zeros(1),
            bias=value.bias,
        )
        self.nodes.append(relay)
        return Payload(relay.name, spikes=False)

    def identity(self, value: Payload, shape: Shape) -> str:
        """Add an identity synapse and return its name."""
        name, size = self.free(f"{value.name}.identity"), physical(shape)
        synapse: Conv | Linear
        if len(size) == 3:
            weight = np.ones((size[0], 1, 1, 1))
            synapse = Conv(name=name, inputs=(value.name,), weight=weight, groups=size[0])
        elif size[0] > MOST_CONNECTED:
            raise ModelError(
                f"{value.name}: one-to-one synapses of {size[0]} neurons in a row take "
                f"{size[0] ** 2} weights",
                hint="put a Linear or an Affine between the neurons",
            )
        else:
            synapse = Linear(name=name, inputs=(value.name,), weight=np.eye(size[0]))
        self.nodes.append(synapse)
        return name

    def viewed(self, value: Payload, old: Shape, new: Shape, name: str = "") -> Payload:
        """Return a payload of one shape under another."""
        if old == new:
            return value
        view = Reshape(
            name=name or self.free(f"{value.name}.view"), inputs=(value.name,), shape=new
        )
        self.nodes.append(view)
        return Payload(view.name, value.spikes)

    def free(self, name: str) -> str:
        """Return a name no node has, close to the one asked for."""
        candidate, count = name, 1
        while candidate in self.taken:
            count += 1
            candidate = f"{name}{count}"
        self.taken.add(candidate)
        return candidate
