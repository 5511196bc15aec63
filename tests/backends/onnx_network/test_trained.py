"""Trained spiking networks on target ``onnx``: leaky neurons, delays, loops, values by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snnc
from snnc.backends import Activity, get_backend
from snnc.backends.onnx_network import OnnxBackend
from snnc.backends.onnx_network.program import NETWORK
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.trained import trained_network
from snnc.compiler.verify import verify
from snnc.ir import (
    Array,
    Conv,
    Delay,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    Node,
    TensorType,
    TwoPhaseIF,
)
from snnc.ir.bounds import is_quantized
from snnc.ir.leaky import LeakyPopulation
from snnc.ir.reference import run
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs, loihi_graph, loops_of_currents


def assert_as_simulated(graph: Graph, x: dict[str, Array], steps: int = STEPS) -> None:
    """Every payload, every output and every count is that of the simulator."""
    expected = get_backend("numpy").lower(graph, steps).run(x, record=True)
    found = get_backend("onnx").lower(graph, steps).run(x, record=True)
    for ours, theirs in (
        (found.spikes, expected.spikes),
        (found.decoded, expected.decoded),
        (found.unrounded, expected.unrounded),
    ):
        assert ours.keys() == theirs.keys()
        for name, wanted in theirs.items():
            np.testing.assert_array_equal(ours[name], wanted, name)
    assert found.activity.keys() == expected.activity.keys()
    for name, counts in expected.activity.items():
        for each in fields(Activity):
            one, other = (getattr(a, each.name) for a in (found.activity[name], counts))
            np.testing.assert_array_equal(one, other, f"{name} {each.name}")


def whole(nodes: Iterable[Node], *kept: str) -> list[Node]:
    """Return nodes with four times their parameters, which are whole numbers then.

    Args:
        nodes: Nodes of a random graph.
        kept: Names of those that stay as they are.
    """
    found = []
    for node in nodes:
        changed: dict[str, Any] = {
            each.name: (4 * value).astype(np.int64)
            for each in fields(node)
            if isinstance(value := getattr(node, each.name), np.ndarray)
            and not isinstance(node, Delay)
            and each.name != "scale"
        }
        if isinstance(node, Encoder):
            changed |= {"scale": 1 / 8, "bounds": (-8, 8)}
        found.append(node if node.name in kept else replace(node, **changed))
    return found


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_networks_of_real_neurons(seed: int) -> None:
    """All their numbers are dyadic: sums are exact in any order."""
    graph = leaky_graph(seed)
    assert_as_simulated(graph, leaky_inputs(graph, seed))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2**9, 2**18, 2**25]))
def test_random_networks_of_loihi_neurons(seed: int, larger: int) -> None:
    """Also where currents leave 24 bits, and sums 32."""
    graph = loihi_graph(seed)
    nodes = [
        replace(node, weight=node.weight * larger) if isinstance(node, (Conv, Linear)) else node
        for node in graph
    ]
    graph = Graph(nodes, {"spikes": "n2"})
    assert_as_simulated(graph, leaky_inputs(graph, seed))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2**10, 2**20, 2**50]))
def test_random_networks_of_integer_neurons(seed: int, larger: int) -> None:
    """Decays of whole numbers let membranes grow, beyond 64 bits too."""
    graph = leaky_graph(seed)
    nodes = [
        replace(node, gain=node.gain * larger) if isinstance(node, LeakyPopulation) else node
        for node in whole(node for node in graph if node.name not in ("m", "f3", "f4", "y"))
    ]
    graph = Graph(nodes, {"spikes": "n2"})
    assert is_quantized(graph)
    assert_as_simulated(graph, leaky_inputs(graph, seed))


@pytest.mark.parametrize("kept", [(), ("m", "f4", "y")], ids=["whole", "real"])
@pytest.mark.parametrize("seed", range(3))
def test_integer_neurons_before_a_membrane_that_is_read(seed: int, kept: tuple[str, ...]) -> None:
    graph = leaky_graph(seed)
    graph = Graph(whole(graph, *kept), graph.outputs)
    assert not is_quantized(graph)
    assert_as_simulated(graph, leaky_inputs(graph, seed))


@pytest.mark.parametrize("integer", [False, True])
def test_currents_come_late(integer: bool) -> None:
    graph = loops_of_currents()
    if integer:
        nodes = whole(node for node in graph if node.name not in ("v", "v.back", "read", "y"))
        graph = Graph(nodes, {"n": "n", "m": "m", "w": "w", "late": "late"})
    assert is_quantized(graph) is integer
    assert_as_simulated(graph, leaky_inputs(graph, 3))


@pytest.mark.parametrize("given", [2, STEPS, STEPS + 2])
def test_beyond_the_steps_that_are_given_nothing_comes_in(given: int) -> None:
    graph = loops_of_currents()
    assert_as_simulated(graph, leaky_inputs(graph, 3, steps=given))


def test_neurons_that_rehearse_get_nothing_behind_the_last_step(tmp_path: Path) -> None:
    nodes = [
        Input(name="x", type=TensorType((4,)), stepwise=True),
        Encoder(name="e", inputs=("x",), scale=1 / 8, bounds=(-8, 8)),
        Linear(name="w", inputs=("e",), weight=np.arange(12).reshape(3, 4)),
        TwoPhaseIF(
            name="n",
            inputs=("w",),
            threshold=np.array([20]),
            bias=np.array([3]),
            initial=np.array([10]),
            rule="offset",
            stage=1,
            stages=1,
            rehearsal=STEPS,
        ),
        Linear(name="l", inputs=("n",), weight=np.ones((2, 3), int)),
        Integrator(name="y", inputs=("l",), bias=np.ones(1, int), scale=np.ones(1)),
    ]
    graph = Graph(nodes, {"y": "y"})
    x = {key: value.astype(np.float32) for key, value in leaky_inputs(graph, 0).items()}
    assert_as_simulated(graph, x)
    OnnxBackend().lower(graph, STEPS).save(tmp_path)
    session = AnnSession((tmp_path / NETWORK).read_bytes())
    assert session.inputs == {"x": (None, STEPS, 4)}
    expected = run(graph, x, STEPS).outputs["y"]
    assert len(expected) == 2 * STEPS
    np.testing.assert_array_equal(session.run_once(x)["y"], expected[-1].astype(np.float32))


@pytest.mark.parametrize("make", [leaky_graph, loihi_graph])
def test_a_network_is_saved_and_verified(make: type, tmp_path: Path) -> None:
    graph = make(1)
    trained_network(graph, STEPS, target="onnx").save(tmp_path / "out")
    report = verify(snnc.load(tmp_path / "out"), leaky_inputs(graph, 1))
    assert report.equal
    assert report.executed_on == "onnx"


def test_the_example_streams_a_value_in_each_step(tmp_path: Path) -> None:
    example = pytest.importorskip("examples.run_onnx_network", reason="runs in a checkout only")
    graph = leaky_graph(13)
    x = {"x": leaky_inputs(graph, 2)["x"].astype(np.float32)}
    assert x["x"].shape[1] == STEPS
    trained_network(graph, STEPS, target="onnx").save(tmp_path / "out")
    whole = example.run(tmp_path / "out" / NETWORK, x)
    streamed, steps = example.stream(tmp_path / "out", x, sure=2.0)
    assert steps == STEPS
    for key, trace in run(graph, x, STEPS).outputs.items():
        np.testing.assert_array_equal(whole[key], trace[-1])
        np.testing.assert_array_equal(streamed[key], trace[-1])


def test_a_loihi_neuron_at_the_ends_of_its_registers() -> None:
    """Decays that keep all or nothing, biases and starts as large as they may be."""
    each = np.array([0, 1, -1, 0])
    nodes = [
        Input(name="x", type=TensorType((4,)), stepwise=True),
        Encoder(name="e", inputs=("x",), scale=1.0, bounds=(-128, 127)),
        Linear(name="w", inputs=("e",), weight=np.diag([1 << 11, -(1 << 12), 1 << 20, 1 << 23])),
        LoihiLIF(
            name="n",
            inputs=("w",),
            threshold=np.array([0, (1 << 25) - 1, 5, 100_000]),
            du=np.array([-1, 4095, 0, 2000]),
            dv=np.array([0, 4096, 7, 0]),
            bias=np.array([-4096, 4095, 0, 1]),
            bias_exp=np.array([7, 7, 0, 3]),
            initial=each * (1 << 23),
            initial_current=-each * (1 << 23),
        ),
    ]
    graph = Graph(nodes, {"n": "n"})
    x = np.random.default_rng(0).integers(-128, 128, (50, 20, 4)).astype(np.float32)
    found = run(graph, {"x": x}, 20).spikes["n"].mean(axis=(0, 1))
    assert (found > 0).sum() >= 3
    assert_as_simulated(graph, {"x": x}, 20)
