"""Recurrent networks: every target equals the reference and the simulator on whole sequences."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from snnc.backends import Activity, Result, get_backend
from snnc.backends.registry import BUILTIN
from snnc.ir import Graph
from snnc.ir.reference import run
from snnc.ir.settling import settling_bound
from tests.recurrent_graphs import ELEMENTS, RECURRENT, sequences


def targets() -> list[object]:
    marks = {"lava": pytest.mark.lava}
    names = sorted(BUILTIN.keys() - {"netx", "nir"})  # these files hold no sequences
    return [pytest.param(name, marks=marks.get(name, ())) for name in names]


def assert_equal(found: Result, expected: Result) -> None:
    """Both results are the same in every array."""
    for key, decoded in expected.decoded.items():
        np.testing.assert_array_equal(found.decoded[key], decoded)
    assert found.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], payloads, name)
    assert found.activity.keys() == expected.activity.keys()
    for name, counts in expected.activity.items():
        for field in fields(Activity):
            one, other = (getattr(a, field.name) for a in (found.activity[name], counts))
            np.testing.assert_array_equal(one, other, f"{name} {field.name}")
    assert np.array_equal(found.settled, expected.settled)  # type: ignore[arg-type]


def assert_runs(graph: Graph, target: str, timesteps: int) -> Result:
    """A run equals the reference, and in all else the simulator."""
    inputs = sequences(graph, 3)
    found = get_backend(target).lower(graph, timesteps).run(inputs, record=True)
    trace = run(graph, inputs, timesteps)
    for name, payloads in trace.spikes.items():
        assert payloads.any(), f"{name} never sends: the test shows nothing"
        np.testing.assert_array_equal(found.spikes[name], payloads.swapaxes(0, 1), name)
    for key, decoded in trace.outputs.items():
        np.testing.assert_array_equal(found.decoded[key], decoded.swapaxes(0, 1).astype("f4"))
    expected = get_backend("numpy").lower(graph, timesteps).run(inputs, record=True)
    assert_equal(found, expected)
    return found


@pytest.mark.parametrize("cap", [1, 9])
@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("target", targets())
def test_sequences_come_to_rest_element_by_element(target: str, name: str, cap: int) -> None:
    graph = RECURRENT[name](cap)
    found = assert_runs(graph, target, settling_bound(graph))
    assert found.settled is not None
    assert found.settled.all()


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("target", targets())
def test_sequences_that_are_cut_short(target: str, name: str) -> None:
    """Values are carried before they are complete, and events are still on their way."""
    found = assert_runs(RECURRENT[name](1), target, 3)
    assert found.settled is not None
    assert not found.settled.any()


@pytest.mark.parametrize("name", [name for name in RECURRENT if name != "memoryless"])
def test_what_is_carried_matters(name: str) -> None:
    """Elements in another order end elsewhere although the last one is the same."""
    graph = RECURRENT[name](9)
    inputs = sequences(graph, 3)
    order = [1, 0, *range(2, ELEMENTS)]
    changed = inputs | {"x": inputs["x"][:, order]}
    ends = [run(graph, x, 2).outputs["y"][-1] for x in (inputs, changed)]
    assert np.any(ends[0] != ends[1])


def test_every_element_takes_its_steps_in_the_simulator() -> None:
    program = get_backend("numpy").lower(RECURRENT["state"](1), 4)
    assert program.latency_steps(5) == 20
