"""Trained spiking networks on chips: loops, delays, state, and what a chip has not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snnc.backends.chips import get_chip
from snnc.compiler.placement import fit
from snnc.compiler.placement.layers import layers, neuron_weight
from snnc.ir import (
    LI,
    LIF,
    Array,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Linear,
    LoihiLIF,
    Signal,
    TensorType,
)
from snnc.ir.errors import ConversionError
from snnc.ir.reference import run
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs, loihi_graph

LOIHI1, LOIHI2 = get_chip("loihi1"), get_chip("loihi2")


def looped(neuron: Any = None, scale: float | None = None) -> Graph:
    """Four neurons that read three events, and, one step later, each the one before it."""
    if neuron is None:
        neuron = LIF(name="n", inputs=(), decay=np.ones(1), threshold=np.ones(1))
    back = TensorType((4,), Signal.SPIKES, (0, 1))
    nodes = [
        Input(name="x", type=TensorType((3,)), stepwise=True),
        Encoder(name="e", inputs=("x",), scale=scale, bounds=(0, 1) if scale else None),
        Delay(name="late", inputs=("e",), steps=2),
        Linear(name="w", inputs=("late",), weight=np.ones((4, 3))),
        Feedback(name="back", source="n", type=back),
        Linear(name="r", inputs=("back",), weight=np.roll(np.eye(4), 1, 0)),
        replace(neuron, inputs=("w", "r")),
    ]
    return Graph(nodes, {"n": "n"})


def problems(graph: Graph, chip: Any = LOIHI2, samples: Any = None) -> list[str]:
    return [p.message for p in fit(graph, chip, timesteps=STEPS, samples=samples).problems]


def test_loops_and_delays_lead_back_to_their_neurons() -> None:
    parts = layers(looped(), LOIHI2)
    assert [layer.name for layer in parts] == ["e", "n"]
    late, loop = parts[1].projections
    assert late.source.ravel().tolist() == [0, 1, 2]
    assert loop.source.ravel().tolist() == [3, 4, 5, 6]
    assert loop.name == "r"
    assert parts[1].synapses == 4 * 3 + 4 * 4


def test_traffic_counts_what_comes_back() -> None:
    x = np.random.default_rng(0).integers(0, 2, (3, STEPS, 3)).astype(np.float32)
    found = fit(looped(), LOIHI2.with_neurons(4), timesteps=STEPS, samples={"x": x})
    sent = run(looped(), {"x": x}, STEPS).spikes["n"]
    by_name = {
        name: found.traffic.events[found.traffic.projection == number].sum()
        for number, name in enumerate(found.traffic.projections)
    }
    assert by_name["r"] == pytest.approx(np.count_nonzero(sent) / (3 * STEPS))
    assert by_name["w"] == pytest.approx(np.count_nonzero(x) / (3 * STEPS))
    assert found.fits  # events, whole parameters, weights of 0 and 1
    assert found.to_json()["not_checked"][-1].startswith("the delay late of up to 2 steps")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [leaky_graph, loihi_graph])
@pytest.mark.parametrize("chip", [LOIHI1, LOIHI2])
def test_random_networks_are_placed(make: Any, seed: int, chip: Any) -> None:
    graph = make(seed)
    found = fit(graph, chip, timesteps=STEPS, samples=leaky_inputs(graph, seed))
    names = {layer.name for layer in found.layers}
    assert {"e", "n1", "n2"} <= names
    held = sum(core.need.neurons for core in found.cores)
    assert held == sum(layer.size * layer.weight for layer in found.layers)
    told = [problem.hint for problem in found.problems]
    assert not any("--weight-bits" in hint for hint in told)


@pytest.mark.parametrize(
    ("node", "on_loihi1", "on_loihi2"),
    [
        (LIF(name="n", inputs=(), decay=np.ones(1), threshold=np.ones(1)), 2, 1),
        (LIF(name="n", inputs=(), decay=np.ones(1), threshold=np.ones(1), reset="value"), 1, 1),
        (LI(name="n", inputs=(), decay=np.ones(1)), 1, 1),
        (
            CubaLIF(
                name="n",
                inputs=(),
                decay=np.ones(1),
                current_decay=np.ones(1),
                threshold=np.ones(1),
                refractory=2,
                reset="value",
            ),
            *(2, 2),  # a counter beside the current and the membrane
        ),
        (
            LoihiLIF(
                name="n",
                inputs=(),
                du=np.full(1, 99),
                dv=np.full(1, 128),
                threshold=np.full(1, 5),
            ),
            *(1, 1),
        ),
    ],
)
def test_state_of_a_neuron(node: Any, on_loihi1: int, on_loihi2: int) -> None:
    assert neuron_weight(node, LOIHI1) == on_loihi1
    assert neuron_weight(node, LOIHI2) == on_loihi2


def test_what_a_chip_has_not_is_named() -> None:
    events: dict[str, Array] = {"x": np.ones((1, STEPS, 3))}
    assert problems(looped()) == ["e: injects real numbers, and Loihi 2 carries integers"]
    assert problems(looped(), samples=events) == []
    neuron = LIF(
        name="n",
        inputs=(),
        decay=np.full(1, 0.9),
        gain=np.full(1, 2.0),
        threshold=np.ones(1),
        reset_delayed=True,
    )
    told = "n: its decay is no whole number, and neurons of {} compute in fixed point"
    assert problems(looped(neuron), samples=events) == [told.format("Loihi 2")]
    assert problems(looped(neuron), LOIHI1, events) == [
        told.format("Loihi 1"),
        "n: a reset that comes a step late and a gain is nothing that the neuron of Loihi 1 does, "
        "which is fixed",
    ]


def test_membranes_are_no_events() -> None:
    """A membrane that is the output stays where it is; one that is read has to be sent."""
    membrane = LI(name="m", inputs=("r",), decay=np.ones(1))
    nodes = [*looped(scale=1.0), membrane]
    assert problems(Graph(nodes, {"m": "m"})) == []
    read = Linear(name="q", inputs=("m",), weight=np.eye(4))
    last = LIF(name="z", inputs=("q",), decay=np.ones(1), threshold=np.ones(1))
    told = problems(Graph([*nodes, read, last], {"z": "z"}))
    assert told == [
        "m: sends its membrane, a real number, at every step, and Loihi 2 carries integers"
    ]


def test_a_loop_without_neurons() -> None:
    spikes = TensorType((3,), Signal.SPIKES, (0, 1))
    nodes = [
        *looped(scale=1.0),
        Feedback(name="f", source="d", type=spikes),
        Delay(name="d", inputs=("f",), steps=1),
        Linear(name="q", inputs=("d",), weight=np.ones((2, 3))),
        LIF(name="z", inputs=("q",), decay=np.ones(1), threshold=np.ones(1)),
    ]
    with pytest.raises(ConversionError, match="is in a loop without neurons"):
        layers(Graph(nodes, {"z": "z"}), LOIHI2)
