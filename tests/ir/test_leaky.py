"""Leaky neurons, delays and loops: traces computed by hand, type rules, storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.ir import (
    LI,
    LIF,
    Array,
    CubaLI,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Linear,
    LoihiLIF,
    Node,
    Signal,
    TensorType,
)
from snnc.ir.bounds import current_bounds, is_quantized
from snnc.ir.errors import ArtifactError, GraphError, ShapeError
from snnc.ir.printer import to_text
from snnc.ir.reference import run
from snnc.ir.storage import from_document, to_document
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs, loihi_graph

IN = TensorType((1,), Signal.CURRENT)


def alone(node: Node, *, integer: bool = False) -> Graph:
    """One neuron that reads what the input has at each step."""
    weight = np.eye(1, dtype=np.int64 if integer else np.float64)
    nodes = [
        Input(name="x", type=TensorType((1,)), stepwise=True),
        Encoder(name="e", inputs=("x",), scale=1.0 if integer else None, bits=32),
        Linear(name="w", inputs=("e",), weight=weight),
        replace(node, inputs=("w",)),
    ]
    return Graph(nodes, {"y": node.name})


def trace(node: Node, currents: list[float], *, integer: bool = False) -> list[float]:
    """Return what a neuron has after each step."""
    graph = alone(node, integer=integer)
    found = run(graph, {"x": np.array(currents).reshape(1, -1, 1)}, len(currents))
    return [float(value) for value in found.outputs["y"].reshape(-1)]


def lif(**settings: Any) -> LIF:
    parameters: dict[str, Any] = {"decay": np.full(1, 0.5), "threshold": np.ones(1)} | settings
    return LIF(name="n", **parameters)


@pytest.mark.parametrize(
    ("settings", "currents", "spikes"),
    [
        # v: .5 .75 .875 .9375: below 1 for ever
        ({}, [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0]),
        # 1 (fires, 0 left), .75, .375 + .75 = 1.125 (fires, .125 left)
        ({}, [1, 0.75, 0.75, 0], [1, 0, 1, 0]),
        # at the threshold nothing fires: 1, .5 + .75 = 1.25
        ({"strict": True}, [1, 0.75, 0, 0], [0, 1, 0, 0]),
        # 3 (2 left), 1 (0 left), 0
        ({}, [3, 0, 0, 0], [1, 1, 0, 0]),
        # 3 fires and -1 is left; -.5 + 2.5 fires again; with the value as gain: nothing doubles
        ({"reset": "value", "reset_to": np.full(1, -1.0)}, [3, 1.25, 2.5, 0], [1, 0, 1, 0]),
        # 3, 1.5, .75: a spike changes nothing
        ({"reset": "none"}, [3, 0, 0, 0], [1, 1, 0, 0]),
        # 3; 1.5 - 1 = .5 (without the delay it would fire); .25
        ({"reset_delayed": True}, [3, 0, 0, 0], [1, 0, 0, 0]),
        # held at 0 for two steps whatever comes; what is left of 3 is forgotten
        ({"refractory": 2}, [3, 9, 9, 0.5, 1], [1, 0, 0, 0, 1]),
        ({"gain": np.full(1, 2.0), "bias": np.full(1, 0.5)}, [0.25, 0, 0], [1, 0, 0]),
        ({"initial": np.full(1, 2.0)}, [0, 0, 0], [1, 0, 0]),
        # a decay of 1 does not leak: .5, 1
        ({"decay": np.ones(1)}, [0.5, 0.5, 0.5], [0, 1, 0]),
    ],
)
def test_spikes_of_a_leaky_neuron(
    settings: dict[str, Any], currents: list[float], spikes: list[int]
) -> None:
    assert trace(lif(**settings), currents) == spikes


def test_a_delayed_reset_to_a_value_keeps_the_input_of_its_step() -> None:
    node = lif(reset="value", reset_delayed=True, decay=np.full(1, 1.0))
    # 1.5 fires; 0 + .75; .75 + .25 fires; 0 + 1 fires again
    assert trace(node, [1.5, 0.75, 0.25, 1]) == [1, 0, 1, 1]


def test_a_neuron_with_a_current_of_its_own() -> None:
    node = CubaLIF(
        name="n",
        threshold=np.full(1, 2.0),
        decay=np.full(1, 0.5),
        current_decay=np.full(1, 0.5),
        current_gain=np.full(1, 2.0),
        gain=np.full(1, 0.5),
        refractory=1,
    )
    # i: 2 1 .5 8.25 4.125 2.0625; v: 1 1 .75 4.5 (fires) held at 0, 1.03
    assert trace(node, [1, 0, 0, 4, 0, 0]) == [0, 0, 0, 1, 0, 0]
    # i: 4 6 7: v: 2 (fires) held at 0, 3.5 (fires): the current went on meanwhile
    assert trace(node, [2, 2, 2]) == [1, 0, 1]


def test_membranes_are_sent_as_they_are() -> None:
    half = np.full(1, 0.5)
    assert trace(LI(name="m", decay=half, bias=half), [1, 0, 0]) == [1.5, 1.25, 1.125]
    node = CubaLI(name="m", decay=half, current_decay=half, initial=np.full(1, 4.0))
    assert trace(node, [1, 0, 0]) == [3, 2, 1.25]


def loihi(**settings: int) -> LoihiLIF:
    parameters: dict[str, Any] = {"du": 4095, "dv": 0, "threshold": 1} | settings
    parameters = {key: np.array([value]) for key, value in parameters.items()}
    return LoihiLIF(name="n", **parameters)


def test_a_neuron_in_fixed_point() -> None:
    # v: 64 (at the threshold: no spike), 128
    assert trace(loihi(), [1, 1, 1, 1], integer=True) == [0, 1, 0, 1]
    # a bias of 3 << 5 = 96 at every step
    assert trace(loihi(bias=3, bias_exp=5), [0, 0, 0], integer=True) == [1, 1, 1]
    # u: 64 * 2 = 128, 127 (rounded towards zero: 128 * 4095 / 4096), 126: du = 0 decays too
    assert trace(loihi(du=0, threshold=5), [2, 0, 0], integer=True) == [0, 0, 1]
    # 2^18 << 6 is 2^24, which wraps to 0
    assert trace(loihi(), [2**18, 0], integer=True) == [0, 0]
    # only once: 2^19 << 6 = 2^25 becomes 2^24, and the voltage saturates below 2^23
    assert trace(loihi(threshold=2**17), [2**19, 0], integer=True) == [0, 0]
    assert trace(loihi(threshold=2**17 - 1), [2**19, 0], integer=True) == [1, 0]
    # -2^17 << 6 is -2^23, which wraps to 2^23
    assert trace(loihi(), [-(2**17)], integer=True) == [1]


def delayed(steps: int | Array, values: Array) -> Array:
    shape = values.shape[1:]
    nodes = [
        Input(name="x", type=TensorType(shape), stepwise=True),
        Encoder(name="e", inputs=("x",)),
        Delay(name="d", inputs=("e",), steps=steps),
    ]
    found = run(Graph(nodes, {"y": "d"}), {"x": values[None]}, len(values))
    return np.asarray(found.outputs["y"][:, 0])


def test_delays() -> None:
    values = np.arange(1, 9).reshape(4, 2)
    np.testing.assert_array_equal(delayed(0, values), values)
    np.testing.assert_array_equal(delayed(2, values), [[0, 0], [0, 0], [1, 2], [3, 4]])
    own = delayed(np.array([1, 3]), values)
    np.testing.assert_array_equal(own, [[0, 0], [1, 0], [3, 0], [5, 2]])
    np.testing.assert_array_equal(delayed(9, values), np.zeros((4, 2)))


def test_a_loop_brings_back_what_was_a_step_before() -> None:
    """A neuron that excites itself goes on for ever once it has fired."""
    nodes = [
        Input(name="x", type=TensorType((1,)), stepwise=True),
        Encoder(name="e", inputs=("x",)),
        Linear(name="w", inputs=("e",), weight=np.eye(1)),
        Feedback(name="b", source="n", type=TensorType((1,), Signal.SPIKES, (0, 1))),
        Linear(name="r", inputs=("b",), weight=np.eye(1)),
        lif(inputs=("w", "r")),
    ]
    graph = Graph(nodes, {"y": "n"})
    x = np.array([0, 1, 0, 0, 0.0]).reshape(1, -1, 1)
    assert run(graph, {"x": x}, 5).outputs["y"].reshape(-1).tolist() == [0, 1, 1, 1, 1]
    assert graph.feedback == {"b": "n"}
    assert not graph.carried
    assert graph.only_user("w") is graph["n"]
    assert graph.only_user("n") is None


def test_beyond_the_steps_that_are_given_the_input_is_zero() -> None:
    found = run(alone(LI(name="m", decay=np.zeros(1))), {"x": np.ones((1, 2, 1))}, 4)
    assert found.outputs["y"].reshape(-1).tolist() == [1, 1, 0, 0]


def test_what_a_loop_reads_is_not_dead() -> None:
    graph = leaky_graph_with_loop()
    kept = Graph(tuple(graph), {"y": "w"}).without_dead_nodes()
    assert "later" in kept.nodes
    renamed = graph.replace("later", replace(graph["later"], name="other"))
    assert renamed.feedback == {"b": "other"}


def leaky_graph_with_loop() -> Graph:
    nodes: list[Node] = [
        Input(name="x", type=TensorType((1,))),
        Feedback(name="b", source="later", type=TensorType((1,), Signal.SPIKES, (0, 1))),
        Linear(name="w", inputs=("b",), weight=np.eye(1)),
        Encoder(name="e", inputs=("x",)),
        Linear(name="v", inputs=("e",), weight=np.eye(1)),
        replace(lif(inputs=("v",)), name="later"),
    ]
    return Graph(nodes, {"y": "later", "w": "w"})


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (lif(threshold=np.zeros(1)), "every threshold must be above 0"),
        (lif(decay=np.ones(3)), r"a parameter of shape \(3,\) does not fit \(1,\)"),
        (lif(decay=np.ones(1, int)), "integer and real parameters are mixed"),
        (lif(reset="soft"), "no reset 'soft'"),
        (lif(refractory=-1), "cannot be refractory for -1 steps"),
        (
            CubaLIF(name="n", threshold=np.ones(1), decay=np.ones(1), current_decay=np.ones(2)),
            "fit",
        ),
        (CubaLI(name="n", decay=np.ones(1), current_decay=np.ones(2)), "does not fit"),
        (LI(name="n", decay=np.ones(1), bias=np.ones(1, int)), "integer and real"),
        (loihi(du=4096), "du goes from 4096 to 4096, beyond -1 to 4095"),
        (loihi(bias=5000), "beyond -4096 to 4095"),
        (replace(loihi(), du=np.zeros(1)), "integer and real"),
    ],
)
def test_parameters_that_do_not_fit(node: Node, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        node.infer(IN)


def test_edges_that_do_not_fit() -> None:
    spikes = TensorType((2,), Signal.SPIKES, (0, 1))
    for node in (lif(), LI(name="n", decay=np.ones(1)), loihi()):
        with pytest.raises(ShapeError, match="needs current"):
            node.infer(spikes)
    with pytest.raises(ShapeError, match="beyond 0 to"):
        Delay(name="d", steps=-1).infer(spikes)
    with pytest.raises(ShapeError, match="is no delay"):
        Delay(name="d", steps=np.ones(3, int)).infer(spikes)
    with pytest.raises(ShapeError, match="needs spikes or current"):
        Feedback(name="b", source="n", type=TensorType((2,))).infer()
    with pytest.raises(ShapeError, match="no values for each step"):
        Input(name="x", type=TensorType((2,)), sequence=3, stepwise=True).infer()


@pytest.mark.parametrize(
    "brought", [TensorType((2,), Signal.SPIKES, (0, 1)), TensorType((1,), Signal.SPIKES, (1, 1))]
)
def test_a_loop_must_say_what_it_brings_back(brought: TensorType) -> None:
    nodes = [
        replace(node, type=brought) if isinstance(node, Feedback) else node
        for node in leaky_graph_with_loop()
    ]
    with pytest.raises(GraphError, match=r"b: brings back|does not fit|weight"):
        Graph(nodes, {"y": "later"})


def test_bounds_of_what_comes_late() -> None:
    graph = loihi_graph(1)
    back = Feedback(name="z", source="f2", type=graph.types["f2"])
    more = Graph([*graph, back, Delay(name="late", inputs=("f2",), steps=2)], graph.outputs)
    low, high = current_bounds(graph, "f2")
    for name in ("z", "late"):
        found = current_bounds(more, name)
        np.testing.assert_array_equal(found[0], np.minimum(low, 0))
        np.testing.assert_array_equal(found[1], np.maximum(high, 0))
    assert is_quantized(more)
    assert not is_quantized(leaky_graph(1))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_leaky_graph_comes_back(seed: int, integer: bool) -> None:
    graph = loihi_graph(seed) if integer else leaky_graph(seed)
    document, arrays = to_document(graph)
    back = from_document(json.loads(json.dumps(document)), arrays)
    assert to_text(back) == to_text(graph)
    assert back.feedback == graph.feedback
    inputs = leaky_inputs(graph, seed, samples=1)
    before, after = run(graph, inputs, STEPS), run(back, inputs, STEPS)
    _equal(before.outputs, after.outputs)
    _equal(before.spikes, after.spikes)


def _equal(one: Mapping[str, Array], other: Mapping[str, Array]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], name)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 1.5), ("steps", 1 << 40), ("reset", "soft"), ("strict", 2)]
)
def test_files_with_nonsense_are_refused(field: str, value: object) -> None:
    graph = Graph(
        [*alone(lif()), Delay(name="d", inputs=("n",), steps=2)],
        {"y": "d"},
    )
    document, arrays = to_document(graph)
    for entry in document["nodes"]:
        if field in entry:
            entry[field] = value
    with pytest.raises(ArtifactError, match=r"graph\.json"):
        from_document(document, arrays)


def test_a_graph_in_text() -> None:
    text = to_text(leaky_graph_with_loop())
    assert "%b: spikes[1] 0..1 = Feedback(source='later')" in text
    assert "%later: spikes[1] 0..1 = LIF(%v, threshold=1" in text
