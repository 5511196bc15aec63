"""What flows into a layer of neurons: as the ANN has it, rounded to integers, and as it is.

All three read the same events: the real payloads, whose meaning in ANN units is folded into the
weights of the first. The second differs from it by rounding alone; what the third differs from
the second was fitted to data, or is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...backends.numpy_sim.convolution import Precision
from ...backends.numpy_sim.kernels import synapse
from ...ir import (
    IF,
    MOVES,
    Array,
    Concat,
    Conv,
    Encoder,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Reshape,
)
from ..codes import Code
from ..passes.payload_units import rescale_readers
from ..passes.to_spiking import ToSpiking

TIE = 1e-6
"""How near to halfway between two integers rounding may have gone either way."""


@dataclass(frozen=True)
class Afferents:
    """The synapses and the bias of one layer.

    Attributes:
        synapses: Each reads one edge of payloads.
        bias: Current of one time step; broadcastable to the layer.
        unit: ANN units of one unit of current; broadcastable to the layer.
        precision: In which sums are taken: float64 where a rounded sum would be another event.
    """

    synapses: tuple[Conv | Linear, ...]
    bias: Array
    unit: Array
    precision: Precision = np.float32

    def current(self, sums: Mapping[str, Array], timesteps: int) -> Array:
        """Return all that flows in over a run, in units of current, float64.

        Args:
            sums: For each edge, the sum of its payloads over time, ``(samples, *shape)``.
            timesteps: T.
        """
        total = timesteps * self.bias.astype(np.float64)
        for node in self.synapses:
            real = replace(node, weight=node.weight.astype(self.precision))
            total = total + synapse(real, sums[node.inputs[0]][None], self.precision)[0]
        return np.asarray(total)

    def mean(self, sums: Mapping[str, Array], timesteps: int) -> Array:
        """Return the mean of what flows in, in ANN units; arguments as for ``current``."""
        return np.asarray(self.current(sums, timesteps) * self.unit / timesteps)


def exact_network(ann: Graph, graph: Graph, v_init: float) -> Graph:
    """Return the network before thresholds, rounding and fitting, reading the real payloads.

    Its nodes have the names of the compiled network's. Its currents are in ANN units, its
    initial membranes in thresholds.

    Args:
        ann: The source model.
        graph: The compiled network.
        v_init: Initial membrane in thresholds where the ANN does not say.
    """
    populations = graph.of_type(IF)
    code = Code("", 1, 1, v_init=v_init)
    for node in populations[:1]:
        payloads = (node.max_positive, node.max_negative)
        code = Code("", *payloads, v_init=v_init, select=node.select)
    units = {node.name: node.unit for node in populations}
    for encoder in graph.of_type(Encoder):
        units[encoder.name] = np.full(1, encoder.scale or 1.0)
    return rescale_readers(ToSpiking(code)(ann), units)


def payload_units(graph: Graph) -> dict[str, Array]:
    """Return the ANN units of one payload unit on every edge that carries events."""
    units: dict[str, Array] = {}
    for node in graph:
        shape = graph.types[node.name].shape
        if isinstance(node, Encoder):
            units[node.name] = np.full(shape, node.scale or 1.0)
        elif isinstance(node, IF):
            units[node.name] = np.broadcast_to(node.unit, shape)
        elif isinstance(
            node, MaxPool
        ):  # one unit a channel: the pass balance_thresholds sees to it
            units[node.name] = np.broadcast_to(units[node.inputs[0]][:, :1, :1], shape)
        elif isinstance(node, Concat) and node.inputs[0] in units:
            units[node.name] = np.concatenate([units[source] for source in node.inputs])
        elif isinstance(node, Reshape) and node.inputs[0] in units:
            units[node.name] = units[node.inputs[0]].reshape(shape)
        elif isinstance(node, MOVES) and node.inputs[0] in units:
            units[node.name] = node.spread(units[node.inputs[0]])
    return units


def afferents(graph: Graph, node: IF | Integrator, precision: Precision = np.float32) -> Afferents:
    """Return what flows into a population or an integrator of a spiking network."""
    found = [graph[source] for source in node.inputs]
    unit = node.unit / node.threshold if isinstance(node, IF) else node.scale
    synapses = tuple(s for s in found if isinstance(s, (Conv, Linear)))
    return Afferents(synapses, node.bias, unit, precision)


def rounded(exact: Afferents, actual: Afferents, limit: int) -> Afferents:
    """Return the exact afferents with weights rounded to integers, in units of the actual ones.

    Args:
        exact: Real weights and bias, in ANN units.
        actual: Those of the compiled network.
        limit: Largest magnitude of an integer weight.
    """
    synapses = []
    for wanted, made in zip(exact.synapses, actual.synapses, strict=True):
        step = np.broadcast_to(actual.unit.reshape(-1), len(made.weight)) * made.copies
        weight = wanted.weight / step.reshape(-1, *(1,) * (made.weight.ndim - 1))
        whole = nearest(weight, made.weight).clip(-limit, limit)
        synapses.append(replace(made, weight=whole))
    return Afferents(tuple(synapses), exact.bias / actual.unit, actual.unit)


def nearest(wanted: Array, made: Array) -> Array:
    """Return numbers rounded to integers; halfway between two, as the network has it."""
    return np.where(np.abs(made - wanted) <= 0.5 + TIE, made, np.rint(wanted))
