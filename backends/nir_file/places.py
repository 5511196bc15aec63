"""Where the values on an edge come from: NIR has no Concat and moves nothing but by Flatten.

So what a synapse reads is traced back to the populations that sent it, and its weights are sorted
by them: each gets a synapse of its own, and several edges into a neuron mean a sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ...ir import MOVES, Array, Concat, Graph, Reshape, Signal

NOWHERE = -1


class Places:
    """For every edge that carries events, which value of which source stands where.

    Args:
        graph: A spiking graph.
        sources: Names of the nodes that send events: encoders and populations.
    """

    def __init__(self, graph: Graph, sources: Mapping[str, object]) -> None:
        self.graph = graph
        self.begin: dict[str, int] = {}
        self.number: dict[str, Array] = {}
        count = 0
        for node in graph:
            type = graph.types[node.name]
            if node.name in sources:
                self.begin[node.name] = count
                self.number[node.name] = count + np.arange(type.size).reshape(type.shape)
                count += type.size
            elif type.signal is Signal.SPIKES:
                read = [self.number[name] for name in node.inputs]
                if isinstance(node, Concat):
                    self.number[node.name] = np.concatenate(read)
                elif isinstance(node, MOVES):
                    self.number[node.name] = node.moved(read[0], leading=0, blank=NOWHERE)
                elif isinstance(node, Reshape):
                    self.number[node.name] = read[0].reshape(node.shape)

    def columns(self, name: str) -> Iterator[tuple[str, Array, Array]]:
        """Yield for each source of an edge where its values stand, flattened, and which they are.

        Yields:
            The source, places on the edge and places in the source, both ``(values,)``.
        """
        number = self.number[name].ravel()
        for source, begin in self.begin.items():
            size = self.graph.types[source].size
            (places,) = np.nonzero((number >= begin) & (number < begin + size))
            if len(places):
                yield source, places, number[places] - begin

    def channels(self, name: str) -> dict[str, tuple[Array, Array]] | None:
        """Return for each source which channels of an image are which of its own.

        Returns:
            For each source, channels of the edge and channels of the source, ``(channels,)``
            each, or None where a channel is not one of a source as it was sent.
        """
        number = self.number[name]
        area = int(np.prod(number.shape[1:]))
        found: dict[str, tuple[list[int], list[int]]] = {}
        for channel, image in enumerate(number):
            first = int(image.flat[0])
            source = next(
                (s for s, b in self.begin.items() if b <= first < b + self.graph.types[s].size),
                None,
            )
            if source is None or self.graph.types[source].shape[1:] != image.shape:
                return None
            own, inside = divmod(first - self.begin[source], area)
            if inside or np.any(image.ravel() != first + np.arange(area)):
                return None
            here, there = found.setdefault(source, ([], []))
            here.append(channel)
            there.append(own)
        return {source: (np.array(a), np.array(b)) for source, (a, b) in found.items()}
