"""Small networks of tracking neurons, and the integer ANNs that they must be equal to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from snnc.ir import (
    Array,
    Concat,
    Conv,
    Dequantize,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Quantize,
    Requantize,
    Reshape,
    TensorType,
    TrackingIF,
)

THETA = 1 << 20
"""Multipliers and biases are fixed-point numbers with 20 binary places."""


class _Maker:
    """Random parameters, the same ones in every run.

    Args:
        cap: Largest payload of a neuron, on both sides.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.rng = np.random.default_rng(11)

    def weights(self, *shape: int) -> Array:
        return self.rng.integers(-127, 128, shape)

    def neurons(
        self, name: str, currents: Sequence[tuple[str, float]], channels: int, rank: int, **how: Any
    ) -> TrackingIF:
        """Return neurons with a multiplier for each synapse and channel.

        Args:
            name: Of the population.
            currents: The synapses, each with a sum that shall count as half of the full scale.
            channels: Of the population.
            rank: Of its shape.
            how: Fields of the neuron.
        """
        how = {"low": 0, "high": 15, "max_positive": self.cap, "max_negative": self.cap} | how
        each = (channels, *(1,) * (rank - 1))
        halves = np.array([half for _, half in currents]).reshape(-1, *(1,) * rank)
        gain = self.rng.uniform(0.5, 2, (len(currents), *each)) / halves
        return TrackingIF(
            name=name,
            inputs=tuple(source for source, _ in currents),
            threshold=np.array([THETA]),
            multiplier=np.rint(gain * (how["high"] - how["low"]) / 2 * THETA).astype(np.int64),
            bias=self.rng.integers(-2 * THETA, 2 * THETA, each),
            **how,
        )


def _entry(shape: tuple[int, ...], bounds: tuple[int, int]) -> list[Node]:
    return [
        Input(name="x", type=TensorType(shape)),
        Encoder(name="e", inputs=("x",), scale=0.01, bounds=bounds, once=True),
    ]


def _readout(inputs: tuple[str, ...], width: int) -> Integrator:
    bias, scale = 100 * np.arange(width) - 300, np.linspace(0.001, 0.01, width)
    return Integrator(name="y", inputs=inputs, bias=bias, scale=scale, decoding="sum")


def branches(cap: int) -> Graph:
    """Four synapses of depth 1 to 4 meet, one of them twice, each with multipliers of its own."""
    make, same = _Maker(cap), (1, 1, 1, 1)
    four = [("c4", 4e3), ("s", 1e3), ("d", 4e3), ("s", 2e3)]
    nodes = [
        *_entry((2, 7, 6), (-128, 127)),
        Conv(name="c1", inputs=("e",), weight=make.weights(3, 2, 3, 3), padding=same),
        make.neurons("n1", [("c1", 2e4)], 3, 3),
        Conv(name="c2", inputs=("n1",), weight=make.weights(3, 3, 3, 3), padding=same),
        make.neurons("n2", [("c2", 3e3)], 3, 3, low=-8, high=7),
        Conv(name="c3", inputs=("n2",), weight=make.weights(3, 1, 3, 3), groups=3, padding=same),
        make.neurons("n3", [("c3", 1e3)], 3, 3, rounding="half_up"),
        MaxPool(name="p", inputs=("n3",), kernel=(3, 3), padding=same),
        Conv(name="c4", inputs=("p",), weight=make.weights(3, 3, 1, 1)),
        Conv(name="s", inputs=("n1",), weight=np.full((3, 1, 1, 1), 100), groups=3),
        Conv(name="d", inputs=("n2",), weight=make.weights(3, 3, 1, 1), copies=2),
        make.neurons("n4", four, 3, 3, low=-3, high=12),
        Reshape(name="f", inputs=("n4",), shape=(126,)),
        Linear(name="l", inputs=("f",), weight=make.weights(5, 126)),
        Linear(name="t", inputs=("f",), weight=make.weights(5, 126)),
        _readout(("l", "t"), 5),
    ]
    return Graph(nodes, {"y": "y"})


def pooled(cap: int) -> Graph:
    """A max pool of the input itself, unequal parameters of every neuron, edges, no rounding."""
    make = _Maker(cap)
    edges = np.sort(make.rng.integers(-4 * THETA, 4 * THETA, 9))
    first = make.neurons("n1", [("c1", 2e4)], 4, 3, low=-1, high=60, rounding="floor")
    second = make.neurons("n2", [("c2", 2e3)], 4, 3, high=40)
    own = make.rng.integers(THETA // 3, THETA, (4, 2, 3))
    nodes = [
        *_entry((1, 9, 8), (0, 255)),
        MaxPool(name="p1", inputs=("e",), kernel=(2, 2), stride=(2, 1), padding=(0, 1, 1, 0)),
        Conv(name="c1", inputs=("p1",), weight=make.weights(4, 1, 3, 3), stride=(1, 2)),
        replace(first, threshold=make.rng.integers(THETA // 2, THETA, (4, 1, 1))),
        MaxPool(name="p2", inputs=("n1",), kernel=(2, 2), stride=(1, 1), padding=(0, 0, 0, 1)),
        Conv(name="c2", inputs=("p2",), weight=make.weights(4, 1, 1, 1), groups=4),
        replace(second, threshold=own, bias=own - THETA),
        Reshape(name="f", inputs=("n2",), shape=(24,)),
        Linear(name="l1", inputs=("f",), weight=make.weights(6, 24)),
        make.neurons("n3", [("l1", 1e3)], 6, 1, low=-4, high=5, edges=edges),
        Linear(name="l2", inputs=("n3",), weight=make.weights(7, 6)),
        _readout(("l2",), 7),
    ]
    return Graph(nodes, {"y": "y"})


def joined(cap: int) -> Graph:
    """Branches of unequal depth, one of them the input, are joined, and vectors; wide weights."""
    make, same = _Maker(cap), (1, 1, 1, 1)
    nodes = [
        *_entry((2, 5, 4), (-8, 7)),
        Conv(name="c1", inputs=("e",), weight=make.weights(3, 2, 3, 3), padding=same),
        make.neurons("n1", [("c1", 2e3)], 3, 3, low=-2, high=13),
        Concat(name="j1", inputs=("n1", "e")),
        Conv(name="c2", inputs=("j1",), weight=2 * make.weights(4, 5, 3, 3), padding=same),
        make.neurons("n2", [("c2", 3e3)], 4, 3),
        Concat(name="j2", inputs=("n2", "j1", "n1")),
        MaxPool(name="p", inputs=("j2",), kernel=(2, 2), stride=(2, 2)),
        Conv(name="c3", inputs=("j2",), weight=make.weights(12, 1, 2, 2), groups=12, stride=(2, 2)),
        make.neurons("n3", [("c3", 8e2)], 12, 3, low=-4, high=4),
        Reshape(name="f1", inputs=("p",), shape=(48,)),
        Reshape(name="f2", inputs=("n3",), shape=(48,)),
        Concat(name="j3", inputs=("f1", "f2")),
        Linear(name="l", inputs=("j3",), weight=make.weights(3, 96) - 70, copies=2),
        _readout(("l",), 3),
    ]
    return Graph(nodes, {"y": "y"})


EXACT: dict[str, Callable[[int], Graph]] = {
    "branches": branches,
    "pooled": pooled,
    "joined": joined,
}
"""Networks by name; the argument is the largest payload."""

AT_REST = {1: 70, 15: 6}
"""For each largest payload, steps after which all of these networks are at rest."""


def integer_ann(graph: Graph) -> Graph:
    """Return the quantised ANN in integers that a network of tracking neurons stands for."""
    return Graph((_integer(node) for node in graph), graph.outputs)


def _integer(node: Node) -> Node:
    if isinstance(node, Encoder):
        assert node.scale is not None
        assert node.bounds is not None
        low, high = node.bounds
        return Quantize(name=node.name, inputs=node.inputs, scale=node.scale, low=low, high=high)
    if isinstance(node, TrackingIF):
        return Requantize(
            name=node.name,
            inputs=node.inputs,
            multiplier=node.multiplier,
            bias=node.bias,
            threshold=node.threshold,
            low=node.low,
            high=node.high,
            rounding=node.rounding,
            edges=node.edges,
        )
    if isinstance(node, Integrator):
        return Dequantize(name=node.name, inputs=node.inputs, bias=node.bias, scale=node.scale)
    return node


def exact_inputs(graph: Graph, samples: int) -> dict[str, Array]:
    """Return samples that fill the range of the encoder and leave it here and there."""
    rng = np.random.default_rng(9)
    return {
        node.name: rng.normal(0.4, 0.8, (samples, *node.type.shape))
        for node in graph.of_type(Input)
    }
