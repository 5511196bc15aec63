"""A graph that exists is well-formed; edits return new graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.ir import (
    IF,
    Add,
    Affine,
    AveragePool,
    Clip,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Reshape,
    Staircase,
    TensorType,
)
from snnc.ir.depth import depth_latency, depths
from snnc.ir.errors import GraphError, ShapeError

X = Input(name="x", type=TensorType((4,)))
IMAGE = Input(name="x", type=TensorType((2, 5, 5)))
E = Encoder(name="e", inputs=("x",))


def linear(name: str, source: str, out: int = 3, in_: int = 4, **fields: Any) -> Linear:
    return Linear(name=name, inputs=(source,), weight=np.ones((out, in_)), **fields)


def neurons(name: str, *sources: str, **fields: Any) -> IF:
    one = np.ones(1)
    return IF(name=name, inputs=sources, **{"threshold": one, "bias": one, "initial": one} | fields)


def stairs(**fields: Any) -> Staircase:
    return Staircase(name="n", inputs=("x",), **fields)


def test_names_and_order_are_checked() -> None:
    with pytest.raises(GraphError, match="two nodes are named 'x'"):
        Graph([X, X], {"y": "x"})
    with pytest.raises(GraphError, match="fc: reads 'late', which does not come before it"):
        Graph([X, linear("fc", "late")], {"y": "fc"})
    with pytest.raises(GraphError, match="output 'y' is 'gone'"):
        Graph([X], {"y": "gone"})
    with pytest.raises(GraphError, match="no outputs"):
        Graph([X], {})


def test_a_neuron_after_a_neuron_is_a_type_error() -> None:
    nodes = [X, E, linear("w", "e"), neurons("a", "w"), neurons("b", "a")]
    with pytest.raises(ShapeError, match=r"b: reads spikes\[3\] 0..1 but needs current") as caught:
        Graph(nodes, {"y": "b"})
    assert "put a synapse between" in caught.value.hint


def test_two_synapses_in_a_row_are_a_type_error() -> None:
    nodes = [X, E, linear("v", "e"), linear("w", "v", 3, 3)]
    with pytest.raises(
        ShapeError, match=r"w: reads current\[3\] but needs real, integer or spikes"
    ):
        Graph(nodes, {"y": "w"})


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (linear("n", "x", in_=5), "weight is 3x5 but the input is real[4]"),
        (Reshape(name="n", inputs=("x",), shape=(5,)), "cannot view real[4] as (5,)"),
        (Affine(name="n", inputs=("x",), scale=np.ones(3), shift=np.ones(1)), "does not fit"),
        (Clip(name="n", inputs=("x",), low=2, high=1), "lower bound 2 is not below 1"),
        (stairs(step=np.ones(3)), "(3,) does not fit real[4]"),
        (stairs(step=np.array([1.0, 0.0, 1.0, 1.0])), "every step must be above 0"),
        (stairs(low=2, high=2), "lowest level 2 is not below 2"),
        (stairs(rounding="up"), "rounding 'up' is not floor or half_even"),
        (Add(name="n", inputs=()), "adds nothing"),
        (MaxPool(name="n", inputs=("x",), kernel=(2, 2)), "needs channels x height x width"),
        (neurons("n", "x"), "reads real[4] but needs current"),
        (neurons("n"), "no synapse ends here"),
        (Clip(name="n", inputs=("x", "x")), "reads 2 edges but needs 1"),
    ],
)
def test_types_are_checked(node: Node, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Graph([X, node], {"y": "n"})
    assert str(caught.value).startswith("n: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Conv(name="n", inputs=("x",), weight=np.ones((2, 3, 1, 1))), "2x3 in 1 groups"),
        (Conv(name="n", inputs=("x",), weight=np.ones((2, 2, 7, 1))), "a window of 7"),
        (AveragePool(name="n", inputs=("x",), kernel=(6, 6)), "a window of 6"),
        (MaxPool(name="n", inputs=("x",), kernel=(2, 2), padding=(0, 2, 0, 0)), "whole windows"),
    ],
)
def test_windows_are_checked(node: Node, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Graph([IMAGE, node], {"y": "n"})


@pytest.mark.parametrize(
    "fields",
    [
        {"threshold": np.zeros(1)},
        {"max_positive": 0},
        {"deadband": 2},
        {"acc_min": 1},
        {"acc_max": -1},
        {"threshold": np.ones((3, 1))},
        {"bias": np.ones(1, np.int64)},
    ],
)
def test_neurons_are_checked(fields: dict[str, Any]) -> None:
    with pytest.raises(ShapeError, match=r"^a: "):
        Graph([X, E, linear("w", "e"), neurons("a", "w", **fields)], {"y": "a"})


def test_a_synapse_has_no_bias() -> None:
    with pytest.raises(ShapeError, match="move it into the neuron"):
        Graph([X, E, linear("w", "e", bias=np.ones(3))], {"y": "w"})


def test_currents_that_meet_have_one_shape() -> None:
    nodes = [X, E, linear("v", "e", 3), linear("w", "e", 2), neurons("a", "v", "w")]
    with pytest.raises(ShapeError, match=r"current\[3\] and current\[2\]"):
        Graph(nodes, {"y": "a"})


def test_edits_return_new_graphs() -> None:
    graph = Graph([X, linear("a", "x"), Clip(name="b", inputs=("a",))], {"y": "b"})
    replaced = graph.replace("a", linear("c", "x"), Clip(name="d", inputs=("c",)))
    assert replaced["b"].inputs == ("d",)
    assert list(graph.nodes) == ["x", "a", "b"]
    with pytest.raises(TypeError):
        graph.nodes["z"] = X  # type: ignore[index]


def test_dead_nodes_go_and_inputs_stay() -> None:
    other = Input(name="unused", type=TensorType((1,)))
    graph = Graph([X, other, linear("a", "x"), linear("b", "x")], {"y": "a"})
    assert list(graph.without_dead_nodes().nodes) == ["x", "unused", "a"]


def test_the_only_user() -> None:
    graph = Graph([X, linear("a", "x"), linear("b", "x")], {"y": "a", "z": "b"})
    assert graph.only_user("x") is None
    assert graph.only_user("a") is None, "it leaves the graph"


def test_depth_counts_synapses_and_pools_of_spikes() -> None:
    one = np.ones(1)
    nodes: list[Node] = [
        IMAGE,
        Encoder(name="e", inputs=("x",)),
        Conv(name="c", inputs=("e",), weight=np.ones((2, 2, 1, 1))),
        neurons("n", "c"),
        MaxPool(name="p", inputs=("n",), kernel=(1, 1)),
        Conv(name="d", inputs=("p",), weight=np.ones((2, 2, 1, 1))),
        Conv(name="s", inputs=("n",), weight=np.ones((2, 2, 1, 1))),
        neurons("m", "d", "s"),
        Reshape(name="f", inputs=("m",), shape=(50,)),
        Linear(name="w", inputs=("f",), weight=np.ones((2, 50))),
        Integrator(name="o", inputs=("w",), bias=one, scale=one),
    ]
    graph = Graph(nodes, {"y": "o"})
    expected = {"x": 0, "e": 0, "c": 1, "n": 1, "p": 2, "d": 3, "s": 2, "m": 3, "f": 3, "w": 4}
    assert depths(graph) == expected | {"o": 4}
    assert depth_latency(graph) == 4
