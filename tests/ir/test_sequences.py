"""Sequences: values carried from element to element, in an ANN, in integers and in spikes."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.ir import (
    Add,
    Array,
    Clip,
    Dequantize,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    Node,
    Previous,
    Quantize,
    Requantize,
    Signal,
    TensorType,
    TrackingIF,
)
from snnc.ir.errors import GraphError, ShapeError
from snnc.ir.reference import evaluate, run
from snnc.ir.storage import from_document, to_document

RNG = np.random.default_rng(3)
INNER = RNG.integers(-9, 10, (4, 3))
RECURRENT = RNG.integers(-9, 10, (4, 4))
HEAD = RNG.integers(-9, 10, (2, 4))
BIAS = RNG.integers(-20, 20, 4)
X = RNG.integers(-7, 8, (5, 6, 3)).astype(float)
ONE = np.ones((2, 1), np.int64)
START = np.array([1, 0, 2, 0])


def real_network() -> Graph:
    return Graph(
        [
            Input(name="x", type=TensorType((3,)), sequence=6),
            Previous(name="before", source="h", type=TensorType((4,)), initial=START.astype(float)),
            Linear(name="a", inputs=("x",), weight=INNER / 1.0, bias=BIAS / 1.0),
            Linear(name="b", inputs=("before",), weight=RECURRENT / 1.0),
            Add(name="sum", inputs=("a", "b")),
            Clip(name="h", inputs=("sum",), low=0.0, high=15.0),
            Linear(name="y", inputs=("h",), weight=HEAD / 1.0),
        ],
        {"y": "y"},
    )


def integer_network() -> Graph:
    state = TensorType((4,), Signal.INTEGER, (0, 15))
    nodes: list[Node] = [
        Input(name="x", type=TensorType((3,)), sequence=6),
        Quantize(name="q", inputs=("x",), scale=1.0, low=-8, high=7),
        Previous(name="before", source="h", type=state, initial=START),
        Linear(name="a", inputs=("q",), weight=INNER),
        Linear(name="b", inputs=("before",), weight=RECURRENT),
        Requantize(
            name="h",
            inputs=("a", "b"),
            multiplier=ONE,
            bias=BIAS,
            threshold=np.ones(1, np.int64),
            low=0,
            high=15,
        ),
        Linear(name="s", inputs=("h",), weight=HEAD),
        Dequantize(name="y", inputs=("s",), bias=np.zeros(1, np.int64), scale=np.ones(1)),
    ]
    return Graph(nodes, {"y": "y"})


def spiking_network(most: int) -> Graph:
    state = TensorType((4,), Signal.SPIKES, (0, 15))
    nodes: list[Node] = [
        Input(name="x", type=TensorType((3,)), sequence=6),
        Encoder(name="q", inputs=("x",), scale=1.0, bounds=(-8, 7), once=True),
        Previous(name="before", source="h", type=state, initial=START),
        Linear(name="a", inputs=("q",), weight=INNER),
        Linear(name="b", inputs=("before",), weight=RECURRENT),
        TrackingIF(
            name="h",
            inputs=("a", "b"),
            multiplier=ONE,
            bias=BIAS,
            threshold=np.ones(1, np.int64),
            low=0,
            high=15,
            max_positive=most,
            max_negative=most,
        ),
        Linear(name="s", inputs=("h",), weight=HEAD),
        Integrator(
            name="y",
            inputs=("s",),
            bias=np.zeros(1, np.int64),
            scale=np.ones(1),
            decoding="sum",
        ),
    ]
    return Graph(nodes, {"y": "y"})


def by_hand() -> Array:
    h = np.broadcast_to(START, (5, 4))
    for n in range(6):
        h = np.clip(X[:, n] @ INNER.T + h @ RECURRENT.T + BIAS, 0, 15)
    return np.asarray(h @ HEAD.T)


def test_an_ann_carries_its_state() -> None:
    np.testing.assert_array_equal(evaluate(real_network(), {"x": X})["y"], by_hand())


def test_integers_are_carried_alike() -> None:
    np.testing.assert_array_equal(evaluate(integer_network(), {"x": X})["y"], by_hand())


@pytest.mark.parametrize(("most", "steps"), [(1, 15), (4, 4), (15, 1)])
def test_spikes_end_at_the_integers_for_every_payload(most: int, steps: int) -> None:
    trace = run(spiking_network(most), {"x": X}, steps)
    np.testing.assert_array_equal(trace.outputs["y"][-1], by_hand())
    assert trace.spikes["h"].shape == (6 * steps, 5, 4)


def test_too_few_steps_are_noticed() -> None:
    trace = run(spiking_network(1), {"x": X}, 3)
    assert np.any(trace.outputs["y"][-1] != by_hand())


def test_a_carried_value_is_read_by_another_node_too() -> None:
    """A pass may not merge a node into its only reader if its value is carried as well."""
    graph = real_network()
    assert graph.only_user("h") is None
    assert graph.only_user("sum") is graph["h"]


def test_a_current_cannot_be_carried() -> None:
    with pytest.raises(ShapeError, match="only values are carried"):
        Previous(name="p", source="s", type=TensorType((4,), Signal.CURRENT)).infer()


def test_an_initial_integer_must_be_one() -> None:
    state = TensorType((4,), Signal.INTEGER, (0, 15))
    with pytest.raises(ShapeError, match="initial"):
        Previous(name="p", source="s", type=state, initial=np.zeros(4)).infer()


def test_what_is_carried_must_be_there() -> None:
    carried = Previous(name="p", source="nowhere", type=TensorType((4,)))
    with pytest.raises(GraphError, match="nowhere"):
        Graph([Input(name="x", type=TensorType((3,))), carried], {"p": "p"})


@pytest.mark.parametrize("graph", [real_network(), integer_network(), spiking_network(2)])
def test_storage_keeps_both_axes(graph: Graph) -> None:
    again = from_document(*to_document(graph))
    assert again.feedback == {"before": "h"}
    assert again.of_type(Input)[0].sequence == 6
