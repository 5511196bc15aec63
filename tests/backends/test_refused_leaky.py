"""Targets that cannot run trained spiking networks say so, node by node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from snnc.backends import get_backend
from snnc.ir import Delay, Graph, Input
from snnc.ir.errors import DesignRuleError
from tests.leaky_graphs import STEPS, leaky_graph


def problems(target: str, graph: Graph) -> list[str]:
    with pytest.raises(DesignRuleError) as caught:
        get_backend(target).lower(graph, STEPS)
    return [problem.message for problem in caught.value.problems]


def test_netx_has_no_such_neurons() -> None:
    graph = leaky_graph(5)
    nodes = [replace(node, stepwise=True) if isinstance(node, Input) else node for node in graph]
    told = problems("netx", Graph(nodes, graph.outputs))
    assert f"m: {type(graph['m']).__name__} cannot run on target netx" in told
    assert any(message.startswith("x: has a value for every time step") for message in told)


def test_lava_reads_out_integrators_and_delays_events() -> None:
    graph = leaky_graph(5)
    told = problems("lava", graph)
    assert f"m: output 'membrane' is a {type(graph['m']).__name__}, not an integrator" in told
    late = Delay(name="late", inputs=("f2",), steps=1)
    told = problems("lava", Graph([*graph, late], graph.outputs))
    assert any(message.startswith("late: a current comes late") for message in told)
