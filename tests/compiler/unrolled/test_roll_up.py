"""Unrolled networks become one step with state, equal to their file spike for spike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

import snnc
from snnc.backends import get_backend
from snnc.compiler.inspection import inspect
from snnc.compiler.onnx_import.file import read
from snnc.compiler.options import Options
from snnc.compiler.unrolled.proof import Proof
from snnc.compiler.unrolled.roll_up import roll_up
from snnc.ir import LIF, Array, CubaLIF, Feedback, Graph, Input, MaxPool
from snnc.ir.leaky import LeakyPopulation

from .unrolled_files import NEURONS, WEIGHTS, answers, network, saved


def fresh(*shape: int) -> Array:
    """Return samples that no proof has seen."""
    return (2 * np.random.default_rng(11).normal(size=(20, *shape))).astype(np.float32)


def compiled(model: ModelProto, folder: Path, x: Array) -> Graph:
    """Compile a model; its outputs are those of ONNX Runtime."""
    net = snnc.compile(saved(model, folder))
    outputs = net.run(x).outputs
    found = outputs if isinstance(outputs, dict) else {"y": outputs}
    for name, wanted in answers(model, {"x": x}).items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-5)
    return net.graph


def neurons(graph: Graph) -> list[LeakyPopulation]:
    """Return the neurons, none of a pool."""
    return [node for node in graph.populations if isinstance(node, (LIF, CubaLIF))]


@pytest.mark.parametrize("kind", NEURONS)
def test_a_constant_input(tmp_path: Path, kind: str) -> None:
    graph = compiled(network(kind, stepwise=False), tmp_path, fresh(3))
    assert len(neurons(graph)) == 2
    assert not graph.of_type(Input)[0].stepwise


@pytest.mark.parametrize(
    ("kind", "strict", "reset", "delayed", "decay", "gain"),
    [
        ("snntorch", True, "subtract", True, 0.9, 1),
        ("snntorch_zero", True, "value", False, 0.9, 1),
        ("snntorch_none", True, "none", False, 0.9, 1),
        ("synaptic", True, "subtract", True, 0.9, 1),
        ("spikingjelly", False, "value", False, 0.5, 0.5),
        ("spikingjelly_soft", False, "subtract", False, 0.5, 0.5),
        ("where", False, "value", False, 1, 1),
        ("norse", True, "value", False, 0.4, 0.6),
    ],
)
def test_parameters(
    tmp_path: Path, kind: str, strict: bool, reset: str, delayed: bool, decay: float, gain: float
) -> None:
    graph = compiled(network(kind), tmp_path, fresh(4, 3))
    assert graph.of_type(Input)[0].stepwise
    assert len(neurons(graph)) == 2
    for node in neurons(graph):
        assert (node.strict, node.reset, node.reset_delayed) == (strict, reset, delayed)
        np.testing.assert_allclose(node.decay, decay, rtol=1e-6)
        np.testing.assert_allclose(node.gain, gain, rtol=1e-6)
        np.testing.assert_allclose(node.threshold, 0.5)
        np.testing.assert_allclose(node.initial, 0)
        if kind in ("spikingjelly", "where", "norse"):
            np.testing.assert_allclose(node.reset_to, -0.25)


@pytest.mark.parametrize(("kind", "decay"), [("synaptic", 0.6), ("norse", 0.9)])
def test_synaptic_currents(tmp_path: Path, kind: str, decay: float) -> None:
    graph = compiled(network(kind), tmp_path, fresh(4, 3))
    found = [node.current_decay for node in graph.of_type(CubaLIF)]
    np.testing.assert_allclose(np.concatenate(found), decay, rtol=1e-6)


def test_a_membrane_at_rest(tmp_path: Path) -> None:
    """Norse's leak potential is a bias; the rest of the first layer's is its synapses'."""
    second = neurons(compiled(network("norse"), tmp_path, fresh(4, 3)))[1]
    np.testing.assert_allclose(second.bias, 0.6 * 0.1, rtol=1e-6)


def test_a_decay_for_each_neuron(tmp_path: Path) -> None:
    model = network("snntorch", beta=np.array([0.8, 0.7, 0.9, 0.6]), v=WEIGHTS["r"])
    first = neurons(compiled(model, tmp_path, fresh(4, 3)))[0]
    np.testing.assert_allclose(first.decay, [0.8, 0.7, 0.9, 0.6], rtol=1e-6)


@pytest.mark.parametrize("kind", ["snntorch", "norse", "spikingjelly_soft"])
def test_recurrent_layers(tmp_path: Path, kind: str) -> None:
    graph = compiled(network(kind, recurrent=True), tmp_path, fresh(4, 3))
    (feedback,) = graph.of_type(Feedback)
    assert feedback.source == neurons(graph)[0].name


@pytest.mark.parametrize(
    ("kind", "readout"),
    [
        ("snntorch", "y = Identity (u_b3)"),
        ("spikingjelly_soft", "y = Identity (h_b3)"),
        ("spikingjelly_soft", "y = Identity (u_b3)"),
        ("snntorch_none", "y = Identity (u_b3)"),
        ("snntorch", "p = Add (u_b0, u_b1) q = Add (p, u_b2) y = Add (q, u_b3)"),
        ("snntorch", "y = Identity (s_b3)"),
        ("snntorch", "p = Add (s_b0, s_b1) q = Add (p, s_b2) o = Add (q, s_b3) y = Div (o, tau)"),
        ("snntorch", "p = Add (k0, k1) q = Add (p, k2) y = Add (q, k3)"),
    ],
    ids=["last", "before_reset", "after_reset", "no_reset", "sum", "spike", "half", "currents"],
)
def test_readouts(tmp_path: Path, kind: str, readout: str) -> None:
    """Nobody reads the spikes of the last step then: it has no comparison that counts."""
    compiled(network(kind, readout=readout), tmp_path, fresh(4, 3))


def test_stacked_spikes_are_the_trace(tmp_path: Path) -> None:
    parts = " ".join(f"q{step} = Unsqueeze (s_b{step}, t0v)" for step in range(4))
    model = network(
        "snntorch",
        readout=f"{parts} y = Concat <axis = 0> (q0, q1, q2, q3)",
        t0v=np.array([0]),
    )
    x = fresh(4, 3)
    net = snnc.compile(saved(model, tmp_path))
    (wanted,) = answers(model, {"x": x}).values()
    np.testing.assert_array_equal(net.run(x).decoded["y"].swapaxes(0, 1), wanted)


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceMean"])
def test_reduced_stacks(tmp_path: Path, operator: str) -> None:
    parts = " ".join(f"q{step} = Unsqueeze (s_b{step}, t0v)" for step in range(4))
    axes = "(o, t0v)" if operator == "ReduceSum" else "(o)"
    given = "" if operator == "ReduceSum" else ", axes = [0]"
    readout = f"""{parts} o = Concat <axis = 0> (q0, q1, q2, q3)
        y = {operator} <keepdims = 0{given}> {axes}"""
    compiled(network("snntorch", readout=readout, t0v=np.array([0])), tmp_path, fresh(4, 3))


def test_softmax_is_cut_off(tmp_path: Path) -> None:
    readout = "p = Add (s_b0, s_b1) q = Add (p, s_b2) o = Add (q, s_b3) y = Softmax (o)"
    net = snnc.compile(saved(network("snntorch", readout=readout), tmp_path))
    assert net.report["cut"]


def convolutional(pool: str, place: str) -> ModelProto:
    """Return convolution, neurons and a layer of weights, with a pool behind one of the former."""
    from ..onnx_import.conftest import build_model
    from .unrolled_files import SPIKINGJELLY_SOFT

    lines, state = [], "zero"
    for step in range(3):
        current, spikes = f"c{step}", f"s_a{step}"
        lines.append(f"x{step} = Gather <axis = 1> (x, t{step})")
        lines.append(f"c{step} = Conv <pads = [1, 1, 1, 1]> (x{step}, k)")
        if place == "currents":
            lines.append(f"p{step} = {pool} <kernel_shape = [2, 2], strides = [2, 2]> (c{step})")
            current = f"p{step}"
        lines.append(SPIKINGJELLY_SOFT.format(n=f"_a{step}", i=current, u=state))
        state = f"u_a{step}"
        if place == "spikes":
            lines.append(f"p{step} = {pool} <kernel_shape = [2, 2], strides = [2, 2]> (s_a{step})")
            spikes = f"p{step}"
        lines.append(f"g{step} = Flatten ({spikes}) h{step} = MatMul (g{step}, m)")
    lines.append("o = Add (h0, h1) y = Add (o, h2)")
    rng = np.random.default_rng(1)
    weights = {"k": rng.normal(size=(3, 2, 3, 3)), "m": rng.normal(size=(12, 2))}
    return build_model("\n".join(lines), "float[N,3,2,4,4] x", **WEIGHTS | weights)


@pytest.mark.parametrize(
    ("pool", "place"),
    [("MaxPool", "spikes"), ("AveragePool", "spikes"), ("AveragePool", "currents")],
)
def test_pools(tmp_path: Path, pool: str, place: str) -> None:
    """The maximum of spikes is whether there is one; in this graph a ``MaxPool`` would sum up."""
    graph = compiled(convolutional(pool, place), tmp_path, fresh(3, 2, 4, 4))
    assert not graph.of_type(MaxPool)


@pytest.mark.parametrize(
    ("option", "value"), [("reset", "zero"), ("code", "exact"), ("thresholds", "mean")]
)
def test_options_of_a_conversion_are_not_used(tmp_path: Path, option: str, value: str) -> None:
    """Nor are they checked: what a code means for them is beside the point."""
    path = saved(network("snntorch"), tmp_path)
    given: dict[str, Any] = {option: value}
    told = snnc.compile(path, **given).report["warnings"]
    assert [message.partition(":")[0] for message, _ in told] == [f"--{option}"]
    found = inspect(path, get_backend("numpy"), Options(**given))
    assert found.convertible
    assert list(found.warnings) == [tuple(entry) for entry in told]
    assert not inspect(path, get_backend("numpy"), Options()).warnings


@pytest.mark.parametrize(("threshold", "samples"), [(0.5, 8), (30.0, 16), (120.0, 24), (400.0, 64)])
def test_samples_grow_until_every_layer_fires(
    tmp_path: Path, threshold: float, samples: int
) -> None:
    model = network("snntorch", threshold=np.array(threshold), v=10 * threshold * WEIGHTS["v"])
    found = roll_up(read(saved(model, tmp_path)), 8)
    assert (found.proof.samples, found.proof.gaps()) == (samples, [])


def test_layers_that_never_fire_are_told(tmp_path: Path) -> None:
    """Their weights, decays and outputs are compared; what a spike does there cannot be."""
    path = saved(network("snntorch", threshold=np.array(1e6)), tmp_path)
    net = snnc.compile(path)
    ((message, hint),) = net.report["warnings"]
    assert all(f"{node.name}" in message for node in neurons(net.graph))
    assert "fired in none of 64 random samples" in message
    assert hint
    assert list(inspect(path, get_backend("numpy"), Options()).warnings) == [(message, hint)]


def test_a_proof_without_a_whole_sample_is_told() -> None:
    tied = Proof(samples=8, spikes=3, values=0, ties=8, difference=0.0)
    assert not tied.whole
    assert "none of the outputs is compared" in tied.gaps()[0][0]
    more = Proof(8, 5, 100, 7, 1e-6, frozenset({"a"}))
    assert tied.joined(more) == Proof(16, 8, 100, 15, 1e-6)
    assert tied.joined(more).whole
