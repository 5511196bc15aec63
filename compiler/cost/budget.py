r"""Bit Budget and arithmetic effort: a proxy of energy that knows no technology.

With T time steps, weights of :math:`b_w` and events of :math:`b_s` bits, a synapse takes
:math:`BB = T b_w b_s` binary operations (bit^2 steps), and a layer of ``n`` dense MACs

.. math:: S\text{-}ACE = n\,BB, \qquad NS\text{-}ACE = f\,n\,BB

with ``f`` the share of presynaptic neurons that send in a step: the first on hardware that cannot
skip zeros, the second on hardware that can. Memory, routing and static power are left out.
Source: Shen, Zhao, Li, Li, Zeng, *Is Conventional SNN Really Efficient?*, CVPR 2024 (arXiv
2311.10802); S-ACE extends ACE of PokeBNN, the sum of n times both widths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir import Conv, Encoder, Graph, Linear, Node, latency
from ..event_counts import reads_input
from ..placement.layers import bits_of
from .connections import connections
from .counts import Layer
from .payloads import REAL_BITS, payload_bits


def bit_budget(timesteps: int, weight_bits: int, spike_bits: int) -> int:
    """Return T times both widths, bit^2 steps.

    >>> bit_budget(4, 8, 1) == bit_budget(1, 8, 4) == 32
    True
    """
    return timesteps * weight_bits * spike_bits


@dataclass(frozen=True)
class Budget:
    """The arithmetic effort of a layer.

    Attributes:
        timesteps: Steps at which it receives events.
        weight_bits: Width of its weights.
        spike_bits: Width of the payloads it receives.
        macs: Synapses between single neurons, weights of 0 included.
        firing_rate: Share of presynaptic neurons that send in a step.
    """

    timesteps: int
    weight_bits: int
    spike_bits: int
    macs: int
    firing_rate: float

    @property
    def bit_budget(self) -> int:
        """T times both widths."""
        return bit_budget(self.timesteps, self.weight_bits, self.spike_bits)

    @property
    def s_ace(self) -> float:
        """Effort where zeros cannot be skipped."""
        return float(self.macs * self.bit_budget)

    @property
    def ns_ace(self) -> float:
        """Effort where zeros are skipped."""
        return self.firing_rate * self.s_ace


def budgets(
    graph: Graph, timesteps: int, layers: tuple[Layer, ...], elements: int = 1
) -> Mapping[str, Budget]:
    """Return the effort of every convolution and matrix of a spiking network, by name.

    A sample that is injected once takes one step of the layer behind it.

    Args:
        graph: The spiking graph.
        timesteps: T.
        layers: What its nodes did.
        elements: Elements of a sample that is a sequence.
    """
    found = {}
    for layer in layers:
        node = graph[layer.node]
        if not isinstance(node, (Conv, Linear)):
            continue
        steps = elements * (1 if _reads_once(graph, node) else timesteps + latency(graph))
        size = graph.types[node.inputs[0]].size
        found[layer.node] = Budget(
            timesteps=steps,
            weight_bits=bits_of(node.weight) or REAL_BITS,
            spike_bits=payload_bits(graph, node.inputs[0]),
            macs=connections(graph, node, zeros=True),
            firing_rate=layer.counts.events_in / (size * steps),
        )
    return found


def _reads_once(graph: Graph, node: Node) -> bool:
    once = all(encoder.once for encoder in graph.of_type(Encoder))
    return once and reads_input(graph, node)
