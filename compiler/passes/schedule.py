"""When a neuron gets its initial membrane, and when the readout begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from ...ir import IF, Array, Graph, Integrator

SHORTEST = 4
"""Steps that a delayed readout keeps at least (Bu et al., CVPR 2025)."""


@dataclass(frozen=True)
class SpreadInitial:
    """Gives neurons ``v_init / T`` at every step instead of ``v_init`` at the start.

    The sum over a run is the same, so a constant input ends at the same value; on the way there
    are fewer early spikes. Deng & Gu, ICLR 2021: a shift of half a threshold over T.

    Attributes:
        timesteps: T.
    """

    timesteps: int

    def __call__(self, graph: Graph) -> Graph:
        """Return the real-valued graph with spread shifts."""
        return Graph((self._spread(n) if isinstance(n, IF) else n for n in graph), graph.outputs)

    def _spread(self, node: IF) -> IF:
        bias = node.bias + node.initial / self.timesteps
        return replace(node, bias=bias, initial=np.zeros_like(node.initial))


@dataclass(frozen=True)
class DelayReadout:
    """Lets the outputs leave out the first steps, in which deep layers still wait for events.

    Attributes:
        delay: Number of steps left out.
    """

    delay: int

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph with late readouts."""
        late = self.delay + 1
        return Graph(
            (replace(n, start=late) if isinstance(n, Integrator) else n for n in graph),
            graph.outputs,
        )


def transient(graph: Graph, ann: Graph, samples: Mapping[str, Array], timesteps: int) -> int:
    """Return how many steps a delayed readout should leave out.

    The sum over layers of the steps until the layer's busiest neuron fires first,
    ``(theta - v_0) / max E[a]`` with the mean over samples; at least ``SHORTEST`` steps are
    kept (Bu et al., CVPR 2025, arXiv 2409.03368).

    Args:
        graph: A normalised spiking graph (all thresholds 1).
        ann: The ANN it was made from.
        samples: For each input, calibration samples ``(samples, *shape)``.
        timesteps: T.
    """
    from ...backends.onnx_runtime import AnnSession

    nodes = graph.of_type(IF)
    names = sorted({node.represents for node in nodes})
    sums: dict[str, Array] = {}
    for found in AnnSession(ann, extra=names).stream(samples):
        for name in names:
            sums[name] = sums.get(name, 0.0) + found[name].sum(axis=0, dtype=np.float64)
    count = len(next(iter(samples.values())))
    waiting = 0.0
    for node in nodes:
        busiest = float((sums[node.represents] / count / node.unit).max())
        if busiest > 0:
            waiting += float(1 - np.mean(node.initial)) / busiest
    return max(0, min(ceil(waiting), timesteps - SHORTEST))
