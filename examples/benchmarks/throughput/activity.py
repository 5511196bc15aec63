"""An MLP whose neurons send as many events as one wants: does the cost follow them?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from examples.benchmarks.throughput.contestant import Job, Outcome, Prepared
from examples.benchmarks.throughput.networks import CLASSES, LAYERS, PIXELS
from examples.benchmarks.throughput.simulator import program
from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.numpy_sim.kernels import population
from snnc.ir import IF, Array, Encoder, Graph, Input, Integrator, Linear, Node, TensorType
from snnc.ir.neurons import SATURATION
from snnc.ir.reference import step

WEIGHT = 20
"""Standard deviation of the 8-bit weights."""

SOFT = 2.0
"""Thresholds in standard deviations of the mean currents: rates then differ among neurons."""

TRIED = 16
"""Samples on which biases are tried."""


def forced(job: Job, *, activity: float, width: int, method: int | None = None) -> Prepared:
    """Make an MLP ready whose neurons send in a given share of the steps.

    Args:
        job: T and the number of samples; its network is not used.
        activity: The share.
        width: Neurons of a layer.
        method: A kernel to use whatever the density, or None for the simulator's choice.
    """
    graph, x = random_graph(activity, width, job.samples, job.steps)
    lowered = NumpyBackend().lower(graph, job.steps)
    prepared = program(graph, lowered, x, method=method)

    def describe(value: object) -> Outcome:
        return replace(prepared.describe(value), outputs=None)

    return Prepared(prepared.run, describe)


def random_graph(
    activity: float, width: int, samples: int, timesteps: int, seed: int = 0
) -> tuple[Graph, Array]:
    """Return a spiking MLP shaped as ``random_mlp``, and samples ``(samples, pixels)``.

    The bias of each population is found by trying, on some of the samples.
    """
    rng = np.random.default_rng(seed)
    x = rng.random((samples, PIXELS)).astype(np.float32)
    encoder = Encoder(name="encoder", inputs=("x",), scale=1 / 127)
    nodes: list[Node] = [Input(name="x", type=TensorType((PIXELS,))), encoder]
    sent = step(encoder, [x[:TRIED]], {}, 1)[None]
    for layer in range(LAYERS):
        weight = _weights(rng, width, sent.shape[-1])
        current = sent.astype(np.float64) @ weight.T.astype(np.float64)
        neurons = _population(layer, rng, current, activity, timesteps)
        nodes += [
            Linear(name=f"synapse{layer}", inputs=(nodes[-1].name,), weight=weight),
            neurons,
        ]
        sent = population(neurons, [current], timesteps)
    nodes += [
        Linear(name="last", inputs=(nodes[-1].name,), weight=_weights(rng, CLASSES, width)),
        Integrator(name="out", inputs=("last",), bias=np.zeros(CLASSES, int), scale=np.ones(1)),
    ]
    return Graph(nodes, {"y": "out"}), x


def _population(
    layer: int, rng: np.random.Generator, current: Array, activity: float, timesteps: int
) -> IF:
    """Return neurons that send in a given share of the steps when they get such currents.

    Args:
        layer: Its number.
        rng: Draws the membranes at the start.
        current: ``(timesteps or 1, samples, width)``.
        activity: The share.
        timesteps: T.
    """
    width = current.shape[-1]
    theta = max(1, round(SOFT * float(current.mean(axis=0).std())))
    neurons = IF(
        name=f"population{layer}",
        inputs=(f"synapse{layer}",),
        threshold=np.full(width, theta),
        bias=np.zeros(width, int),
        initial=rng.integers(0, theta, width),
        max_positive=1,
        max_negative=0,
        clamp=SATURATION,
    )
    high = theta + int(np.abs(current).max())  # every neuron sends at every step
    low = -high
    while high - low > 1:
        middle = (low + high) // 2
        tried = replace(neurons, bias=np.full(width, middle))
        if population(tried, [current], timesteps).mean() < activity:
            low = middle
        else:
            high = middle
    return replace(neurons, bias=np.full(width, high))


def _weights(rng: np.random.Generator, outputs: int, inputs: int) -> Array:
    drawn = rng.normal(0, WEIGHT, (outputs, inputs))
    return np.asarray(np.clip(np.round(drawn), -127, 127), np.int64)
