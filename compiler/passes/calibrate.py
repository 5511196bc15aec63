"""Light and advanced calibration: undo the mean error of each population, front to back.

``light``: the bias of each channel falls by the mean of what the population sends too much
over samples and places, ``b <- b - mean(phi - a)``. ``advanced``: the initial membrane of each
neuron rises by T times what it sends too little on average over samples,
``v_0 <- v_0 + T * mean(a - phi)``. ``phi`` is the mean output over T steps and ``a`` the ANN's
activation, both while the populations before are already corrected. Li et al., *A Free Lunch
From ANN*, ICML 2021 (bias and initial-potential correction; their weight calibration by
gradient descent is not part of this pass).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...ir import IF, Array, Graph
from ..layerwise import LayerwiseRun


@dataclass(frozen=True)
class Calibrate:
    """The pass; it needs a normalised, real-valued graph (all thresholds 1).

    Attributes:
        ann: The ANN the graph was made from.
        samples: For each input, calibration samples ``(samples, *shape)``, ANN units.
        timesteps: T.
        advanced: Whether initial membranes are corrected instead of biases.
        progress: Called with populations done and in all.
    """

    ann: Graph
    samples: Mapping[str, Array]
    timesteps: int
    advanced: bool
    progress: Callable[[int, int], None] | None = None

    def __call__(self, graph: Graph) -> Graph:
        """Return the corrected graph; pairs of populations for one value stay as they are."""
        run = LayerwiseRun(self.ann, graph, self.samples, self.timesteps, self.progress)
        times = Counter(node.represents for node in graph.of_type(IF))
        for node in run.layers():
            if isinstance(node, IF) and times[node.represents] == 1:
                sent = run.sent(node, run.currents(node)).mean(axis=0, dtype=np.float32)
                missing = run.wanted_output(node) - sent
                run.replace({node.name: self._corrected(node, missing)})
        return run.graph

    def _corrected(self, node: IF, missing: Array) -> IF:
        if self.advanced:
            shift = self.timesteps * missing.mean(axis=0, dtype=np.float64)
            return replace(node, initial=node.initial + shift)
        mean = missing.mean(axis=(0, *range(2, missing.ndim)), dtype=np.float64)
        return replace(node, bias=node.bias + mean.reshape(-1, *(1,) * (missing.ndim - 2)))
