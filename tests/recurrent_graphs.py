"""Small recurrent networks of tracking neurons, and sequences for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from snnc.ir import (
    Array,
    Concat,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Previous,
    Reshape,
    Signal,
    TensorType,
    TrackingIF,
)

ELEMENTS = 3


class _Maker:
    """Random parameters, the same ones in every run.

    Args:
        cap: Largest payload of a neuron, on both sides.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.rng = np.random.default_rng(7)

    def __call__(self, *shape: int) -> Array:
        return self.rng.integers(-99, 100, shape)

    def neurons(
        self, name: str, inputs: tuple[str, ...], channels: int, rank: int = 1, **how: Any
    ) -> TrackingIF:
        each = (channels, *(1,) * (rank - 1))
        how = {"low": 0, "high": 9, "max_positive": self.cap, "max_negative": self.cap} | how
        return TrackingIF(
            name=name,
            inputs=inputs,
            multiplier=self.rng.integers(1, 4, (len(inputs), *each)),
            bias=self.rng.integers(-600, 1800, each),
            threshold=self.rng.integers(300, 500, each),
            **how,
        )

    def carried(self, name: str, source: str, shape: tuple[int, ...], *bounds: int) -> Previous:
        """Return a value that does not begin at rest; its bounds are 0 and 9 if not given."""
        low, high = bounds or (0, 9)
        state = TensorType(shape, Signal.SPIKES, (low, high))
        each = (shape[0], *(1,) * (len(shape) - 1))
        start = self.rng.integers(low, high + 1, each)
        return Previous(name=name, source=source, type=state, initial=start)


def _entry(*shape: int) -> list[Node]:
    return [
        Input(name="x", type=TensorType(shape), sequence=ELEMENTS),
        Encoder(name="e", inputs=("x",), scale=0.1, bounds=(-8, 7), once=True),
    ]


def _readout(inputs: tuple[str, ...], width: int, name: str = "y") -> Integrator:
    bias, scale = 100 * np.arange(width) - 300, np.linspace(0.001, 0.01, width)
    return Integrator(name=name, inputs=inputs, bias=bias, scale=scale, decoding="sum")


def state(cap: int) -> Graph:
    """One recurrent layer behind another: the delivery has to wait for it."""
    make = _Maker(cap)
    nodes = [
        *_entry(6),
        make.carried("before", "h", (5,)),
        Linear(name="c", inputs=("e",), weight=make(7, 6)),
        make.neurons("n", ("c",), 7),
        Linear(name="w", inputs=("n",), weight=make(5, 7)),
        Linear(name="u", inputs=("before",), weight=make(5, 5), copies=2),
        make.neurons("h", ("w", "u"), 5),
        Linear(name="k", inputs=("h",), weight=make(3, 5)),
        _readout(("k",), 3),
    ]
    return Graph(nodes, {"y": "y"})


def states(cap: int) -> Graph:
    """Two states, each read by both layers: a loop of two synapses that carries one value."""
    make = _Maker(cap)
    nodes = [
        *_entry(6),
        make.carried("p", "g", (4,)),
        make.carried("q", "h", (5,), -4, 5),
        Linear(name="w", inputs=("e",), weight=make(4, 6)),
        Linear(name="pg", inputs=("p",), weight=make(4, 4)),
        Linear(name="qg", inputs=("q",), weight=make(4, 5)),
        make.neurons("g", ("w", "pg", "qg"), 4),
        Linear(name="gh", inputs=("g",), weight=make(5, 4)),
        Linear(name="ph", inputs=("p",), weight=make(5, 4)),
        Linear(name="qh", inputs=("q",), weight=make(5, 5)),
        make.neurons("h", ("gh", "ph", "qh"), 5, low=-4, high=5),
        Linear(name="k", inputs=("h",), weight=make(3, 5)),
        _readout(("k",), 3),
    ]
    return Graph(nodes, {"y": "y"})


def chain(cap: int) -> Graph:
    """A recurrent layer of images, read element by element by one of vectors; two outputs."""
    make, same = _Maker(cap), (1, 1, 1, 1)
    nodes = [
        *_entry(2, 5, 4),
        make.carried("p", "g", (3, 5, 4)),
        make.carried("q", "h", (5,), 0, 6),
        Conv(name="w", inputs=("e",), weight=make(3, 2, 3, 3), padding=same),
        Conv(name="u", inputs=("p",), weight=make(3, 1, 3, 3), groups=3, padding=same),
        make.neurons("g", ("w", "u"), 3, 3),
        MaxPool(name="m", inputs=("g",), kernel=(2, 2), stride=(2, 2)),
        Reshape(name="f", inputs=("m",), shape=(12,)),
        Linear(name="v", inputs=("f",), weight=make(5, 12)),
        Linear(name="r", inputs=("q",), weight=make(5, 5)),
        make.neurons("h", ("v", "r"), 5, high=6),
        Linear(name="k", inputs=("h",), weight=make(3, 5)),
        _readout(("k",), 3),
        Reshape(name="s", inputs=("g",), shape=(60,)),
        Linear(name="l", inputs=("s",), weight=make(2, 60)),
        _readout(("l",), 2, "z"),
    ]
    return Graph(nodes, {"y": "y", "z": "z"})


def carriers(cap: int) -> Graph:
    """All that can be carried: the input, a pool, a join, a reshape, what was carried before."""
    make, same = _Maker(cap), (1, 1, 1, 1)
    nodes = [
        *_entry(1, 4, 3),
        Input(name="z", type=TensorType((3,))),
        Encoder(name="d", inputs=("z",), scale=0.2, bounds=(-3, 4), once=True),
        make.carried("pe", "e", (1, 4, 3), -8, 7),
        make.carried("pm", "m", (2, 4, 3)),
        make.carried("pj", "j", (2, 4, 3), -8, 9),
        make.carried("pf", "f", (24,)),
        make.carried("pp", "pf", (24,)),
        Concat(name="j", inputs=("pe", "e")),
        Concat(name="i", inputs=("j", "pm", "pj")),
        Conv(name="c", inputs=("i",), weight=make(2, 6, 3, 3), padding=same),
        make.neurons("n", ("c",), 2, 3),
        MaxPool(name="m", inputs=("n",), kernel=(3, 3), padding=same),
        Reshape(name="f", inputs=("n",), shape=(24,)),
        Linear(name="a", inputs=("pf",), weight=make(5, 24)),
        Linear(name="b", inputs=("pp",), weight=make(5, 24)),
        Linear(name="o", inputs=("d",), weight=make(5, 3)),
        make.neurons("h", ("a", "b", "o"), 5),
        Linear(name="k", inputs=("h",), weight=make(3, 5)),
        _readout(("k",), 3),
    ]
    return Graph(nodes, {"y": "y"})


def memoryless(cap: int) -> Graph:
    """A sequence that carries nothing."""
    make = _Maker(cap)
    nodes = [
        *_entry(6),
        Linear(name="c", inputs=("e",), weight=make(7, 6)),
        make.neurons("n", ("c",), 7),
        Linear(name="k", inputs=("n",), weight=make(3, 7)),
        _readout(("k",), 3),
    ]
    return Graph(nodes, {"y": "y"})


RECURRENT: dict[str, Callable[[int], Graph]] = {
    make.__name__: make for make in (state, states, chain, carriers, memoryless)
}
"""Networks by name; the argument is the largest payload."""


def sequences(graph: Graph, samples: int) -> dict[str, Array]:
    """Return inputs that fill the range of the encoders and leave it here and there."""
    rng = np.random.default_rng(5)
    shapes = {
        node.name: ((ELEMENTS,) if node.is_sequence else ()) + node.type.shape
        for node in graph.of_type(Input)
    }
    return {name: rng.normal(0, 0.5, (samples, *shape)) for name, shape in shapes.items()}
