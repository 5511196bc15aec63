"""Quantised ANNs in integers and their spiking networks: equal, on random graphs, and why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.codes import make_code
from snnc.compiler.passes.hoist_clip import hoist_clip
from snnc.compiler.passes.to_exact import ToExact, digits
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.pipeline import SIMPLIFY, exact_conversion, run_passes
from snnc.ir import (
    IF,
    Array,
    Dequantize,
    Graph,
    Input,
    Linear,
    Node,
    Quantize,
    Requantize,
    Staircase,
    TensorType,
    TrackingIF,
    latency,
)
from snnc.ir.reference import evaluate, run
from snnc.ir.settling import is_exact, settling_bound

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.quantized_graphs import quantized_graph, quantized_inputs

SETTINGS = ({"cap": 1}, {"cap": 15}, {"cap": 255}, {"base": 2}, {"base": 3})


def integer(seed: int) -> Graph:
    """Return a random quantised ANN in integers; of every other one all is simplified before."""
    return ToInteger()(run_passes(quantized_graph(seed), SIMPLIFY if seed % 2 else (hoist_clip,)))


SEEDS = [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 60))]


@pytest.mark.parametrize("seed", SEEDS)
def test_integers_compute_what_the_real_quantised_ann_computes(seed: int) -> None:
    graph = quantized_graph(seed)
    inputs = quantized_inputs(graph, seed)
    whole = integer(seed)
    real, found = evaluate(graph, inputs), evaluate(whole, inputs)
    for node in graph.of_type(Staircase):
        if node.name in found:
            np.testing.assert_array_equal(found[node.name], np.rint(real[node.name] / node.step))
    # A bias at the output that is no whole number of units is rounded to one, and reported.
    (output,) = whole.of_type(Dequantize)
    error = np.abs(found[whole.outputs["y"]] - real[graph.outputs["y"]])
    assert error.max() <= 0.5001 * np.abs(output.scale).max()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_simulated_network_equals_the_quantised_ann(seed: int) -> None:
    quantised = integer(seed)
    inputs = quantized_inputs(quantised, seed)
    expected = evaluate(quantised, inputs)
    for setting in SETTINGS:
        spiking = ToExact(**setting)(quantised)
        bound = settling_bound(spiking)
        result = NumpyBackend().lower(spiking, bound - latency(spiking)).run(inputs, record=True)
        for name, payloads in result.spikes.items():
            np.testing.assert_array_equal(payloads.sum(axis=1, dtype=np.int64), expected[name])
        outputs = expected[quantised.outputs["y"]].astype(np.float32)
        np.testing.assert_array_equal(result.decoded["y"][:, -1], outputs, str(setting))
        assert result.settled is not None
        assert np.all(result.settled >= 1)
        assert np.all(result.settled <= bound)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("setting", [{"cap": 7}, {"base": 2}], ids=str)
def test_the_reference_agrees(seed: int, setting: dict[str, int]) -> None:
    quantised = integer(seed)
    inputs = quantized_inputs(quantised, seed, samples=2)
    spiking = ToExact(**setting)(quantised)
    trace = run(spiking, inputs, settling_bound(spiking) - latency(spiking))
    expected = evaluate(quantised, inputs)
    for node in spiking.of_type(TrackingIF):
        np.testing.assert_array_equal(trace.spikes[node.name].sum(axis=0), expected[node.name])
    np.testing.assert_array_equal(trace.outputs["y"][-1], expected[quantised.outputs["y"]])


def test_a_cap_as_wide_as_the_levels_settles_at_once() -> None:
    for seed in range(20):
        spiking = ToExact(cap=255)(integer(seed))
        assert settling_bound(spiking) == 1


def test_the_static_bound_of_a_chain() -> None:
    """Levels 0..15: the first population rises from 0, the others may come from anywhere."""
    quantised = chain(np.random.default_rng(0), depth=3)
    assert settling_bound(ToExact(cap=1)(quantised)) == 15 + 14 + 14
    assert settling_bound(ToExact(cap=15)(quantised)) == 1
    # 3 steps of 7 units each; then at step 3 it may stand at 14, 2 steps of 7 from either end
    assert settling_bound(ToExact(cap=7)(quantised)) == 3 + 2 + 2
    assert settling_bound(ToExact(base=2)(quantised)) == 4 + 3 + 3


def test_digits_hold_the_largest_magnitude() -> None:
    assert [digits(n, 2) for n in (1, 2, 3, 4, 255, 256)] == [1, 2, 2, 3, 8, 9]
    code = make_code("exact", radix=2)
    (population, *_) = run_passes(
        chain(np.random.default_rng(0)), exact_conversion(code, lambda note: None)[1:]
    ).of_type(TrackingIF)
    assert (population.digits, population.payload) == (4, (0, 8))


# -- what breaks it --------------------------------------------------------------------------


def chain(rng: np.random.Generator, depth: int = 3, width: int = 12) -> Graph:
    """Return dense layers in integers with multipliers of 1: their drives have many ties."""
    nodes: list[Node] = [
        Input(name="x", type=TensorType((width,))),
        Quantize(name="q", inputs=("x",), scale=1.0, low=-8, high=7),
    ]
    here = "q"
    for layer in range(depth):
        weight = rng.integers(-7, 8, (width, width))
        nodes.append(Linear(name=f"w{layer}", inputs=(here,), weight=weight))
        nodes.append(requantised(f"n{layer}", f"w{layer}", rng.integers(-40, 60, width)))
        here = f"n{layer}"
    nodes.append(Linear(name="w", inputs=(here,), weight=rng.integers(-7, 8, (4, width))))
    zero, one = np.zeros(1, np.int64), np.ones(1)
    nodes.append(Dequantize(name="y", inputs=("w",), bias=zero, scale=one))
    return Graph(nodes, {"y": "y"})


def requantised(name: str, source: str, bias: Array) -> Requantize:
    return Requantize(
        name=name,
        inputs=(source,),
        multiplier=np.ones((1, 1), np.int64),
        bias=bias,
        threshold=np.full(1, 8, np.int64),
        low=0,
        high=15,
        represents=name,
    )


def wrong(quantised: Graph, spiking: Graph, inputs: dict[str, Array]) -> int:
    """Return how many outputs differ from the quantised ANN's long after all should be at rest."""
    expected = evaluate(quantised, inputs)[quantised.outputs["y"]]
    return int(np.sum(run(spiking, inputs, 120).outputs["y"][-1] != expected))


def as_membranes(graph: Graph, *, bias_once: bool = True, **settings: Any) -> Graph:
    """Return a chain with ``IF`` neurons in the place of tracking ones, ties rounded up."""
    nodes: list[Node] = []
    for node in graph:
        if isinstance(node, TrackingIF):
            once, always = (node.bias, 0 * node.bias) if bias_once else (0 * node.bias, node.bias)
            node = IF(
                name=node.name,
                inputs=node.inputs,
                threshold=node.threshold,
                bias=always,
                initial=once + node.threshold // 2,
                acc_min=node.low,
                acc_max=node.high,
                **{"max_positive": 1, "max_negative": 1, **settings},
            )
        nodes.append(node)
    return Graph(nodes, graph.outputs)


def changed(graph: Graph, kind: type[Node], **settings: Any) -> Graph:
    nodes = (replace(n, **settings) if isinstance(n, kind) else n for n in graph)
    return Graph(nodes, graph.outputs)


@pytest.fixture
def quantised() -> Graph:
    return chain(np.random.default_rng(4))


@pytest.fixture
def inputs() -> dict[str, Array]:
    return {"x": np.random.default_rng(5).integers(-8, 8, (40, 12)).astype(np.float32)}


def test_the_tracking_network_is_equal(quantised: Graph, inputs: dict[str, Array]) -> None:
    assert wrong(quantised, ToExact(cap=1)(quantised), inputs) == 0
    rounded_up = changed(quantised, Requantize, rounding="half_up")
    assert wrong(rounded_up, as_membranes(ToExact(cap=1)(quantised)), inputs) == 0


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (TrackingIF, {"max_negative": 0}),
        (TrackingIF, {"high": 1000}),
        (TrackingIF, {"low": -1000}),
        (TrackingIF, {"rounding": "half_up"}),
        (TrackingIF, {"rounding": "floor"}),
    ],
    ids=["no negative spikes", "no upper bound", "no lower bound", "half up", "down"],
)
def test_a_violation_shows(
    quantised: Graph, inputs: dict[str, Array], kind: type[Node], settings: dict[str, Any]
) -> None:
    assert wrong(quantised, changed(ToExact(cap=1)(quantised), kind, **settings), inputs) > 0


@pytest.mark.parametrize(
    "settings",
    [{"deadband": 1}, {"bias_once": False}, {"max_negative": 0}],
    ids=["deadband 1", "bias every step", "no negative spikes"],
)
def test_a_violation_in_membranes_shows(
    quantised: Graph, inputs: dict[str, Array], settings: dict[str, Any]
) -> None:
    rounded_up = changed(quantised, Requantize, rounding="half_up")
    spiking = as_membranes(ToExact(cap=1)(quantised), **settings)
    assert wrong(rounded_up, spiking, inputs) > 0


def test_a_network_without_negative_spikes_has_no_static_bound(quantised: Graph) -> None:
    spiking = changed(ToExact(cap=1)(quantised), TrackingIF, max_negative=0)
    assert not is_exact(spiking)
    with pytest.raises(ValueError, match="static bound"):
        settling_bound(spiking)
