"""The plan of a graph: depths, delays, layouts and legalisation. None of it needs Lava."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.lava_process import LavaBackend
from snnc.backends.lava_process.layout import lava_order, lava_shape, to_lava
from snnc.backends.lava_process.legalize import equal_padding, fits_lava_conv
from snnc.backends.lava_process.plan import (
    ConvPlan,
    DelayPlan,
    DensePlan,
    Plan,
    ProcessPlan,
    SparsePlan,
)
from snnc.ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    Node,
    Reshape,
    TrackingIF,
)
from snnc.ir.errors import DesignRuleError
from snnc.ir.reference import step
from snnc.ir.types import TensorType
from tests.exact_graphs import EXACT

Graphs = dict[str, Callable[[], Graph]]


def lowered(graph: Graph) -> Plan:
    return LavaBackend().lower(graph, 4).plan


def find(plan: Plan, name: str) -> ProcessPlan:
    return next(process for process in plan.processes if process.name == name)


def around(shape: tuple[int, ...], *nodes: Node) -> Graph:
    """Return synapses (and views) in a row between an encoder and an integrator."""
    entry: list[Node] = [
        Input(name="x", type=TensorType(shape)),
        Encoder(name="e", inputs=("x",), scale=1.0),
    ]
    bias, scale = np.zeros((1, 1, 1) if isinstance(nodes[-1], Conv) else 1, int), np.ones(1)
    end = Integrator(name="y", inputs=(nodes[-1].name,), bias=bias, scale=scale)
    return Graph([*entry, *nodes, end], {"y": "y"})


def lava_conv(plan: ConvPlan, x: Array) -> Array:
    """Convolve as Lava's Conv does: true convolution of width x height x channels."""
    across, down = plan.padding
    grid = np.pad(x, ((across, across), (down, down), (0, 0)))
    flipped = plan.weight[:, ::-1, ::-1]
    out = np.zeros(lava_shape(plan.shape), np.int64)
    inputs, outputs = x.shape[2] // plan.groups, out.shape[2] // plan.groups
    for column, row, o in product(*map(range, out.shape)):
        first = o // outputs * inputs
        left, top = column * plan.stride[0], row * plan.stride[1]
        for i, j in product(*map(range, flipped.shape[1:3])):
            pixel = grid[left + i * plan.dilation[0], top + j * plan.dilation[1]]
            out[column, row, o] += flipped[o, i, j] @ pixel[first : first + inputs]
    width, height = (
        (grid.shape[axis] - plan.dilation[axis] * (flipped.shape[1 + axis] - 1) - 1)
        // plan.stride[axis]
        + 1
        for axis in (0, 1)
    )
    assert (width, height) == out.shape[:2], "Lava would send another shape"
    return out


def delivered(plan: ProcessPlan, x: Array) -> Array:
    """Return what a connection process delivers for a Lava edge, channels first."""
    if isinstance(plan, ConvPlan):
        flat = lava_conv(plan, x.reshape(plan.input_shape)).ravel()
    elif isinstance(plan, DensePlan):
        flat = plan.weight.astype(np.int64) @ x.ravel()
    else:
        assert isinstance(plan, SparsePlan)
        flat = np.zeros(int(np.prod(plan.shape)), np.int64)
        np.add.at(flat, plan.rows, plan.weight * x.ravel()[plan.columns])
    out = np.empty(flat.size, np.int64)
    out[lava_order(plan.shape)] = flat
    return out.reshape(plan.shape)


def assert_delivers(graph: Graph, kind: type[ProcessPlan]) -> None:
    """The last synapse delivers what the reference computes."""
    *_, synapse, _ = graph
    plan = find(lowered(graph), synapse.name)
    assert isinstance(plan, kind)
    rng = np.random.default_rng(3)
    x = rng.integers(-9, 10, (1, *graph.types["e"].shape))
    expected = x
    for node in list(graph)[2:-1]:
        expected = step(node, [expected], {}, 1)
    np.testing.assert_array_equal(delivered(plan, to_lava(x)[0]), expected[0])


def weights(*shape: int) -> Array:
    return np.random.default_rng(5).integers(-127, 128, shape)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_convolution_is_delivered_exactly(data: st.DataObject) -> None:
    small, positive = st.integers(0, 3), st.integers(1, 4)
    groups, kernel = data.draw(st.integers(1, 3)), data.draw(st.tuples(small, small))
    node = Conv(
        name="c",
        inputs=("e",),
        weight=weights(2 * groups, 2, 1 + kernel[0], 1 + kernel[1]),
        groups=groups,
        stride=data.draw(st.tuples(positive, positive)),
        padding=data.draw(st.tuples(small, small, small, small)),
        dilation=data.draw(st.tuples(positive, positive)),
    )
    span = [(k * d) + 1 for k, d in zip(kernel, node.dilation, strict=True)]
    size = [data.draw(st.integers(s, s + 6)) for s in span]
    assert_delivers(around((2 * groups, size[0], size[1]), node), ProcessPlan)


def test_uneven_padding_becomes_zeros_in_the_kernel() -> None:
    node = Conv(
        name="c", inputs=("e",), weight=weights(3, 2, 3, 3), stride=(2, 2), padding=(0, 0, 1, 1)
    )
    graph = around((2, 8, 6), node)
    assert_delivers(graph, ConvPlan)
    plan = find(lowered(graph), "c")
    assert isinstance(plan, ConvPlan)
    assert plan.weight.shape == (3, 4, 4, 2)
    assert plan.padding == (1, 1)


def test_padding_that_a_dilated_kernel_cannot_make_even_becomes_a_matrix() -> None:
    node = Conv(
        name="c", inputs=("e",), weight=weights(3, 2, 2, 2), dilation=(3, 3), padding=(0, 0, 1, 1)
    )
    assert equal_padding(size=8, kernel=2, stride=1, begin=0, end=1, dilation=3) is None
    assert_delivers(around((2, 8, 6), node), SparsePlan)


@pytest.mark.parametrize(
    ("shape", "node"),
    [
        (
            (128, 2, 2),
            Conv(name="c", inputs=("e",), weight=weights(128, 1, 1, 1), groups=128),
        ),
        (
            (1, 3, 2),
            Conv(name="c", inputs=("e",), weight=weights(1, 1, 3, 1), padding=(64, 0, 64, 0)),
        ),
        ((1, 130, 1), Conv(name="c", inputs=("e",), weight=weights(2, 1, 129, 1))),
    ],
    ids=["groups", "padding", "kernel"],
)
def test_what_lava_counts_in_eight_bits_becomes_a_matrix(
    shape: tuple[int, ...], node: Conv
) -> None:
    assert not fits_lava_conv(node)
    assert_delivers(around(shape, node), SparsePlan)


def test_linear_after_flatten_has_its_columns_in_lavas_order() -> None:
    flat = Reshape(name="f", inputs=("e",), shape=(24,))
    linear = Linear(name="l", inputs=("f",), weight=weights(5, 24))
    assert_delivers(around((2, 3, 4), flat, linear), DensePlan)


def test_convolution_after_a_reshape_becomes_a_matrix_unless_the_order_stays() -> None:
    image = Reshape(name="r", inputs=("e",), shape=(2, 3, 4))
    conv = Conv(name="c", inputs=("r",), weight=weights(3, 2, 2, 2), padding=(1, 0, 0, 1))
    assert_delivers(around((24,), image, conv), SparsePlan)
    column = Reshape(name="r", inputs=("e",), shape=(24, 1, 1))
    pointwise = Conv(name="c", inputs=("r",), weight=weights(3, 24, 1, 1))
    assert_delivers(around((24,), column, pointwise), ConvPlan)


def test_weights_are_integers_in_eight_bits(graph: Graph) -> None:
    for process in lowered(graph).processes:
        if isinstance(process, (ConvPlan, DensePlan, SparsePlan)):
            assert process.weight.dtype == np.int32
            assert -128 <= process.weight.min() <= process.weight.max() <= 127


def test_depths_and_delays(graphs: Graphs) -> None:
    plan = lowered(graphs["residual"]())
    depth = {process.name: process.depth for process in plan.processes}
    assert [depth[name] for name in ("e", "c1", "n1", "c2", "n2", "c3", "n3")] == [
        *(0, 1, 1, 2, 2, 3, 3)
    ]
    assert [depth[name] for name in ("p", "c4", "s", "d", "n4", "l", "y")] == [
        *(4, 5, 2, 3, 5, 6, 6)
    ]
    assert plan.depth_latency == 6
    delays = [process for process in plan.processes if isinstance(process, DelayPlan)]
    assert sorted((delay.steps, len(delay.wires)) for delay in delays) == [(2, 2), (3, 3), (3, 3)]
    assert all(delay.depth == 5 for delay in delays)


def test_copies_are_processes_of_their_own(graphs: Graphs) -> None:
    plan = lowered(graphs["residual"]())
    convolutions = [p.name for p in plan.processes if isinstance(p, ConvPlan)]
    # Three copies, and one neuron reads the synapse twice: Lava has no double connections.
    assert [name for name in convolutions if name[0] == "s"] == [
        "s",
        *(f"s#{i}" for i in range(1, 6)),
    ]
    for process in plan.processes:
        sources = [wire.source for wire in process.wires]
        assert len(sources) == len(set(sources))


def test_names_of_nodes_are_not_taken_by_copies() -> None:
    nodes = list(around((3,), Linear(name="l", inputs=("e",), weight=weights(2, 3), copies=3)))
    other = Linear(name="l#1", inputs=("e",), weight=weights(2, 3))
    end = Integrator(name="y", inputs=("l", "l#1"), bias=np.zeros(2, int), scale=np.ones(2))
    plan = lowered(Graph([*nodes[:-1], other, end], {"y": "y"}))
    assert len({process.name for process in plan.processes}) == len(plan.processes) == 6


def test_fan_out_is_in_lavas_order() -> None:
    weight = np.zeros((2, 1, 1, 2), np.int64)
    weight[:, 0, 0, 0], weight[0, 0, 0, 1] = 3, 4  # left element twice, right element once
    plan = lowered(around((1, 2, 3), Conv(name="c", inputs=("e",), weight=weight, copies=5)))
    (listener,) = plan.listeners["e"]
    assert listener.name == "c"
    np.testing.assert_array_equal(listener.reach.reshape(3, 2), [[10, 10], [15, 15], [5, 5]])


def test_integer_nodes_in_a_real_valued_graph_are_refused() -> None:
    graph = around((3,), Linear(name="l", inputs=("e",), weight=np.ones((2, 3))))
    with pytest.raises(DesignRuleError, match="y: is integer in a real-valued network") as error:
        lowered(graph)
    assert all(problem.hint for problem in error.value.problems)


def test_currents_beyond_24_bits_are_refused() -> None:
    wide = np.full((1, 600), 127)
    graph = around((600,), Linear(name="l", inputs=("e",), weight=wide))
    with pytest.raises(DesignRuleError, match="l: its current can reach 9677400"):
        lowered(graph)


def test_wide_weights_are_refused() -> None:
    graph = around((3,), Linear(name="l", inputs=("e",), weight=np.array([[1, 200, -7]])))
    with pytest.raises(DesignRuleError, match="l: weights reach from -7 to 200"):
        lowered(graph)


def exact(*changed: Node) -> Graph:
    """Return a network of tracking neurons with some of its nodes in the place of its own."""
    one = np.array([1])
    nodes: list[Node] = [
        Input(name="x", type=TensorType((600,))),
        Encoder(name="e", inputs=("x",), scale=1.0, bounds=(0, 100), once=True),
        Linear(name="l", inputs=("e",), weight=np.full((1, 600), 127)),
        TrackingIF(
            name="n",
            inputs=("l",),
            multiplier=np.array([[1]]),
            threshold=one,
            bias=0 * one,
            low=0,
            high=9,
        ),
        Linear(name="k", inputs=("n",), weight=np.array([[1], [-2]])),
        Integrator(name="y", inputs=("k",), bias=one, scale=np.ones(1), decoding="sum"),
    ]
    place = {node.name: node for node in changed}
    return Graph([place.get(node.name, node) for node in nodes], {"y": "y"})


def test_each_synapse_of_tracking_neurons_has_a_port_of_its_own() -> None:
    plan = lowered(EXACT["branches"](15))
    ports = {wire.source: wire.port for wire in find(plan, "n4").wires}
    assert ports == {"c4": 0, "s+3": 1, "d+2": 2, "s#1+3": 3}
    assert {wire.port for wire in find(plan, "y").wires} == {0}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "e",
            {"bounds": (-1, 256)},
            "l: its currents can add up to 19507200, and 24 bits hold 8388607",
        ),
        (
            "y",
            {"bias": np.array([8388600])},
            "y: its currents can add up to 8388609, and 24 bits hold 8388607",
        ),
        ("n", {"digits": 4}, "n: sends its value digit by digit"),
        (
            "e",
            {"once": False},
            "l: its currents add up without bound, because 'e' may send any sum of payloads",
        ),
        ("e", {"bounds": (0, 2**23)}, "e: an event may carry 8388608"),
        ("k", {"weight": np.array([[509], [-100]])}, "k: weights reach from -100"),
    ],
)
def test_what_no_exact_network_may_have_is_refused_by_name(
    name: str, change: dict[str, Any], message: str
) -> None:
    assert lowered(exact()).depth_latency == 2
    node = replace(exact()[name], **change)
    with pytest.raises(DesignRuleError) as error:
        lowered(exact(node))
    problems = {problem.message: problem.hint for problem in error.value.problems}
    (hint,) = (hint for text, hint in problems.items() if text.startswith(message))
    assert hint
    assert "--weight-bits" not in hint


def test_every_other_broken_rule_is_named() -> None:
    one = np.array([1])
    nodes = [
        Input(name="x", type=TensorType((3,))),
        Reshape(name="r", inputs=("x",), shape=(3,)),
        Encoder(name="e", inputs=("r",), scale=1.0),
        Linear(name="l", inputs=("e",), weight=weights(2, 3)),
        IF(name="n", inputs=("l",), threshold=one, bias=0 * one, initial=0 * one),
        Input(name="z", type=TensorType((3,))),
        Encoder(name="g", inputs=("z",), scale=1.0),
        Linear(name="k", inputs=("g",), weight=weights(2, 3)),
        Integrator(name="y", inputs=("k",), bias=one, scale=np.ones(1)),
    ]
    with pytest.raises(DesignRuleError) as error:
        lowered(Graph(nodes, {"a": "n", "b": "y"}))
    messages = [problem.message for problem in error.value.problems]
    assert messages == [
        "r: computes real numbers, which no Lava process does",
        "e: encodes 'r', which is not an input of the graph",
        "n: output 'a' is a IF, not an integrator",
        "g: is not connected with 'r', and Lava runs connected networks only",
    ]
