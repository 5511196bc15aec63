"""Two runs of a real-valued graph: what rounding explains is counted, all else is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snnc.backends.comparison import Answers, Comparison, Difference, compare
from snnc.ir import IF, Array, Encoder, Graph, Input, Integrator, Linear, TensorType
from snnc.ir.reference import run
from tests.spiking_graphs import TIMESTEPS, random_graph, random_inputs, scheduled_graph

ONE = np.ones(1)
TENTHS = np.full((2, 1), 0.1)
X = {"x": np.array([[0.7], [1.0], [0.4]])}
STEPS = 4


def graph(*, added: bool) -> Graph:
    """Return a network whose first neurons get six tenths, added one by one or multiplied."""
    names = tuple(f"l{i}" for i in range(6 if added else 1))
    copies = 1 if added else 6
    return Graph(
        [
            Input(name="x", type=TensorType((1,))),
            Encoder(name="e", inputs=("x",)),
            *(Linear(name=n, inputs=("e",), weight=TENTHS, copies=copies) for n in names),
            IF(name="n", inputs=names, threshold=0.1 * 6 * ONE, bias=0 * ONE, initial=0 * ONE),
            Linear(name="k", inputs=("n",), weight=np.array([[0.8, 0.7], [0.2, -0.3]])),
            IF(name="m", inputs=("k",), threshold=ONE, bias=0 * ONE, initial=ONE / 2),
            Linear(name="h", inputs=("m",), weight=np.eye(2)),
            Integrator(name="y", inputs=("h",), bias=0 * ONE, scale=ONE),
        ],
        {"y": "y"},
    )


def answers(graph: Graph, x: dict[str, Array], timesteps: int = STEPS) -> Answers:
    trace = run(graph, x, timesteps)
    return Answers(
        {name: sent.swapaxes(0, 1).copy() for name, sent in trace.spikes.items()},
        {key: value.swapaxes(0, 1).copy() for key, value in trace.outputs.items()},
    )


MULTIPLIED, ADDED = answers(graph(added=False), X), answers(graph(added=True), X)


def compared(expected: Answers, actual: Answers) -> Comparison:
    return compare(graph(added=False), X, expected, actual)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_order_of_additions_decides_on_an_edge(swapped: bool) -> None:
    runs = (ADDED, MULTIPLIED) if swapped else (MULTIPLIED, ADDED)
    unequal = sum(np.count_nonzero(MULTIPLIED.spikes[n] != ADDED.spikes[n]) for n in "nm")
    found = compared(*runs)
    assert found.wrong == ()
    assert found.at_edges == 2  # both neurons, in the first step
    assert found.followed == unequal - 2 > 0
    assert found.output_difference < 1e-9


def test_equal_runs() -> None:
    assert compared(ADDED, ADDED) == Comparison(0, 0, 0.0, ())


def test_a_wrong_payload_is_named_with_what_was_due() -> None:
    actual = answers(graph(added=True), X)
    actual.spikes["m"][1, 2, 1] += 3
    due = float(ADDED.spikes["m"][1, 2, 1])
    (found, *_) = compared(MULTIPLIED, actual).wrong
    assert found == Difference(1, "m", (1,), 3, due, due + 3)


def test_a_wrong_payload_of_what_was_expected_is_found_too() -> None:
    expected = answers(graph(added=True), X)
    expected.spikes["m"][0, 1, 0] += 1
    due = float(ADDED.spikes["m"][0, 1, 0])
    (found, *_) = compared(expected, ADDED).wrong
    assert found == Difference(0, "m", (0,), 2, due + 1, due)


@pytest.mark.parametrize("base", [MULTIPLIED, ADDED], ids=["alike", "behind an edge"])
@pytest.mark.parametrize(("error", "right"), [(9e-10, True), (1.1e-9, False)])
def test_outputs_agree_to_the_ninth_place(base: Answers, error: float, right: bool) -> None:
    outputs = base.outputs["y"].copy()
    outputs[1, 3, 0] += error
    found = compared(MULTIPLIED, replace_outputs(base, outputs))
    assert [difference.node for difference in found.wrong] == ([] if right else ["y"])
    np.testing.assert_allclose(found.output_difference, error, rtol=1e-5)


def test_outputs_in_float32_agree_as_far_as_it_holds() -> None:
    rounded = replace_outputs(MULTIPLIED, MULTIPLIED.outputs["y"].astype(np.float32))
    assert compared(rounded, MULTIPLIED).wrong == ()
    assert compared(replace_outputs(MULTIPLIED, rounded.outputs["y"] * 1.00001), ADDED).wrong


def replace_outputs(run: Answers, outputs: Array) -> Answers:
    return run._replace(outputs={"y": outputs})


@pytest.mark.parametrize("seed", range(3))
def test_every_flipped_payload_is_wrong_away_from_edges(seed: int) -> None:
    """All settings of the neuron; membranes are multiples of 1/64 at the least."""
    network = random_graph(seed, integer=False)
    moved = [
        replace(node, initial=node.initial + 2**-12) if isinstance(node, IF) else node
        for node in network
    ]
    network, x = Graph(moved, dict(network.outputs)), random_inputs(network, seed)
    expected, rng = answers(network, x, TIMESTEPS), np.random.default_rng(seed)
    for name, sent in expected.spikes.items():
        place = tuple(int(rng.integers(size)) for size in sent.shape)
        flipped = sent.copy()
        flipped[place] += 1
        actual = Answers({**expected.spikes, name: flipped}, expected.outputs)
        first = min(compare(network, x, expected, actual).wrong, key=lambda d: d.step)
        assert (first.sample, first.node, first.step) == (place[0], name, place[1] + 1)


def test_neurons_with_a_schedule_are_compared_strictly() -> None:
    network = scheduled_graph(1, "differential", integer=False)
    x = random_inputs(network, 1)
    expected = answers(network, x, TIMESTEPS)
    name, sent = next(iter(expected.spikes.items()))
    actual = Answers({**expected.spikes, name: 1 - sent}, expected.outputs)
    found = compare(network, x, expected, actual)
    assert found.wrong
    assert found.at_edges == 0
    assert compare(network, x, expected, expected).wrong == ()
