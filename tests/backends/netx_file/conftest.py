"""Small networks that a ``.net`` file can hold, and between them use all that it can."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snnc.backends.netx_file.network import MEMBRANE
from snnc.ir import IF, Array, Conv, Encoder, Graph, Input, Integrator, Linear, Node, Reshape
from snnc.ir.types import TensorType


class Row:
    """A row of layers under construction; weights are the same in every run."""

    def __init__(self, seed: int, *shape: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Node] = [
            Input(name="x", type=TensorType(shape)),
            Encoder(name="e", inputs=("x",), scale=1 / 63, bits=7),
        ]

    def weights(self, *shape: int, low: int = -99, high: int = 100) -> Array:
        return self.rng.integers(low, high, shape).astype(np.int8)

    def add(self, node: Node) -> None:
        self.nodes.append(node)

    @property
    def end(self) -> str:
        return self.nodes[-1].name

    def conv(self, out: int, kernel: int, *, threshold: int, **window: Any) -> None:
        here = Graph(self.nodes, {"y": self.end}).types[self.end].shape
        weight = self.weights(out, here[0] // window.get("groups", 1), kernel, kernel)
        index = len(self.nodes)
        self.add(Conv(name=f"c{index}", inputs=(self.end,), weight=weight, **window))
        self.neurons((out, 1, 1), threshold)

    def dense(self, out: int, *, threshold: int, low: int = -99) -> None:
        (size,) = Graph(self.nodes, {"y": self.end}).types[self.end].shape
        weight = self.weights(out, size, low=low)
        self.add(Linear(name=f"l{len(self.nodes)}", inputs=(self.end,), weight=weight))
        self.neurons((out,), threshold)

    def neurons(self, shape: tuple[int, ...], threshold: int) -> None:
        bias = self.rng.integers(-threshold // 4, threshold // 2, shape).clip(-4095, 4095)
        self.add(
            IF(
                name=f"n{len(self.nodes)}",
                inputs=(self.end,),
                threshold=np.full((1,) * len(shape), threshold),
                bias=bias,
                initial=np.zeros((1,) * len(shape), np.int64),
                reset="zero",
                clamp=MEMBRANE,
            )
        )

    def flat(self) -> None:
        size = Graph(self.nodes, {"y": self.end}).types[self.end].size
        self.add(Reshape(name="f", inputs=(self.end,), shape=(size,)))

    def graph(self, out: int) -> Graph:
        (size,) = Graph(self.nodes, {"y": self.end}).types[self.end].shape
        self.add(Linear(name="last", inputs=(self.end,), weight=self.weights(out, size)))
        bias, scale = np.arange(out) - 2, np.full(out, 0.01)
        self.add(Integrator(name="y", inputs=("last",), bias=bias, scale=scale))
        return Graph(self.nodes, {"y": "y"})


def digits() -> Graph:
    """Two convolutions and a dense layer for images of 28 x 28."""
    row = Row(1, 1, 28, 28)
    row.conv(4, 5, threshold=2500, stride=(2, 2))
    row.conv(6, 3, threshold=200, stride=(2, 2), padding=(1, 1, 1, 1))
    row.flat()
    row.dense(20, threshold=250)
    return row.graph(10)


def windows() -> Graph:
    """Groups, dilation, uneven borders and strides, not square; a bias of every neuron."""
    row = Row(2, 2, 11, 8)
    row.conv(4, 3, threshold=1500, groups=2, padding=(0, 1, 1, 2), stride=(1, 2))
    row.conv(6, 2, threshold=150, groups=2, dilation=(2, 1))
    shape = Graph(row.nodes, {"y": row.end}).types[row.end].shape
    bias = row.rng.integers(-40, 60, shape)
    last = row.nodes.pop()
    assert isinstance(last, IF)
    row.add(replace(last, bias=bias))
    row.flat()
    return row.graph(5)


def flat_image() -> Graph:
    """An image that is flattened at once; weights above 0 only in one layer."""
    row = Row(3, 2, 4, 3)
    row.flat()
    row.dense(12, threshold=60_000, low=0)
    row.dense(9, threshold=120)
    return row.graph(4)


GRAPHS: dict[str, Callable[[], Graph]] = {
    make.__name__: make for make in (digits, windows, flat_image)
}


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> Graph:
    """Each of the graphs in turn."""
    return GRAPHS[request.param]()


@pytest.fixture
def samples() -> Callable[[Graph, int], dict[str, Array]]:
    """Return inputs of a graph, the same ones in every run."""

    def make(graph: Graph, count: int) -> dict[str, Array]:
        rng = np.random.default_rng(9)
        return {"x": rng.normal(0.3, 0.5, (count, *graph.types["x"].shape))}

    return make
