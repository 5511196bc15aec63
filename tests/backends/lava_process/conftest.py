"""Small integer graphs that between them use everything the target can do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from snnc.ir import (
    IF,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Rearrange,
    Reshape,
)
from snnc.ir.types import Array, TensorType

collect_ignore = ["user_graphs.py"]  # a program of its own

GRADED = {"max_positive": 4, "max_negative": 4}


class Weights:
    """Random weights and nodes, the same ones in every run."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> Array:
        return self.rng.integers(-127, 128, shape)

    def neurons(self, name: str, inputs: tuple[str, ...], rank: int, **options: Any) -> IF:
        threshold = options.pop("threshold", 6000)
        one = np.ones((1,) * rank, np.int64)
        options = {"bias": 0 * one, "initial": threshold // 2 * one, **options}
        return IF(name=name, inputs=inputs, threshold=threshold * one, **options)


def entry(*shape: int) -> list[Node]:
    """Return an input and its encoder ``e``."""
    return [
        Input(name="x", type=TensorType(shape)),
        Encoder(name="e", inputs=("x",), scale=1 / 127),
    ]


def readout(source: str, width: int, *, name: str = "y", clamp: int | None = None) -> Integrator:
    bias = np.arange(width) - 3
    scale = np.linspace(0.001, 0.01, width)
    return Integrator(name=name, inputs=(source,), bias=bias, scale=scale, clamp=clamp)


def lenet() -> Graph:
    weights = Weights(1)
    nodes = [
        *entry(1, 12, 10),
        Conv(name="c1", inputs=("e",), weight=weights(4, 1, 5, 3), padding=(2, 1, 2, 1)),
        weights.neurons("n1", ("c1",), 3, **GRADED, acc_min=0),
        MaxPool(name="p1", inputs=("n1",), kernel=(2, 2), stride=(2, 2)),
        Conv(name="c2", inputs=("p1",), weight=weights(5, 4, 3, 3)),
        weights.neurons("n2", ("c2",), 3, threshold=700),
        MaxPool(name="p2", inputs=("n2",), kernel=(3, 2), stride=(1, 2), padding=(1, 0, 1, 1)),
        Reshape(name="f", inputs=("p2",), shape=(40,)),
        Linear(name="l1", inputs=("f",), weight=weights(16, 40)),
        weights.neurons("n3", ("l1",), 1, threshold=300, max_positive=1, max_negative=1),
        Linear(name="l2", inputs=("n3",), weight=weights(7, 16)),
        readout("l2", 7),
    ]
    return Graph(nodes, {"y": "y"})


def residual() -> Graph:
    """Branches of depth 1 and 4 meet; the shortcut is made of copies and read twice."""
    weights = Weights(2)
    nodes = [
        *entry(2, 7, 6),
        Conv(name="c1", inputs=("e",), weight=weights(3, 2, 3, 3), padding=(1, 1, 1, 1)),
        weights.neurons("n1", ("c1",), 3, **GRADED),
        Conv(name="c2", inputs=("n1",), weight=weights(3, 3, 3, 3), padding=(1, 1, 1, 1)),
        weights.neurons("n2", ("c2",), 3, threshold=900, **GRADED),
        Conv(name="c3", inputs=("n2",), weight=weights(3, 3, 1, 1)),
        weights.neurons("n3", ("c3",), 3, threshold=200),
        MaxPool(name="p", inputs=("n3",), kernel=(3, 3), padding=(1, 1, 1, 1)),
        Conv(name="c4", inputs=("p",), weight=weights(3, 3, 3, 3), padding=(1, 1, 1, 1)),
        Conv(name="s", inputs=("n1",), weight=weights(3, 1, 1, 1), groups=3, copies=3),
        Conv(name="d", inputs=("n2",), weight=weights(3, 3, 1, 1), copies=2),
        weights.neurons("n4", ("c4", "s", "d", "s"), 3, threshold=900, **GRADED, acc_min=0),
        Reshape(name="f", inputs=("n4",), shape=(126,)),
        Linear(name="l", inputs=("f",), weight=weights(5, 126), copies=2),
        Linear(name="t", inputs=("f",), weight=abs(weights(5, 126))),
        Integrator(
            name="y", inputs=("l", "t"), bias=np.zeros(5, int), scale=np.ones(5), clamp=None
        ),
    ]
    return Graph(nodes, {"y": "y"})


def windows() -> Graph:
    """Depthwise, grouped, dilated, strided and unevenly padded convolutions."""
    weights = Weights(3)
    nodes = [
        *entry(4, 13, 11),
        Conv(
            name="c1",
            inputs=("e",),
            weight=weights(4, 1, 3, 3),
            groups=4,
            stride=(1, 2),
            padding=(0, 0, 1, 1),
        ),
        weights.neurons("n1", ("c1",), 3, **GRADED),
        Conv(
            name="c2",
            inputs=("n1",),
            weight=weights(6, 2, 3, 2),
            groups=2,
            dilation=(2, 3),
            padding=(3, 1, 1, 4),
        ),
        weights.neurons("n2", ("c2",), 3, threshold=500, **GRADED),
        Conv(
            name="c3",
            inputs=("n2",),
            weight=weights(5, 6, 2, 3),
            dilation=(2, 2),
            stride=(2, 1),
            padding=(0, 1, 1, 2),
        ),
        weights.neurons("n3", ("c3",), 3, threshold=800, **GRADED),
        MaxPool(
            name="p",
            inputs=("n3",),
            kernel=(2, 3),
            stride=(2, 1),
            dilation=(2, 2),
            padding=(1, 0, 0, 2),
        ),
    ]
    shape = Graph(nodes, {"p": "p"}).types["p"].shape
    size = int(np.prod(shape))
    nodes += [
        Reshape(name="f", inputs=("p",), shape=(size,)),
        Linear(name="l", inputs=("f",), weight=weights(3, size)),
        readout("l", 3),
    ]
    return Graph(nodes, {"y": "y"})


def many_groups() -> Graph:
    """More groups than Lava's Conv can count."""
    weights = Weights(4)
    nodes = [
        *entry(1, 4, 3),
        Conv(name="c1", inputs=("e",), weight=weights(130, 1, 2, 2)),
        weights.neurons("n1", ("c1",), 3, **GRADED),
        Conv(
            name="c2",
            inputs=("n1",),
            weight=weights(130, 1, 3, 3),
            groups=130,
            padding=(1, 1, 1, 1),
        ),
        weights.neurons("n2", ("c2",), 3, threshold=300),
        Reshape(name="f", inputs=("n2",), shape=(780,)),
        Linear(name="l", inputs=("f",), weight=weights(4, 780)),
        readout("l", 4),
    ]
    return Graph(nodes, {"y": "y"})


def saturating() -> Graph:
    """Membranes that reach the 24 bits of their clamp on both sides."""
    weights = Weights(5)
    weight = np.array([[120], [-120], [90]]) - abs(weights(3, 400)) // 20
    nodes = [
        *entry(400),
        Linear(name="l1", inputs=("e",), weight=weight),
        IF(
            name="n1",
            inputs=("l1",),
            threshold=np.array([1_500_000]),
            bias=np.array([8_000_000, -8_000_000, 3_000_000]),
            initial=np.array([0]),
            max_positive=7,
            max_negative=7,
            clamp=2**23 - 1,
        ),
        Linear(name="l2", inputs=("n1",), weight=weights(6, 3)),
        weights.neurons("n2", ("l2",), 1, threshold=100, clamp=150, **GRADED),
        Linear(name="l3", inputs=("n2",), weight=weights(4, 6)),
        readout("l3", 4, clamp=200),
    ]
    return Graph(nodes, {"y": "y"})


def neuron_settings() -> Graph:
    """Every field of the neuron, with values of its own for each neuron."""
    weights = Weights(6)

    def own(low: int, high: int) -> Array:
        return weights.rng.integers(low, high, (3, 5, 4))

    settings: list[dict[str, Any]] = [
        {"max_positive": 1},
        {"max_positive": 1, "max_negative": 1, "deadband": 1, "acc_min": 0},
        {"max_positive": 4, "max_negative": 4, "deadband": 0},
        {"max_positive": 4, "max_negative": 2, "deadband": 1, "acc_min": -3, "acc_max": 5},
        {"max_positive": 127, "max_negative": 127, "acc_min": 0, "clamp": 20000},
    ]
    nodes: list[Node] = entry(2, 5, 4)
    for i, setting in enumerate(settings):
        weight = weights(3, 2, 3, 3)
        nodes += [
            Conv(name=f"c{i}", inputs=("e",), weight=weight, padding=(1, 1, 1, 1)),
            IF(
                name=f"n{i}",
                inputs=(f"c{i}",),
                threshold=own(2000, 9000),
                bias=own(-3000, 3000),
                initial=own(-4000, 4000),
                **setting,
            ),
            Reshape(name=f"f{i}", inputs=(f"n{i}",), shape=(60,)),
            Linear(name=f"l{i}", inputs=(f"f{i}",), weight=weights(3, 60)),
        ]
    names = tuple(f"l{i}" for i in range(len(settings)))
    bias, scale = np.zeros(3, int), np.array([0.3, 1e-3, 7.0])
    nodes.append(Integrator(name="y", inputs=names, bias=bias, scale=scale))
    return Graph(nodes, {"y": "y"})


def reshapes() -> Graph:
    """Reshapes beyond a flatten before a linear map."""
    weights = Weights(7)
    nodes = [
        *entry(24),
        Reshape(name="r1", inputs=("e",), shape=(2, 3, 4)),
        Conv(name="c1", inputs=("r1",), weight=weights(3, 2, 2, 2)),
        weights.neurons("n1", ("c1",), 3, threshold=2000, **GRADED),
        Reshape(name="r2", inputs=("n1",), shape=(2, 3, 3)),
        MaxPool(name="p", inputs=("r2",), kernel=(2, 2)),
        Conv(name="c2", inputs=("p",), weight=weights(2, 2, 1, 1)),
        weights.neurons("n2", ("c2",), 3, threshold=100, **GRADED),
        Reshape(name="r3", inputs=("n2",), shape=(1, 8, 1)),
        Conv(name="c3", inputs=("r3",), weight=weights(6, 1, 8, 1), copies=2),
        weights.neurons("n3", ("c3",), 3, threshold=300, **GRADED),
        Reshape(name="r4", inputs=("n3",), shape=(2, 3)),
        Reshape(name="r5", inputs=("r4",), shape=(6,)),
        Linear(name="l1", inputs=("r5",), weight=weights(5, 6)),
        weights.neurons("n4", ("l1",), 1, threshold=300, **GRADED),
        Reshape(name="r6", inputs=("n4",), shape=(5, 1, 1)),
        Conv(name="c4", inputs=("r6",), weight=weights(4, 5, 1, 1)),
        weights.neurons("n5", ("c4",), 3, threshold=300, **GRADED),
        Reshape(name="r7", inputs=("n5",), shape=(4,)),
        Linear(name="l2", inputs=("r7",), weight=weights(3, 4)),
        readout("l2", 3),
    ]
    return Graph(nodes, {"y": "y"})


def rearrangements() -> Graph:
    """Turned images, before everything that reads events, and turned outputs."""
    weights = Weights(10)
    swap = {"split": (4, 3, 5), "order": (2, 0, 1), "shape": (5, 4, 3)}
    to_space = {"split": (2, 2, 3, 4, 3), "order": (2, 3, 0, 4, 1), "shape": (3, 8, 6)}
    nodes = [
        *entry(4, 3, 5),
        Rearrange(name="r0", inputs=("e",), **swap),
        Conv(name="c0", inputs=("r0",), weight=weights(12, 5, 1, 1)),
        weights.neurons("n0", ("c0",), 3, threshold=4000, **GRADED),
        Rearrange(name="r1", inputs=("n0",), **to_space),
        Conv(name="c1", inputs=("r1",), weight=weights(2, 3, 3, 3), padding=(0, 1, 1, 0)),
        weights.neurons("n1", ("c1",), 3, threshold=900, **GRADED),
        MaxPool(name="p", inputs=("r1",), kernel=(2, 2), stride=(2, 2), padding=(0, 1, 0, 1)),
        Reshape(name="f", inputs=("p",), shape=(48,)),
        Rearrange(name="r2", inputs=("f",), split=(6, 8), order=(1, 0), shape=(48,)),
        Linear(name="l", inputs=("r2",), weight=weights(6, 48)),
        weights.neurons("n2", ("l",), 1, threshold=400, **GRADED),
        Linear(name="k", inputs=("n2",), weight=weights(6, 6)),
        readout("k", 6),
        Reshape(name="i", inputs=("y",), shape=(2, 3)),
        Rearrange(name="t", inputs=("i",), split=(2, 3), order=(1, 0), shape=(3, 2)),
        Conv(name="c2", inputs=("n1",), weight=weights(1, 2, 7, 5)),
        Integrator(
            name="z", inputs=("c2",), bias=np.zeros((1, 1, 1), int), scale=np.ones(1), clamp=None
        ),
    ]
    return Graph(nodes, {"y": "t", "z": "z"})


def two_of_each() -> Graph:
    """Two inputs and two outputs of different depth; a max pool of the input itself."""
    weights = Weights(8)
    nodes = [
        *entry(2, 4, 4),
        Input(name="z", type=TensorType((5,))),
        Encoder(name="g", inputs=("z",), scale=0.02, bits=4),
        MaxPool(name="p", inputs=("e",), kernel=(2, 2), stride=(2, 2), padding=(1, 0, 0, 1)),
        Reshape(name="f", inputs=("p",), shape=(8,)),
        Linear(name="l1", inputs=("f",), weight=weights(6, 8)),
        Linear(name="l2", inputs=("g",), weight=weights(6, 5)),
        weights.neurons("n1", ("l1", "l2"), 1, threshold=4000, **GRADED),
        Linear(name="l3", inputs=("n1",), weight=weights(3, 6)),
        readout("l3", 3, name="first"),
        weights.neurons("n2", ("l2",), 1, threshold=400, **GRADED),
        Linear(name="l4", inputs=("n2",), weight=weights(2, 6)),
        readout("l4", 2, name="second"),
    ]
    return Graph(nodes, {"a": "first", "b": "second"})


GRAPHS: dict[str, Callable[[], Graph]] = {
    make.__name__: make
    for make in (
        lenet,
        residual,
        windows,
        many_groups,
        saturating,
        neuron_settings,
        reshapes,
        rearrangements,
        two_of_each,
    )
}


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> Graph:
    """Each of the graphs in turn."""
    return GRAPHS[request.param]()


@pytest.fixture
def graphs() -> dict[str, Callable[[], Graph]]:
    """All graphs by name."""
    return GRAPHS


@pytest.fixture
def samples() -> Callable[[Graph, int], dict[str, Array]]:
    """Return inputs of a graph, the same ones in every run."""

    def make(graph: Graph, count: int) -> dict[str, Array]:
        rng = np.random.default_rng(9)
        return {
            node.name: rng.normal(0.2, 0.6, (count, *node.type.shape))
            for node in graph.of_type(Input)
        }

    return make
