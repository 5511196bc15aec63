"""Every backend equals ``ir.reference`` on the same graphs, spike for spike."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from snnc.backends import get_backend
from snnc.backends.registry import BUILTIN
from snnc.backends.rules import check
from snnc.ir import Graph, Reshape
from snnc.ir.errors import DesignRuleError
from snnc.ir.reference import evaluate, run
from tests.exact_graphs import AT_REST, EXACT, exact_inputs, integer_ann
from tests.spiking_graphs import (
    SCHEDULES,
    TIMESTEPS,
    hard_reset_graph,
    random_graph,
    random_inputs,
    scheduled_graph,
)

SEEDS = range(8)


NAMES = sorted(BUILTIN.keys() - {"netx", "nir"})  # these have graphs of their own
"""Of targets; netx has graphs of its own: tests/backends/netx_file."""


def targets() -> list[object]:
    marks = {"lava": pytest.mark.lava}
    return [pytest.param(name, marks=marks.get(name, ())) for name in NAMES]


def targets_and_seeds() -> list[object]:
    """Return every target with every seed; the many runs on Lava are slow together."""
    slow = [pytest.mark.lava, pytest.mark.slow]
    marks = {("lava", seed): slow if seed > 2 else slow[:1] for seed in SEEDS}
    pairs = product(NAMES, SEEDS)
    return [pytest.param(*pair, marks=marks.get(pair, ())) for pair in pairs]


@pytest.mark.parametrize(("target", "seed"), targets_and_seeds())
@pytest.mark.parametrize("arithmetic", ["integer", "real"])
def test_equals_the_reference(target: str, arithmetic: str, seed: int) -> None:
    graph = random_graph(seed, integer=arithmetic == "integer")
    assert_equals_the_reference(target, arithmetic, graph, seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("arithmetic", ["integer", "real"])
@pytest.mark.parametrize("target", targets())
def test_a_reset_to_zero_equals_the_reference(target: str, arithmetic: str, seed: int) -> None:
    graph = hard_reset_graph(seed, integer=arithmetic == "integer")
    assert_equals_the_reference(target, arithmetic, graph, seed)


def assert_equals_the_reference(target: str, arithmetic: str, graph: Graph, seed: int) -> None:
    inputs = random_inputs(graph, seed)
    expected = run(graph, inputs, TIMESTEPS)
    got = get_backend(target).lower(graph, TIMESTEPS).run(inputs, record=True)
    assert got.spikes.keys() == expected.spikes.keys()
    for name, trains in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], trains.swapaxes(0, 1), name)
    for key, decoded in expected.outputs.items():
        np.testing.assert_array_equal(got.decoded[key], decoded.swapaxes(0, 1).astype(np.float32))
        if arithmetic == "real":  # dyadic numbers: nothing is rounded in any order
            np.testing.assert_array_equal(got.unrounded[key], decoded.swapaxes(0, 1))
    assert bool(got.unrounded) == (arithmetic == "real")


def test_a_target_without_floats_refuses_real_valued_graphs() -> None:
    target = replace(get_backend("numpy").target, name="chip", needs_integers=True)
    check(random_graph(0), target)
    with pytest.raises(DesignRuleError, match="chip runs integers but the graph is real") as caught:
        check(random_graph(0, integer=False), target)
    assert caught.value.problems[0].hint == "compile with --weight-bits 8"


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_a_rate_coded_target_refuses_schedules_by_name(name: str, kind: str) -> None:
    """Lowering decides it: no simulator needs to be installed."""
    graph = scheduled_graph(1, kind, integer=kind != "differential")
    backend = get_backend(name)
    if not backend.target.rate_coded_only:
        backend.lower(graph, TIMESTEPS)
        return
    with pytest.raises(DesignRuleError) as caught:
        backend.lower(graph, TIMESTEPS)
    populations = {node.name for node in graph.populations}
    expected = {
        "late": {"out"},
        "multithreshold": populations,
        "radix": populations | {"out", "x.encoder"},
        "differential": populations | {"out", "x.encoder"},
        "two-phase": populations | {"out"},
    }[kind]
    named = {problem.message.split(":")[0] for problem in caught.value.problems}
    assert expected <= named
    assert all(problem.hint for problem in caught.value.problems)


@pytest.mark.parametrize("cap", AT_REST)
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("target", targets())
def test_exact_networks_come_to_rest_at_the_integer_ann(target: str, name: str, cap: int) -> None:
    graph, timesteps = EXACT[name](cap), AT_REST[cap]
    inputs = exact_inputs(graph, 4)
    expected, ann = run(graph, inputs, timesteps), evaluate(integer_ann(graph), inputs)
    got = get_backend(target).lower(graph, timesteps).run(inputs, record=True)
    assert got.spikes.keys() == expected.spikes.keys()
    for node, trains in expected.spikes.items():
        assert trains.any(), f"{node} never sends: the test shows nothing"
        np.testing.assert_array_equal(got.spikes[node], trains.swapaxes(0, 1), node)
        np.testing.assert_array_equal(trains.sum(axis=0), ann[node], node)
    decoded = expected.outputs["y"].swapaxes(0, 1).astype(np.float32)
    np.testing.assert_array_equal(got.decoded["y"], decoded)
    np.testing.assert_array_equal(got.decoded["y"][:, -1], ann["y"].astype(np.float32))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("target", targets())
def test_exact_networks_that_are_cut_short(target: str, name: str) -> None:
    """Events are still on their way when the next sample begins."""
    graph, timesteps = EXACT[name](1), 6
    inputs = exact_inputs(graph, 5)
    expected = run(graph, inputs, timesteps)
    got = get_backend(target).lower(graph, timesteps).run(inputs, record=True)
    for node, trains in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[node], trains.swapaxes(0, 1), node)
    assert got.settled is not None
    assert not got.settled.any()


@pytest.mark.parametrize("name", ["rate", *EXACT])
@pytest.mark.parametrize("target", targets())
def test_activity_equals_the_simulator(target: str, name: str) -> None:
    graph = EXACT[name](15) if name in EXACT else random_graph(2)
    inputs = random_inputs(graph, 2)
    expected = get_backend("numpy").lower(graph, TIMESTEPS).run(inputs)
    got = get_backend(target).lower(graph, TIMESTEPS).run(inputs)
    assert got.activity.keys() == expected.activity.keys()
    for node, counts in expected.activity.items():
        for field in ("spikes", "units", "synops", "unit_synops"):
            found = getattr(got.activity[node], field)
            np.testing.assert_array_equal(found, getattr(counts, field), node)
    assert (expected.settled is None) == (name == "rate")
    assert np.array_equal(got.settled, expected.settled)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", targets())
def test_an_output_may_have_another_shape(target: str) -> None:
    graph = random_graph(4)
    view = Reshape(name="view", inputs=("out",), shape=(5, 1))
    shaped = Graph([*graph, view], {"y": "view"})
    inputs = random_inputs(graph, 4)
    expected = run(shaped, inputs, TIMESTEPS).outputs["y"].swapaxes(0, 1)
    got = get_backend(target).lower(shaped, TIMESTEPS).run(inputs).decoded["y"]
    assert got.shape == (3, TIMESTEPS, 5, 1)
    np.testing.assert_array_equal(got, expected.astype(np.float32))
