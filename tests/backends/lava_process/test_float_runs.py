"""Real-valued networks on Lava: outputs within 1e-9, equal spikes but at edges, equal counts."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pytest

from snnc.backends import Result
from snnc.backends.artifact import Artifact
from snnc.backends.comparison import Answers, compare
from snnc.backends.lava_process import LavaBackend
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.cli import main
from snnc.compiler.golden import make_golden
from snnc.compiler.network import Network
from snnc.ir import (
    IF,
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
    Reshape,
    reference,
)
from snnc.ir.types import TensorType

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]

Samples = Callable[[Graph, int], dict[str, Array]]
Graphs = dict[str, Callable[[], Graph]]


def real(graph: Graph, *, analog: bool) -> Graph:
    """Return an integer graph with each of its numbers a little moved, and in other units.

    Args:
        graph: An integer graph.
        analog: Whether samples are injected as they are instead of quantised.
    """
    rng = np.random.default_rng(8)

    def moved(array: Array) -> Array:
        return np.asarray(array * (0.01 + 1e-4 * rng.random(array.shape)))

    def changed(node: Node) -> Node:
        if isinstance(node, Encoder) and analog:
            return replace(node, scale=None)
        if isinstance(node, (Conv, Linear)):
            return replace(node, weight=moved(node.weight))
        clamp = node.clamp // 100 if isinstance(node, (IF, Integrator)) and node.clamp else None
        if isinstance(node, IF):
            parameters = (node.threshold, node.bias, node.initial)
            threshold, bias, initial = map(moved, parameters)
            return replace(node, threshold=threshold, bias=bias, initial=initial, clamp=clamp)
        if isinstance(node, Integrator):
            return replace(node, bias=moved(node.bias), clamp=clamp)
        return node

    return Graph([changed(node) for node in graph], dict(graph.outputs))


def answers(result: Result) -> Answers:
    return Answers(result.spikes, result.unrounded)


def by_reference(graph: Graph, x: dict[str, Array], timesteps: int) -> Answers:
    trace = reference.run(graph, x, timesteps)
    spikes = {name: sent.swapaxes(0, 1) for name, sent in trace.spikes.items()}
    return Answers(spikes, {key: value.swapaxes(0, 1) for key, value in trace.outputs.items()})


def joined() -> Graph:
    """Real payloads at a pool and at a join, beside events that arrive a step later."""
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> Array:
        return rng.normal(size=shape)

    def neurons(name: str, source: str) -> IF:
        theta = 1 + rng.random((3, 1, 1))
        return IF(
            name=name,
            inputs=(source,),
            threshold=theta,
            bias=0.1 * theta,
            initial=theta / 2,
            max_positive=4,
            max_negative=4,
        )

    pads = (1, 1, 1, 1)
    nodes = [
        Input(name="x", type=TensorType((2, 5, 4))),
        Encoder(name="e", inputs=("x",)),
        Conv(name="c1", inputs=("e",), weight=weights(3, 2, 3, 3), padding=pads),
        neurons("n1", "c1"),
        Concat(name="j1", inputs=("e", "n1")),
        MaxPool(name="p", inputs=("j1",), kernel=(2, 2)),
        MaxPool(name="q", inputs=("n1",), kernel=(2, 2)),
        Concat(name="j2", inputs=("p", "q")),
        Conv(name="c2", inputs=("j2",), weight=weights(3, 8, 2, 2), copies=2),
        neurons("n2", "c2"),
        Reshape(name="f", inputs=("n2",), shape=(18,)),
        Linear(name="l", inputs=("f",), weight=weights(5, 18)),
        Integrator(name="y", inputs=("l",), bias=weights(5), scale=np.full(5, 0.3)),
    ]
    return Graph(nodes, {"y": "y"})


def assert_equal(graph: Graph, x: dict[str, Array], timesteps: int, *, fast: bool) -> None:
    """The run on Lava is that of the reference, its counts are those of the simulator."""
    result = LavaBackend().lower(graph, timesteps).run(x, record=True, fast=fast)
    expected = by_reference(graph, x, timesteps)
    assert result.spikes.keys() == expected.spikes.keys()
    for name, sent in expected.spikes.items():
        assert sent.any(), f"{name} never spikes: the test shows nothing"
        np.testing.assert_allclose(result.spikes[name], sent, rtol=0, atol=1e-9, err_msg=name)
    for key, decoded in expected.outputs.items():
        assert result.unrounded[key].dtype == np.float64
        np.testing.assert_allclose(result.unrounded[key], decoded, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(result.decoded[key], result.unrounded[key].astype("f4"))
    counted = NumpyBackend().lower(graph, timesteps).run(x).activity
    assert result.activity.keys() == counted.keys()
    for name, activity in counted.items():
        for field in ("spikes", "units", "synops", "unit_synops"):
            found = getattr(result.activity[name], field)
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found, getattr(activity, field), f"{name} {field}")


def test_equal_to_the_reference(graph: Graph, samples: Samples) -> None:
    x = {name: 127 * values for name, values in samples(graph, 3).items()}
    assert_equal(real(graph, analog=True), x, 4, fast=True)  # as large as if quantised


@pytest.mark.parametrize("name", ["windows", "many_groups"])
def test_equal_on_the_connections_of_lava(graphs: Graphs, samples: Samples, name: str) -> None:
    graph = real(graphs[name](), analog=False)
    assert_equal(graph, samples(graph, 3), 4, fast=False)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "stock"])
def test_real_payloads_are_pooled_and_joined(samples: Samples, fast: bool) -> None:
    graph = joined()
    assert_equal(graph, samples(graph, 3), 4, fast=fast)


def on_an_edge() -> Graph:
    """Six synapses of 0.1 and a threshold of six times 0.1, which adding them does not reach.

    The reference multiplies, Lava has six processes whose currents a port adds.
    """
    one = np.ones(1)
    assert reduce(add, [0.1] * 6) < 0.1 * 6  # `sum` compensates since Python 3.12
    nodes = [
        Input(name="x", type=TensorType((1,))),
        Encoder(name="e", inputs=("x",)),
        Linear(name="l1", inputs=("e",), weight=np.array([[0.1], [0.15]]), copies=6),
        IF(name="n1", inputs=("l1",), threshold=0.1 * 6 * one, bias=0 * one, initial=0 * one),
        Linear(name="l2", inputs=("n1",), weight=np.array([[0.6, -0.1], [0.2, 0.3]])),
        IF(name="n2", inputs=("l2",), threshold=one, bias=0 * one, initial=one / 2),
        Linear(name="l3", inputs=("n2",), weight=np.eye(2)),
        Integrator(name="y", inputs=("l3",), bias=0 * one, scale=one),
    ]
    return Graph(nodes, {"y": "y"})


def test_a_membrane_on_an_edge_is_counted_and_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, timesteps = on_an_edge(), 5
    x = {"x": np.array([[0.7], [1.0], [0.3]], np.float32)}
    artifact = Artifact(
        graph=graph,
        golden=make_golden(graph, x, timesteps),
        target="lava",
        timesteps=timesteps,
        manifest={"model": {}, "options": {}, "report": {}},
    )
    program = LavaBackend().lower(graph, timesteps)
    sent, golden = program.run(x, record=True).spikes, artifact.golden.spikes
    assert golden["n1"][1, 0, 0] == 1
    assert sent["n1"][1, 0, 0] == 0
    differing = sum(np.count_nonzero(sent[name] != golden[name]) for name in sent)
    assert differing > 1
    folder = Network(artifact, program).save(tmp_path / "out")
    assert main(["verify", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"]
    assert found["payloads_at_edges"] == 1
    assert found["payloads_that_followed"] == differing - 1
    assert found["output_difference"] < 1e-9
    assert main(["verify", str(folder)]) == 0
    assert "1 payloads differ at a membrane within 1e-09 of an edge" in capsys.readouterr().out


def test_a_wrong_spike_is_found_behind_one_on_an_edge() -> None:
    """What follows from a decision on an edge is right; anything else is not."""
    graph, timesteps = on_an_edge(), 5
    x = {"x": np.array([[1.0]])}
    expected = by_reference(graph, x, timesteps)
    actual = answers(LavaBackend().lower(graph, timesteps).run(x, record=True))
    actual.spikes["n2"][0, 3, 1] += 1
    first = min(compare(graph, x, expected, actual).wrong, key=lambda d: d.step)
    assert (first.node, first.step, first.index) == ("n2", 4, (1,))
    assert first.actual == first.expected + 1
