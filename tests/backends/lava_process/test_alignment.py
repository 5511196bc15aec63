"""When the processes of recurrent networks send, and that it is neither too early nor too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.lava_process import LavaBackend, LavaProgram
from snnc.backends.lava_process.alignment import align
from snnc.backends.lava_process.plan import DelayPlan
from snnc.backends.numpy_sim import NumpyBackend
from snnc.ir import (
    IF,
    Array,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    Node,
    Previous,
    Reshape,
    Signal,
    TensorType,
    TrackingIF,
)
from snnc.ir.depth import depths, takes_a_step
from snnc.ir.errors import DataError, DesignRuleError
from tests.recurrent_graphs import ELEMENTS, RECURRENT, sequences

runs = pytest.mark.skipif(
    not LavaBackend().availability(), reason="the extra lava is not installed"
)
ONE, STATE = np.ones(1, np.int64), TensorType((1,), Signal.SPIKES, (0, 9))


def network(layers: list[list[str]], carried: dict[str, str]) -> Graph:
    """Return layers ``h0``, ``h1``, ... of one neuron.

    Args:
        layers: What each layer reads: the encoder ``e``, other layers or carried values.
        carried: The source of each carried value.
    """
    nodes: list[Node] = [
        Input(name="x", type=TensorType((1,)), sequence=3),
        Encoder(name="e", inputs=("x",), scale=1.0, bounds=(-8, 7), once=True),
        *(Previous(name=name, source=source, type=STATE) for name, source in carried.items()),
    ]
    for place, sources in enumerate(layers):
        synapses = tuple(f"{source}->h{place}" for source in sources)
        for name, source in zip(synapses, sources, strict=True):
            nodes.append(Linear(name=name, inputs=(source,), weight=np.ones((1, 1), np.int64)))
        nodes.append(neurons(f"h{place}", synapses))
    last = Linear(name="k", inputs=(f"h{len(layers) - 1}",), weight=np.ones((1, 1), np.int64))
    end = Integrator(name="y", inputs=("k",), bias=ONE, scale=np.ones(1), decoding="sum")
    return Graph([*nodes, last, end], {"y": "y"})


def neurons(name: str, inputs: tuple[str, ...]) -> TrackingIF:
    multiplier = np.ones((len(inputs), 1), np.int64)
    return TrackingIF(
        name=name, inputs=inputs, multiplier=multiplier, threshold=ONE, bias=ONE, low=0, high=9
    )


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 6))
    layer = st.sampled_from([f"h{place}" for place in range(count)])
    carried = {f"p{i}": draw(layer) for i in range(draw(st.integers(1, 4)))}
    layers: list[list[str]] = []
    for place in range(count):
        before = ["e", *carried, *(f"h{i}" for i in range(place))]
        chosen = draw(st.lists(st.sampled_from(before), min_size=1, max_size=3, unique=True))
        layers.append(chosen)
    return network(layers, carried)


@pytest.mark.filterwarnings("ignore::ImportWarning")  # networkx looks for pandas
@settings(max_examples=150, deadline=None)
@given(graph=networks(), timesteps=st.integers(1, 4))
def test_what_is_carried_is_complete_when_it_is_delivered(graph: Graph, timesteps: int) -> None:
    found = align(graph)
    depth, period = found.depth, timesteps + found.idle
    for name, source in graph.feedback.items():
        complete, delivered = depth[source] + timesteps, depth[name] + 1 + period
        assert complete <= delivered
        # Two sums are kept, so the element after the next has not begun to arrive.
        assert delivered < depth[source] + 1 + 2 * period
    for node in graph:
        least = max((depth[name] for name in node.inputs), default=0)
        assert depth[node.name] >= least + takes_a_step(graph, node.name)
    assert found.idle == fewest_idle_steps(graph)


def fewest_idle_steps(graph: Graph) -> int:
    """Return what the loop needs that has most synapses for each value it carries."""
    edges = graph.digraph()
    edges.add_edges_from((source, name) for name, source in graph.feedback.items())
    ratios = [
        sum(takes_a_step(graph, name) for name in loop)
        / sum(name in graph.feedback for name in loop)
        for loop in networkx.simple_cycles(edges)
    ]
    return ceil(max(ratios, default=1)) - 1


@pytest.mark.parametrize(
    ("name", "idle", "delivered"),
    [
        ("state", 0, {"before": 1}),  # when what the layer in front sends is under way
        ("states", 1, {"p": 0, "q": 0}),
        ("chain", 0, {"p": 0, "q": 2}),
        ("carriers", 1, {"pe": 0, "pm": 0, "pj": 0, "pf": 0, "pp": 0}),
        ("memoryless", 0, {}),
    ],
)
def test_idle_steps_and_deliveries(name: str, idle: int, delivered: dict[str, int]) -> None:
    graph = RECURRENT[name](1)
    plan = LavaBackend().lower(graph, 4).plan
    assert plan.idle == idle
    depth = {process.name: process.depth for process in plan.processes}
    assert {name: depth[name] for name in graph.feedback} == delivered
    assert plan.depth_latency == max(depths(graph, delivered).values())


def test_a_delivery_waits_as_long_as_nothing_waits_for_it() -> None:
    """The long loop needs an idle step; the short one at its end then has one to spare."""
    long = [["e", "p"], ["h0"], ["h1", "q"]]
    graph = network(long, {"p": "h1", "q": "h2"})
    plan = LavaBackend().lower(graph, 2).plan
    assert plan.idle == 1
    depth = {process.name: process.depth for process in plan.processes}
    assert (depth["q"], depth["h2"]) == (2, 3)
    assert not any(isinstance(process, DelayPlan) for process in plan.processes)


def test_a_delivery_is_no_later_than_its_source() -> None:
    """The last layer reads the state of the first: the current waits, not a third sum."""
    graph = network([["e", "p"], ["h0"], ["h1", "p2"]], {"p": "h0", "p2": "h0"})
    plan = LavaBackend().lower(graph, 1).plan
    depth = {process.name: process.depth for process in plan.processes}
    assert (depth["h0"], depth["p2"], depth["h2"]) == (1, 1, 3)
    delays = [process for process in plan.processes if isinstance(process, DelayPlan)]
    assert [(delay.steps, delay.depth) for delay in delays] == [(1, 3)]


@runs
@pytest.mark.lava
def test_without_its_idle_step_a_value_is_delivered_incomplete() -> None:
    graph = RECURRENT["states"](9)
    program, x = LavaBackend().lower(graph, 1), sequences(graph, 4)
    expected = NumpyBackend().lower(graph, 1).run(x).decoded["y"]
    np.testing.assert_array_equal(program.run(x).decoded["y"], expected)
    hasty = LavaProgram(graph, 1, replace(program.plan, idle=0))
    assert np.any(hasty.run(x).decoded["y"] != expected)


@runs
@pytest.mark.lava
def test_recurrent_networks_on_the_connections_of_lava() -> None:
    graph = RECURRENT["carriers"](2)
    program, x = LavaBackend().lower(graph, 4), sequences(graph, 2)
    fast, stock = (program.run(x, record=True, fast=fast) for fast in (True, False))
    np.testing.assert_array_equal(fast.decoded["y"], stock.decoded["y"])
    for node, payloads in fast.spikes.items():
        np.testing.assert_array_equal(payloads, stock.spikes[node], node)


@runs
@pytest.mark.lava
def test_progress_and_one_sequence() -> None:
    """Sequences do not depend on those before them, and the last one ends with the run."""
    graph = RECURRENT["states"](9)
    program, x = LavaBackend().lower(graph, 2), sequences(graph, 9)
    told: list[tuple[int, int]] = []
    many = program.run(x, progress=lambda *done: told.append(done))
    assert told[-1] == (9, 9)
    one = program.run({"x": x["x"][7:8]})
    np.testing.assert_array_equal(one.decoded["y"][0], many.decoded["y"][7])


def test_a_run_ends_with_its_last_element() -> None:
    program = LavaBackend().lower(RECURRENT["states"](9), 5)
    assert (program.plan.idle, program.depth_latency) == (1, 3)
    assert program.latency_steps(4) == 4 * 5 + 3 * 1 + 3
    assert program.latency_steps() == 5 + 3


@runs
@pytest.mark.lava
def test_a_rate_coded_sequence_begins_every_element_at_rest() -> None:
    """Nothing is carried; the outputs are those of the last element."""
    theta = np.array([40])
    rate = IF(name="n", inputs=("c",), threshold=theta, bias=3 * ONE, initial=theta // 2)
    nodes: list[Node] = [
        Input(name="x", type=TensorType((6,)), sequence=0),
        Encoder(name="e", inputs=("x",), scale=0.1),
        Linear(name="c", inputs=("e",), weight=np.arange(18).reshape(3, 6) - 9),
        replace(rate, max_positive=2, max_negative=2),
        Linear(name="k", inputs=("n",), weight=np.arange(6).reshape(2, 3) - 3),
        Integrator(name="y", inputs=("k",), bias=ONE, scale=np.ones(1)),
    ]
    graph = Graph(nodes, {"y": "y"})
    x = np.random.default_rng(2).normal(size=(3, 4, 6))
    single = Graph([Input(name="x", type=TensorType((6,))), *nodes[1:]], {"y": "y"})
    expected = LavaBackend().lower(single, 5).run({"x": x[:, -1]})
    found = LavaBackend().lower(graph, 5).run({"x": x}, record=True)
    np.testing.assert_array_equal(found.decoded["y"], expected.decoded["y"])
    assert found.spikes["n"].shape == (3, 4 * 5, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :2], r"x: has samples of shape \(2, 6\) but needs \(3, 6\)"),
        (lambda x: x[:, 0], r"x: has samples of shape \(6,\) but needs \(3, 6\)"),
    ],
)
def test_other_lengths_are_refused(change: Callable[[Array], Array], message: str) -> None:
    assert ELEMENTS == 3
    graph = RECURRENT["state"](1)
    with pytest.raises(DataError, match=message):
        LavaBackend().lower(graph, 1).run({"x": change(sequences(graph, 2)["x"])})


def test_sequences_of_unequal_length_are_refused() -> None:
    graph = RECURRENT["carriers"](1)
    other = Input(name="z", type=TensorType((3,)), sequence=2)
    graph = Graph([other if n.name == "z" else n for n in graph], graph.outputs)
    with pytest.raises(DataError, match="differ in their numbers of elements"):
        LavaBackend().lower(graph, 1).run(sequences(graph, 2) | {"z": np.zeros((2, 2, 3))})


def test_a_value_that_only_carries_itself_is_refused() -> None:
    entry, encoder, *nodes = network([["e"]], {})
    loop = [
        Previous(name="p", source="r", type=STATE),
        Previous(name="q", source="p", type=STATE),
        Reshape(name="r", inputs=("q",), shape=(1,)),
    ]
    graph = Graph([entry, encoder, *loop, *nodes], {"y": "y"})
    with pytest.raises(DesignRuleError, match="p: carries itself without a synapse") as refused:
        LavaBackend().lower(graph, 1)
    assert str(refused.value).count("carries itself") == 1


def test_a_value_beyond_its_bounds_is_refused() -> None:
    graph = network([["e", "p"]], {"p": "h0"})
    narrow = Previous(name="p", source="h0", type=replace(STATE, payload=(0, 8)))
    graph = Graph([narrow if n.name == "p" else n for n in graph], graph.outputs)
    with pytest.raises(DesignRuleError, match="p: carries a value between 0 and 9"):
        LavaBackend().lower(graph, 1)


def test_a_sum_without_bounds_is_refused() -> None:
    graph = network([["e", "p"]], {"p": "h0"})
    synapses = ("e->h0", "p->h0")
    rate = IF(name="h0", inputs=synapses, threshold=ONE, bias=0 * ONE, initial=0 * ONE)
    nodes = [rate if node.name == "h0" else node for node in graph]
    with pytest.raises(DesignRuleError, match="p: carries a sum without bound"):
        LavaBackend().lower(Graph(nodes, graph.outputs), 1)
