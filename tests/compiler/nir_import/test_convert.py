"""Imported graphs compute what the equations of their nodes say, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc import compile
from snnc.ir import Array, Delay, Feedback, Integrator
from snnc.ir.errors import ModelError
from snnc.ir.reference import run
from tests.compiler.nir_import.by_hand import follow
from tests.nir_files import (
    NEW,
    OLD,
    affine,
    chain,
    conv,
    lif,
    linear,
    neuron,
    pool,
    port,
    write,
)

STEPS = 40
DT = 1e-4
RNG = np.random.default_rng(5)


def weights(*shape: int) -> Array:
    return RNG.normal(0, 1, shape).astype(np.float32)


CUBA: dict[str, Any] = {"tau_syn": 3e-4, "tau_mem": 8e-4, "r": 2.0, "v_leak": 0.1, "w_in": 1.5}
FLATTEN = {"type": "Flatten", "start_dim": 0, "end_dim": -1}
SAME = {"padding": "same", "dilation": [2, 1]}

CHAINS: dict[str, tuple[tuple[int, ...], list[dict[str, Any]]]] = {
    "LIF": ((3,), [affine(weights(4, 3), weights(4)), lif((4,), v_leak=0.2, r=3.0)]),
    "LIF per neuron": (
        (4,),
        [lif((4,), tau=[1e-3, 2e-3, 3e-3, 4e-3], v_threshold=[0.1, 0.05, 0.2, 0.3], r=9.0)],
    ),
    "IF": ((3,), [linear(weights(2, 3)), neuron("IF", (2,), r=1.0, v_threshold=1.0)]),
    "I": ((2,), [neuron("I", (2,), r=1.0)]),
    "LI": ((2,), [affine(weights(2, 2), weights(2)), neuron("LI", (2,), tau=1e-3, r=2, v_leak=1)]),
    "CubaLIF with a bias": (
        (3,),
        [affine(weights(4, 3), weights(4)), neuron("CubaLIF", (4,), v_threshold=0.3, **CUBA)],
    ),
    "CubaLI": ((3,), [linear(weights(4, 3)), neuron("CubaLI", (4,), **CUBA)]),
    "thresholds below 0": ((3,), [linear(weights(2, 3)), lif((2,), v_threshold=-0.05, r=4.0)]),
    "Threshold": ((3,), [linear(weights(2, 3)), {"type": "Threshold", "threshold": [0.0, -0.5]}]),
    "Scale": (
        (2, 3, 3),
        [
            {"type": "Scale", "scale": weights(2, 3, 3)},
            conv(weights(2, 2, 3, 3), weights(2)),
            {"type": "Scale", "scale": weights(2, 1, 1)},
        ],
    ),
    "Delay": (
        (3,),
        [{"type": "Delay", "delay": np.array([0, 1e-4, 7e-4], np.float32)}, linear(weights(2, 3))],
    ),
    "a linear map behind another": (
        (3,),
        [affine(weights(4, 3), weights(4)), linear(weights(2, 4))],
    ),
    "a neuron behind another": ((3,), [lif((3,), r=9.0), lif((3,), r=20.0)]),
    "Conv1d": (
        (2, 9),
        [
            conv(weights(4, 1, 3), weights(4), groups=2, stride=[2], padding=[1], dilation=[2]),
            neuron("IF", (4, 4), r=1.0, v_threshold=0.5),
            conv(weights(2, 4, 2), weights(2)),
            FLATTEN,
            linear(weights(3, 6)),
        ],
    ),
    "depthwise Conv2d": (
        (3, 5, 4),
        [
            conv(weights(3, 1, 2, 2), weights(3), groups=3),
            neuron("IF", (3, 4, 3), r=1, v_threshold=1),
        ],
    ),
    "a kernel of 1 x 3": ((2, 4, 6), [conv(weights(3, 2, 1, 3), weights(3), padding=[0, 1])]),
    "same padding": ((2, 5, 6), [conv(weights(3, 2, 2, 4), weights(3), **SAME)]),
    "valid padding": ((2, 5, 6), [conv(weights(3, 2, 2, 3), weights(3), padding="valid")]),
    "SumPool2d": (
        (2, 5, 4),
        [lif((2, 5, 4), r=9.0), pool("SumPool2d", 2), conv(weights(2, 2, 2, 2), weights(2))],
    ),
    "AvgPool2d": (
        (2, 4, 4),
        [
            lif((2, 4, 4), r=9.0),
            {**pool("AvgPool2d", 2), "padding": [1, 0]},
            FLATTEN,
            linear(weights(3, 12)),
        ],
    ),
    "part of the axes": (
        (2, 3, 2),
        [{**FLATTEN, "start_dim": 1}, conv(weights(2, 2, 3), weights(2))],
    ),
}


@pytest.mark.parametrize(("rule", "version"), [("exact", NEW), ("euler", OLD)])
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_computes_its_equations(tmp_path: Path, name: str, version: str, rule: str) -> None:
    shape, nodes = CHAINS[name]
    path = chain(tmp_path / "n.nir", *nodes, shape=shape, version=version)
    reset = "zero" if name == "thresholds below 0" else "auto"
    x = RNG.normal(0, 1, (STEPS, *shape)).astype(np.float32)
    network = compile(path, timesteps=STEPS, discretisation=rule, reset=reset)
    found = network.run(x[None]).decoded["output"][0]
    subtract = version == OLD and reset == "auto"
    wanted = follow(nodes, x.astype(np.float64), DT, rule, subtract=subtract)
    if network.graph.of_type(Integrator):  # an output of spikes is their count so far
        assert wanted.any()
        wanted = wanted.cumsum(0)
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)


def test_edges_that_meet_are_added(tmp_path: Path) -> None:
    shape = (3,)
    first, second, bias = weights(2, 3), weights(2, 3), weights(2)
    nodes = {
        "input": port("Input", shape),
        "a": linear(first),
        "b": affine(second, bias),
        "n": neuron("LI", (2,), tau=1e-3, r=1, v_leak=0),
        "output": port("Output", (2,)),
    }
    edges = [("input", "a"), ("input", "b"), ("a", "n"), ("b", "n"), ("n", "output")]
    path = write(tmp_path / "n.nir", nodes, edges)
    x = RNG.normal(0, 1, (STEPS, 3)).astype(np.float32)
    found = compile(path, timesteps=STEPS).run(x[None]).decoded["output"][0]
    wanted = follow([affine(first + second, bias), nodes["n"]], x, DT, "exact", subtract=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def recurrent(path: Path, *, nested: bool = False, version: str = NEW) -> Path:
    """Write a LIF that reads its own spikes through a matrix."""
    size = 4
    inside = {"lif": lif((size,), r=4.0), "w_rec": affine(RECURRENT, BIAS)}
    loop = [("lif", "w_rec"), ("w_rec", "lif")]
    outside = {
        "input": port("Input", (3,)),
        "w": linear(FORWARD),
        "output": port("Output", (size,)),
    }
    if not nested:
        edges = [("input", "w"), ("w", "lif"), *loop, ("lif", "output")]
        return write(path, outside | inside, edges, version)
    ports = {"input": port("Input", (size,)), "output": port("Output", (size,))}
    edges = [("input", "lif"), *loop, ("lif", "output")]
    graph: dict[str, Any] = {"type": "NIRGraph", "nodes": ports | inside, "edges": edges}
    around = [("input", "w"), ("w", "rnn"), ("rnn", "output")]
    return write(path, outside | {"rnn": graph}, around, version)


FORWARD, RECURRENT, BIAS = weights(4, 3), weights(4, 4), weights(4)


@pytest.mark.parametrize("nested", [False, True])
def test_a_loop_brings_what_was_sent_a_step_before(tmp_path: Path, nested: bool) -> None:
    path = recurrent(tmp_path / "n.nir", nested=nested)
    x = RNG.normal(0, 1, (40, 3)).astype(np.float32)
    network = compile(path, timesteps=40)
    found = np.diff(network.run(x[None]).decoded["output"][0], axis=0, prepend=0)
    decay, v, sent = np.exp(-DT / 1e-3), np.zeros(4), np.zeros(4)
    wanted = []
    for row in x:
        current = FORWARD @ row + RECURRENT @ sent + BIAS
        v = np.float64(decay) * v + 4.0 * (1 - decay) * current
        sent = (v > 0.5).astype(float)
        v = np.where(sent, 0, v)
        wanted.append(sent)
    assert np.sum(wanted) > 10
    np.testing.assert_array_equal(found, wanted)
    prefix = "rnn/" if nested else ""
    assert f"{prefix}w_rec: reads what {prefix}lif sent one step before" in str(network.report)


def test_the_earlier_neuron_of_a_loop_hears_the_later_one_late(tmp_path: Path) -> None:
    nodes = {
        "input": port("Input", (1,)),
        "early": lif(),
        "late": lif(),
        "output": port("Output", (1,)),
    }
    edges = [("input", "early"), ("early", "late"), ("late", "early"), ("late", "output")]
    graph = compile(write(tmp_path / "n.nir", nodes, edges), timesteps=2).graph
    (feedback,) = graph.of_type(Feedback)
    assert feedback.source == "late"
    assert {node.name for node in graph.users[feedback.name]} == {f"{feedback.name}.identity"}
    assert "early" in {node.name for node in graph.users[f"{feedback.name}.identity"]}


def test_a_delay_is_a_whole_number_of_steps(tmp_path: Path) -> None:
    path = chain(
        tmp_path / "n.nir", {"type": "Delay", "delay": np.array([15e-4], np.float32)}, shape=(1,)
    )
    (delay,) = compile(path, timesteps=2).graph.of_type(Delay)
    assert np.asarray(delay.steps).tolist() == [15]
    with pytest.raises(ModelError, match=r"no whole number of steps of 0.0002 s") as error:
        compile(path, timesteps=2, dt=2e-4)
    assert "--dt" in error.value.problems[0].hint


def test_the_simulator_is_equal_to_the_reference(tmp_path: Path) -> None:
    network = compile(recurrent(tmp_path / "n.nir"), timesteps=30)
    x = RNG.normal(0, 1, (2, 30, 3)).astype(np.float32)
    trace = run(network.graph, {"input": x}, 30)
    result = network.run(x, record=True)
    for name, payloads in trace.spikes.items():
        np.testing.assert_array_equal(result.spikes[name], payloads.swapaxes(0, 1))
