"""Threshold balancing: give every population a threshold from the activations it stands for.

With the full scale ``lam`` of an activation, ``theta = lam / max_positive``: one time step can
carry the whole of ``lam``, and the mean over T steps has ``max_positive * T`` levels up to it.
Weights stay as they are but for the new meaning of one payload unit. Approximate: activations
above ``lam`` are cut off, those below are rounded to multiples of ``theta / T``.

Source: threshold balancing by the largest activation, Diehl et al., IJCNN 2015, and
Sengupta et al., *Front. Neurosci.* 13:95, 2019. How ``lam`` is estimated is the threshold
rule's business (``compiler.thresholds``); behind a staircase training chose it, and
``pipeline.trained_full_scale`` reads it off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite

from ...ir import IF, Array, Graph
from .payload_units import rescale_readers

FUZZ = 1e-6
"""Rounding of bounds counted in payload units: what is so near to a whole number is one."""


@dataclass(frozen=True)
class BalanceThresholds:
    """The pass.

    Attributes:
        full_scale: For each ANN value a population stands for, ``lam``: one value, or one a
            channel, ``(1,)`` or ``(channels,)``; ANN units, > 0.
        bounds: For each such value that is bounded below 0, its bounds (low, high), each one
            value or one a channel.
        timesteps: T, for the bounds on the units sent.
    """

    full_scale: Mapping[str, Array]
    bounds: Mapping[str, tuple[Array, Array]]
    timesteps: int

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with balanced thresholds."""
        factors: dict[str, Array] = {}
        for node in graph.of_type(IF):
            by_channel = (-1, *(1,) * (len(graph.types[node.name].shape) - 1))
            full_scale = self.full_scale[node.represents].reshape(by_channel)
            unit = full_scale / node.max_positive
            factors[node.name] = unit / node.unit
        rescaled = rescale_readers(graph, factors)
        balanced = (
            self._balanced(node, factors[node.name]) if isinstance(node, IF) else node
            for node in rescaled
        )
        return Graph(balanced, graph.outputs)

    def _balanced(self, node: IF, factor: Array) -> IF:
        balanced = replace(
            node,
            threshold=node.threshold * factor,
            initial=node.initial * factor,
            unit=node.unit * factor,
        )
        if node.represents not in self.bounds:
            return balanced
        # An activation that lets negative values through bounds the sum of the payloads itself.
        # Counted in units they are the same in every channel.
        low, high = (
            float((bound * self.timesteps / balanced.unit.reshape(-1))[0])
            for bound in self.bounds[node.represents]
        )
        return replace(
            balanced,
            acc_min=ceil(low - FUZZ) if isfinite(low) else None,
            acc_max=floor(high + FUZZ) if isfinite(high) else None,
        )
