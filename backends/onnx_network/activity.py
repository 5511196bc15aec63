"""What a run did, counted from its payloads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...ir import (
    MOVES,
    Array,
    Concat,
    Conv,
    Encoder,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Population,
    Product,
    Reshape,
    Signal,
)
from ...ir.reference import at_step, elements, step
from ..base import Activity
from ..counting import activity, fan_out


class Counting:
    """Counts events and the synaptic operations they cause.

    Args:
        graph: A spiking graph.
        steps: Steps of a run, or of one element of a sequence.
    """

    def __init__(self, graph: Graph, steps: int) -> None:
        self.graph, self.steps = graph, steps
        self.readers: dict[str, list[tuple[str, Array]]] = {node.name: [] for node in graph}
        for node in graph:
            if isinstance(node, (Conv, Linear, MaxPool, Product)):
                for source in dict.fromkeys(node.inputs):
                    if graph.types[source].signal is Signal.SPIKES:
                        reach = fan_out(graph, node.name) * node.inputs.count(source)
                        self.readers[source].append((node.name, reach))

    def activity(
        self, inputs: Mapping[str, Array], traces: Mapping[str, Array], samples: int
    ) -> dict[str, Activity]:
        """Return what each population, max pool and synapse did.

        Args:
            inputs: For each input, ``(samples, *shape)``.
            traces: For each node that sends events, brings what was before or sends a membrane,
                its payloads ``(all steps, samples, *shape)``.
            samples: How many of the samples count.
        """
        counted: dict[str, Activity] = {}
        edges: dict[str, Array] = {}
        given = elements(self.graph, inputs)
        for node in self.graph:
            edges[node.name] = value = self._edge(node, given, traces, edges)
            if self.graph.types[node.name].signal is not Signal.SPIKES:
                continue
            readers = self.readers[node.name]
            sent, *felt = (
                self._by_step(each, samples)
                for each in activity(value, [reach for _, reach in readers])
            )
            for (name, _), found in zip(readers, felt, strict=True):
                counted[name] = counted[name] + found if name in counted else found
            if isinstance(node, MaxPool):  # what it sent, and what it compared
                own = counted[node.name]
                sent = Activity(sent.spikes, sent.units, own.synops, own.unit_synops)
            if isinstance(node, (Population, MaxPool)):
                counted[node.name] = sent
        return counted

    def _edge(
        self,
        node: Node,
        given: list[dict[str, Array]],
        traces: Mapping[str, Array],
        edges: Mapping[str, Array],
    ) -> Array:
        """Return the events on an edge, ``(all steps, samples, *shape)``; empty where none are."""
        if node.name in traces:
            return traces[node.name]
        arguments = [edges[name] for name in node.inputs]
        if isinstance(node, Reshape):
            return arguments[0].reshape(*arguments[0].shape[:2], *node.shape)
        if isinstance(node, MOVES):
            return node.moved(arguments[0], leading=2)
        if isinstance(node, Concat):
            return np.concatenate(arguments, axis=2)
        if isinstance(node, Encoder):
            source = self.graph[node.inputs[0]]
            if isinstance(source, Input) and source.stepwise:
                (sample,) = (element[source.name] for element in given)
                return np.stack(
                    [
                        step(node, [at_step(source, sample, t)], {}, t)
                        for t in range(1, self.steps + 1)
                    ]
                )
            samples = [step(node, [element[source.name]], {}, 1) for element in given]
            return self._over_steps(samples, once=node.once)
        return np.zeros((0, 0, 0))

    def _over_steps(self, values: list[Array], *, once: bool) -> Array:
        """Return what is injected in each element, at its first step or at all."""
        shape = (len(values), self.steps, *values[0].shape)
        whole = np.zeros(shape, values[0].dtype)
        whole[:, : 1 if once else self.steps] = np.stack(values)[:, None]
        return whole.reshape(-1, *shape[2:])

    def _by_step(self, counts: Activity, samples: int) -> Activity:
        """Return counts of a step as sums over all elements of a sequence."""
        parts = (counts.spikes, counts.units, counts.synops, counts.unit_synops)
        rounds = parts[0].shape[1] // self.steps
        return Activity(
            *(part[:samples].reshape(samples, rounds, self.steps).sum(axis=1) for part in parts)
        )
