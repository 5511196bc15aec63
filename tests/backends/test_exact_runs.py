"""Exact networks in the simulator: equal to the reference in every step, and at rest in time."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from snnc.backends import Activity
from snnc.backends.numpy_sim import NumpyBackend, backend
from snnc.compiler.passes.hoist_clip import hoist_clip
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.ir import Graph
from snnc.ir.reference import run
from snnc.ir.settling import settling_bound

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.quantized_graphs import quantized_graph, quantized_inputs

STEPS = 24
SETTINGS = [{"cap": 1}, {"cap": 6}, {"base": 3}]


def spiking(seed: int, setting: dict[str, int]) -> Graph:
    return ToExact(**setting)(ToInteger()(hoist_clip(quantized_graph(seed))))


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("seed", range(8))
def test_every_step_is_that_of_the_reference(seed: int, setting: dict[str, int]) -> None:
    graph = spiking(seed, setting)
    inputs = quantized_inputs(graph, seed)
    expected = run(graph, inputs, STEPS)
    found = NumpyBackend().lower(graph, STEPS).run(inputs, record=True)
    assert found.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], payloads.swapaxes(0, 1), name)
    for key, decoded in expected.outputs.items():
        np.testing.assert_array_equal(found.decoded[key], decoded.swapaxes(0, 1).astype(np.float32))


@pytest.mark.parametrize("seed", range(4))
def test_events_are_counted_as_in_any_network(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of other networks, layer by layer over all steps, counts the same."""
    graph = spiking(seed, {"cap": 2})
    inputs = quantized_inputs(graph, seed)
    found = NumpyBackend().lower(graph, STEPS).run(inputs).activity
    monkeypatch.setattr(backend, "is_exact", lambda graph: False)
    expected = NumpyBackend().lower(graph, STEPS).run(inputs).activity
    assert found.keys() == expected.keys()
    for name, counts in expected.items():
        for field in fields(Activity):
            one, other = getattr(found[name], field.name), getattr(counts, field.name)
            np.testing.assert_array_equal(one, other, f"{name} {field.name}")


@pytest.mark.parametrize("seed", range(12))
def test_a_sample_has_settled_with_its_last_event(seed: int) -> None:
    graph = spiking(seed, {"cap": 3})
    inputs = quantized_inputs(graph, seed, samples=6)
    steps = settling_bound(graph) + 2
    found = NumpyBackend().lower(graph, steps).run(inputs, record=True)
    events = np.zeros((6, steps), bool)
    for payloads in found.spikes.values():
        events |= payloads.reshape(6, steps, -1).any(axis=2)
    last = np.maximum(steps - events[:, ::-1].argmax(axis=1), 1) * events.any(axis=1)
    assert found.settled is not None
    np.testing.assert_array_equal(found.settled, np.maximum(last, 1))


def test_a_run_that_is_too_short_says_so() -> None:
    graph = spiking(1, {"cap": 1})
    inputs = quantized_inputs(graph, 1)
    whole = NumpyBackend().lower(graph, settling_bound(graph)).run(inputs).settled
    assert whole is not None
    assert whole.min() > 1
    short = NumpyBackend().lower(graph, int(whole.max()) - 1).run(inputs).settled
    assert short is not None
    np.testing.assert_array_equal(short, np.where(whole == whole.max(), 0, whole))


def test_samples_do_not_depend_on_their_neighbours() -> None:
    """Samples leave a block when they are at rest; the others go on as they would alone."""
    graph = spiking(2, {"cap": 1})
    inputs = quantized_inputs(graph, 2, samples=5)
    program = NumpyBackend().lower(graph, settling_bound(graph))
    together = program.run(inputs, record=True)
    for index in range(5):
        alone = program.run({"x": inputs["x"][index : index + 1]}, record=True)
        for name, payloads in alone.spikes.items():
            np.testing.assert_array_equal(payloads[0], together.spikes[name][index])
