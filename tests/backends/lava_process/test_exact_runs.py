"""Networks of tracking neurons on Lava are equal to the integer ANN, event for event."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.base import Result
from snnc.backends.lava_process import LavaBackend
from snnc.backends.numpy_sim.events import fan_out
from snnc.ir import Array, Concat, Encoder, Graph, MaxPool, Population, Reshape, reference
from snnc.ir.reference import Trace, evaluate
from tests.exact_graphs import AT_REST, EXACT, exact_inputs, integer_ann

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]


def assert_equal(got: Result, expected: Trace) -> None:
    assert got.spikes.keys() == expected.spikes.keys()
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], payloads.swapaxes(0, 1), name)
        assert payloads.any(), f"{name} never sends: the test shows nothing"
    for key, decoded in expected.outputs.items():
        np.testing.assert_array_equal(got.decoded[key], decoded.swapaxes(0, 1).astype("f4"))


@pytest.mark.parametrize("cap", AT_REST)
@pytest.mark.parametrize("name", EXACT)
def test_samples_in_a_row_come_to_rest_at_the_integer_ann(name: str, cap: int) -> None:
    graph = EXACT[name](cap)
    x, timesteps = exact_inputs(4, graph), AT_REST[cap]
    got = LavaBackend().lower(graph, timesteps).run(x, record=True)
    assert_equal(got, reference.run(graph, x, timesteps))
    ann = evaluate(integer_ann(graph), x)
    np.testing.assert_array_equal(got.decoded["y"][:, -1], ann["y"].astype("f4"))
    for node, payloads in got.spikes.items():
        np.testing.assert_array_equal(payloads.sum(axis=1), ann[node], node)


@pytest.mark.parametrize(
    ("name", "fast"),
    [("branches", True), ("pooled", True), ("pooled", False)],
    ids=["branches", "pooled", "pooled on Lava's own connections"],
)
def test_samples_that_are_cut_short_do_not_meet(name: str, fast: bool) -> None:
    """Events are still on their way when the next sample begins."""
    graph = EXACT[name](1)
    x = exact_inputs(5, graph)
    got = LavaBackend().lower(graph, 6).run(x, record=True, fast=fast)
    assert_equal(got, reference.run(graph, x, 6))
    assert any(payloads[:, -1].any() for payloads in got.spikes.values())


@pytest.mark.parametrize("name", EXACT)
def test_activity_counts_what_the_reference_sent(name: str) -> None:
    graph, timesteps = EXACT[name](15), 3
    x = exact_inputs(3, graph)
    activity = LavaBackend().lower(graph, timesteps).run(x).activity
    sent = payloads(graph, x, timesteps)
    for node in graph:
        if isinstance(node, Population):
            np.testing.assert_array_equal(
                activity[node.name].spikes, (sent[node.name] != 0).sum(axis=-1)
            )
        elif node.name in activity:
            magnitude, reach = abs(sent[node.inputs[0]]), fan_out(graph, node.name).ravel()
            np.testing.assert_array_equal(activity[node.name].unit_synops, magnitude @ reach)
            np.testing.assert_array_equal(activity[node.name].synops, (magnitude != 0) @ reach)
            own = sent[node.name] if isinstance(node, MaxPool) else magnitude
            np.testing.assert_array_equal(activity[node.name].units, abs(own).sum(axis=-1))


def payloads(graph: Graph, x: dict[str, Array], timesteps: int) -> dict[str, Array]:
    """Return what the reference sends on every edge of events, ``(samples, steps, places)``."""
    trace = reference.run(graph, x, timesteps).spikes
    flat = {name: sent.swapaxes(0, 1).reshape(3, timesteps, -1) for name, sent in trace.items()}
    for node in graph:
        if isinstance(node, Encoder):
            first = reference.step(node, [x[node.inputs[0]]], {}, 1).reshape(3, 1, -1)
            flat[node.name] = np.pad(first, ((0, 0), (0, timesteps - 1), (0, 0)))
        elif isinstance(node, Reshape):
            flat[node.name] = flat[node.inputs[0]]
        elif isinstance(node, Concat):  # channels first: joining them is joining rows
            flat[node.name] = np.concatenate([flat[name] for name in node.inputs], axis=-1)
    return flat
