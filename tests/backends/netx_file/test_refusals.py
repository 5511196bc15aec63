"""What a ``.net`` file cannot hold is named, all at once, with the way round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snnc.backends.netx_file import NetxBackend
from snnc.backends.netx_file.network import MEMBRANE
from snnc.ir import (
    IF,
    Conv,
    Encoder,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Reshape,
)
from snnc.ir.errors import DesignRuleError
from tests.backends.netx_file.conftest import digits, flat_image
from tests.spiking_graphs import random_graph


def problems(graph: Graph, timesteps: int = 7) -> list[str]:
    with pytest.raises(DesignRuleError) as caught:
        NetxBackend().lower(graph, timesteps)
    assert all(problem.hint for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


def changed(graph: Graph, name: str, **fields: Any) -> Graph:
    """Return a graph with other fields in one node."""
    nodes = (replace(n, **fields) if n.name == name else n for n in graph)
    return Graph(nodes, graph.outputs)


ONE = np.array([[[1]]])

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "soft reset": ("n3", {"reset": "subtract"}, "n3: resets by subtraction"),
    "thresholds": ("n3", {"threshold": np.array([[[9]], [[8]], [[8]], [[8]]])}, "from 8 to 9"),
    "threshold": ("n3", {"threshold": 131072 * ONE}, "n3: has a threshold of 131072"),
    "start": ("n3", {"initial": -5 * ONE}, "n3: starts a sample with a membrane of 5"),
    "bias": ("n3", {"bias": 4096 * ONE}, "n3: has a bias of 4096, and 13 bits"),
    "clamp": ("n3", {"clamp": 99}, "n3: saturates at 99"),
    "no clamp": ("n3", {"clamp": None}, "n3: its membrane can reach"),
    "readout": ("y", {"bias": np.full(10, 4000)}, "y: its sum can reach"),
    "copies": ("c4", {"copies": 2}, "c4: consists of 2 parallel copies"),
    "once": ("e", {"once": True}, "e: injects the sample once"),
    "normalised": ("e", {"gain": np.ones(1)}, "e: normalises or bounds its input"),
    "sequence": ("x", {"sequence": 3}, "x: is a sequence"),
    "late": ("y", {"start": 2}, "y: target netx reads out the mean over all steps only"),
    "nothing positive": (
        "last",
        {"weight": -np.ones((10, 20), np.int8)},
        "last: has no weight above 0",
    ),
    "wide": ("last", {"weight": np.full((10, 20), 200)}, "last: weights reach"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_each_limit_is_named(what: str) -> None:
    name, fields, reason = REFUSED[what]
    timesteps = 40 if what == "readout" else 7
    found = problems(changed(digits(), name, **fields), timesteps)
    assert [message for message in found if reason in message], found
    NetxBackend().lower(digits(), 40)


def test_a_current_that_would_wrap_is_refused() -> None:
    graph = changed(flat_image(), "l3", weight=np.full((12, 24), 127, np.int8))
    (message,) = problems(graph)
    assert (
        f"l3: its current can reach 192024 in a step, and target netx holds {MEMBRANE}" == message
    )


def test_branches_joins_and_second_ends_are_named() -> None:
    graph = flat_image()
    nodes: list[Node] = list(graph)
    (last,) = graph.of_type(Integrator)
    second = Linear(name="other", inputs=("n6",), weight=graph["last"].weight)  # type: ignore[attr-defined]
    nodes[-1] = replace(last, inputs=("last", "other"))
    readout = replace(last, name="z")
    found = problems(Graph([*nodes[:-1], second, nodes[-1], readout], {"y": "y", "z": "z"}))
    for expected in (
        "z: is a second output",
        "n6: is read by several nodes (last, other)",
        "last: is read by several nodes (y, z)",
        "y: 2 synapses meet here",
    ):
        assert [message for message in found if message.startswith(expected)], expected


def test_a_reshape_that_does_not_flatten_is_named() -> None:
    graph = digits()
    view = Reshape(name="v", inputs=("n3",), shape=(4, 6, 24))
    nodes = [*list(graph)[:4], view]
    assert [message for message in problems(_ended(nodes)) if message.startswith("v: makes")]


def test_borders_that_cannot_be_made_alike_are_named() -> None:
    graph = digits()
    conv = graph["c2"]
    assert isinstance(conv, Conv)
    odd = replace(conv, padding=(0, 0, 1, 1), dilation=(3, 3), stride=(1, 1))
    nodes = [odd if node is conv else node for node in list(graph)[:4]]
    found = problems(_ended(nodes))
    assert [message for message in found if message.startswith("c2: has borders (0, 0, 1, 1)")]


def _ended(nodes: list[Node]) -> Graph:
    """Return a graph of some layers with a readout behind them."""
    size = Graph(nodes, {"y": nodes[-1].name}).types[nodes[-1].name].size
    weight = np.ones((2, size), np.int8)
    nodes = [
        *nodes,
        Reshape(name="f", inputs=(nodes[-1].name,), shape=(size,)),
        Linear(name="last", inputs=("f",), weight=weight),
        Integrator(name="y", inputs=("last",), bias=np.zeros(2, int), scale=np.ones(2)),
    ]
    return Graph(nodes, {"y": "y"})


@pytest.mark.parametrize("seed", range(6))
def test_any_other_graph_is_refused_and_nothing_breaks(seed: int) -> None:
    """Pools, joins, graded events: every rule sees every graph."""
    graph = random_graph(seed)
    found = problems(graph)
    for pool in graph.of_type(MaxPool):
        assert f"{pool.name}: MaxPool cannot run on target netx" in found
    signed: Callable[[IF], bool] = lambda node: node.max_negative > 0  # noqa: E731
    for node in filter(signed, graph.of_type(IF)):
        assert f"{node.name}: sends negative events, which target netx has not" in found
    assert graph.of_type(Encoder)


def test_real_numbers_are_refused() -> None:
    assert "target netx runs integers but the graph is real-valued" in problems(
        random_graph(1, integer=False)
    )
