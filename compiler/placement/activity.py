"""How often neurons send: counted on samples, or assumed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...backends.base import Progress
from ...backends.numpy_sim import NumpyBackend
from ...ir import Array, Encoder, Graph, MaxPool, Population, Previous
from ...ir.leaky import LeakyIntegrator
from ..data import Samples
from .layers import Layer

SAMPLES_AT_ONCE = 4
"""Every payload of a run is kept: this many samples at a time."""


def assumed_activity(layers: Sequence[Layer]) -> Array:
    """Return one event a neuron and step: the static bound."""
    return np.ones(layers[-1].first + layers[-1].size)


def counted_activity(
    graph: Graph,
    layers: Sequence[Layer],
    timesteps: int,
    samples: Samples,
    progress: Progress | None = None,
) -> Array:
    """Return the mean events a step of every neuron, float64, on the simulator.

    Args:
        graph: A spiking graph.
        layers: Its layers.
        timesteps: T.
        samples: For each input its samples.
        progress: Called with samples done and in all.
    """
    program = NumpyBackend().lower(graph, timesteps)
    events = np.zeros(layers[-1].first + layers[-1].size)
    total = len(next(iter(samples.values())))
    steps = 1
    for start in range(0, total, SAMPLES_AT_ONCE):
        some = {name: x[start : start + SAMPLES_AT_ONCE] for name, x in samples.items()}
        spikes = program.run(some, record=True).spikes
        for layer in layers:
            own = slice(layer.first, layer.first + layer.size)
            if isinstance(layer.node, (Population, MaxPool)):
                payloads = spikes[layer.name]
                steps = payloads.shape[1]
                events[own] += np.count_nonzero(payloads, axis=(0, 1)).ravel()
        if progress:
            progress(min(start + SAMPLES_AT_ONCE, total), total)
    for layer in layers:
        own = slice(layer.first, layer.first + layer.size)
        if isinstance(layer.node, Encoder):
            events[own] = injected(layer, layer.node, samples, steps)
        elif isinstance(layer.node, (Previous, LeakyIntegrator)):  # not recorded: the static bound
            events[own] = total * steps
    return events / (total * steps)


def injected(layer: Layer, node: Encoder, samples: Samples, steps: int) -> Array:
    """Return the events of each neuron of an encoder in all samples.

    Args:
        layer: The layer of the encoder.
        node: The encoder.
        samples: For each input its samples, ``(samples, *shape)``, or of sequences
            ``(samples, elements, *shape)``, of stepwise inputs ``(samples, timesteps, *shape)``.
        steps: Steps of a sample, all elements of a sequence together.
    """
    x = samples[node.inputs[0]]
    presented = x.reshape(len(x), -1, layer.size)
    sent = presented != 0 if node.scale is None else np.rint(presented / node.scale) != 0
    steps_each = 1 if node.once else steps // presented.shape[1]
    return np.asarray(np.count_nonzero(sent, axis=(0, 1)) * steps_each)
