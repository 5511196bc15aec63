"""A NIR network step by step: what comes in over its edges, whatever its nodes make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ...ir import Array
from .network import NirNetwork

Computed = Callable[[Array, int], Array]
"""What a node makes of the sum of what comes in, at a step, counted from 1."""


def stepped(
    network: NirNetwork,
    computed: Mapping[str, Computed],
    inputs: Mapping[str, Array],
    timesteps: int,
) -> Iterator[dict[str, Array]]:
    """Yield what each node has at each step, float64, ``(samples, *shape)``.

    An edge from a node that comes later brings what that node had at the step before; before the
    first that is 0.

    Args:
        network: What was read from a file.
        computed: For each node that reads others.
        inputs: For each node that reads none, ``(samples, timesteps, *shape)``.
        timesteps: T.
    """
    place = {name: number for number, name in enumerate(network.nodes)}
    read = {name: network.sources(name) for name in network.nodes}
    samples = len(next(iter(inputs.values())))
    before = {
        source: np.zeros((samples, *network.nodes[source].shape))
        for source, reader in network.edges
        if place[source] >= place[reader]
    }
    for t in range(1, timesteps + 1):
        now: dict[str, Array] = {}
        for name, sources in read.items():
            if not sources:
                now[name] = np.asarray(inputs[name][:, t - 1], np.float64)
                continue
            first, *others = (
                (now if place[source] < place[name] else before)[source] for source in sources
            )
            now[name] = np.asarray(computed[name](sum(others, first), t), np.float64)
        yield now
        before = now
