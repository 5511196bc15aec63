"""Threshold balancing on the currents of the spiking network itself.

Front to back, the threshold of each population becomes the largest current it receives in any
step of the run on calibration samples, divided by the largest payload (Spike-Norm: Sengupta et
al., *Front. Neurosci.* 13:95, 2019, there with binary spikes). No current then asks for more
than one step can send, so nothing is ever cut off; but currents of single steps are larger
than their mean, so thresholds are high and the network needs many steps. Behind a clip no
threshold exceeds its upper bound, which would no longer be enforced; where the neuron bounds
the units it sends, and behind a staircase, whose training chose it, the threshold stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import IF, Array, Clip, Graph, Staircase
from ..layerwise import LayerwiseRun
from .kinds import is_linear
from .payload_units import keeps_channels_apart, rescale_population


@dataclass(frozen=True)
class SpikeNorm:
    """The pass; it needs a normalised, real-valued graph (all thresholds 1).

    Attributes:
        ann: The ANN the graph was made from.
        samples: For each input, calibration samples ``(samples, *shape)``, ANN units.
        timesteps: T.
        per_channel: One threshold a channel instead of one a population.
        progress: Called with populations done and in all.
    """

    ann: Graph
    samples: Mapping[str, Array]
    timesteps: int
    per_channel: bool
    progress: Callable[[int, int], None] | None = None

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with thresholds from its currents."""
        run = LayerwiseRun(self.ann, graph, self.samples, self.timesteps, self.progress)
        for node in run.layers():
            if not isinstance(node, IF) or _bounds_its_units(node):
                continue
            activation = self.ann[node.represents]
            if isinstance(activation, Staircase):
                continue
            apart = self.per_channel and keeps_channels_apart(run.graph, node.name)
            largest = self._largest(node, run.currents(node), apart)
            if isinstance(activation, Clip):
                largest = np.minimum(largest, activation.high / node.unit)
            run.graph = rescale_population(run.graph, node.name, largest / node.max_positive)
        return run.graph

    def _largest(self, node: IF, currents: Sequence[Array], per_channel: bool) -> Array:
        """Return the largest current of a step, in thresholds, broadcastable to the shape."""
        total = sum(currents) + node.bias.astype(np.float32)
        if node.max_negative and is_linear(self.ann[node.represents]):
            total = np.abs(total)  # a negative value is sent too
        largest = np.maximum(total.max(axis=(0, 1, *range(3, total.ndim))), 0)
        if not per_channel:
            largest = np.full(1, largest.max())
        largest = np.where(largest > 0, largest, largest.max() or 1.0)
        return np.asarray(largest.reshape(-1, *(1,) * (total.ndim - 3)), np.float64)


def _bounds_its_units(node: IF) -> bool:
    """Whether a neuron bounds what it sends in units of its threshold, but for a ReLU's guard."""
    return node.acc_min not in (0, None) or node.acc_max is not None
