"""Threshold balancing on the currents of the spiking network itself.

Front to back, the threshold of each population becomes the largest current it receives in any
step of the run on calibration samples, divided by the largest payload (Spike-Norm: Sengupta et
al., *Front. Neurosci.* 13:95, 2019, there with binary spikes). No current then asks for more
than one step can send, so nothing is ever cut off; but currents of single steps are larger
than their mean, so thresholds are high and the network needs many steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ...ir import IF, Array, Graph
from ..layerwise import LayerwiseRun
from .payload_units import rescale_population


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
            if not isinstance(node, IF):
                continue
            parts = run.currents(node)
            total = np.maximum(sum(parts) + node.bias.astype(np.float32), 0)
            largest = total.max(axis=(0, 1, *range(3, total.ndim)))  # of each channel
            if not self.per_channel:
                largest = np.full_like(largest, largest.max())
            largest = np.where(largest > 0, largest, largest.max() or 1.0)
            scale = largest.reshape(-1, *(1,) * (total.ndim - 3)) / node.max_positive
            run.graph = rescale_population(run.graph, node.name, scale)
        return run.graph
