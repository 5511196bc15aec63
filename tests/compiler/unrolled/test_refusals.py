"""What is no network rolled up is refused with the place and the reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

import snnc
from snnc.compiler.onnx_import.file import ModelFile, read
from snnc.compiler.unrolled.compile import rolled_up
from snnc.compiler.unrolled.outputs import Builder
from snnc.compiler.unrolled.proof import Original, prove
from snnc.compiler.unrolled.recording import Recorder
from snnc.compiler.unrolled.refusal import NotRecognisedError
from snnc.compiler.unrolled.roll_up import roll_up
from snnc.ir import LIF, Array, Graph
from snnc.ir.errors import UnsupportedOperatorError
from snnc.ir.reference import run

from .test_roll_up import convolutional
from .unrolled_files import network, saved


def reason(model: ModelProto, folder: Path) -> str:
    """Return why a model is not rolled up."""
    found, why = rolled_up(read(saved(model, folder)))
    assert found is None
    return why


def changed(model: ModelProto, tensor: str, old: str, new: str) -> ModelProto:
    """Let the node that computes a tensor read another one."""
    (node,) = (node for node in model.graph.node if tensor in node.output)
    assert old in node.input
    node.input[:] = [new if name == old else name for name in node.input]
    return model


@pytest.mark.parametrize(
    ("tensor", "old", "new", "said"),
    [
        ("i2", "w", "w2", "step 3 reads other currents"),
        ("k1", "v", "v2", "step 2 reads other currents"),
        ("m_a2", "beta", "alpha", "another factor of its decay"),
        ("r_a3", "threshold", "beta", "another factor of its spike"),
        ("d_a2", "threshold", "beta", "threshold changes from step to step"),
        ("m_b2", "u_b1", "u_b0", "u_b0: is the membrane before two others"),
        ("i2", "x2", "x1", "step 3 reads other currents"),
        ("k2", "s_a2", "s_a0", "step 3 reads other currents"),
    ],
)
def test_one_step_is_different(tmp_path: Path, tensor: str, old: str, new: str, said: str) -> None:
    rng = np.random.default_rng(5)
    more: dict[str, Any] = {"w2": rng.normal(size=(3, 4)), "v2": rng.normal(size=(4, 2))}
    assert said in reason(changed(network("snntorch", **more), tensor, old, new), tmp_path)


def test_another_reset(tmp_path: Path) -> None:
    model = network("snntorch")
    for step in range(4):
        changed(model, f"r_a{step}", "threshold", "tau")
    assert "subtracts something else than the threshold" in reason(model, tmp_path)


def test_a_reset_that_leaves_a_part(tmp_path: Path) -> None:
    model = network("spikingjelly", half=np.array(0.75))
    for step in range(4):
        changed(model, f"k_a{step}", "one", "half")
    assert "h_a3" in reason(model, tmp_path)


def test_a_membrane_compared_twice(tmp_path: Path) -> None:
    """SnnTorch with ``reset_delay=False``: above two thresholds it is reset twice."""
    form = """
        h{n} = Add ({u}, {i})
        f{n} = Greater (h{n}, threshold)
        s{n} = Cast <to = 1> (f{n})
        l{n} = Mul (s{n}, threshold)
        u{n} = Sub (h{n}, l{n})
        g{n} = Greater (u{n}, threshold)
        e{n} = Cast <to = 1> (g{n})
        y{n} = Mul (e{n}, zero)
    """
    from ..onnx_import.conftest import build_model
    from .unrolled_files import WEIGHTS

    first = form.format(n=0, u="zero", i="x") + form.format(n=1, u="u0", i="x")
    model = build_model(f"{first} y = Add (u1, e0)", "float[N,3] x", **WEIGHTS)
    assert "compares a membrane again after its reset" in reason(model, tmp_path)


def test_the_maximum_of_currents(tmp_path: Path) -> None:
    assert "takes the maximum of values that are no spikes" in reason(
        convolutional("MaxPool", "currents"), tmp_path
    )


def test_steps_that_are_weighed_differently(tmp_path: Path) -> None:
    readout = "p = Mul (beta, s_b0) q = Add (p, s_b1) o = Add (q, s_b2) y = Add (o, s_b3)"
    assert "weighs the steps differently" in reason(network("snntorch", readout=readout), tmp_path)


def test_a_membrane_that_is_reset_to_a_value(tmp_path: Path) -> None:
    model = network("spikingjelly", readout="y = Identity (u_b3)")
    assert "after its reset to a value" in reason(model, tmp_path)


def test_a_network_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snnc.compiler.unrolled import constants

    monkeypatch.setattr(constants, "MOST_NUMBERS", 100)
    assert "more than 100" in reason(network("snntorch"), tmp_path)


def test_the_refusal_has_the_diagnosis(tmp_path: Path) -> None:
    model = changed(network("snntorch"), "m_a2", "beta", "alpha")
    with pytest.raises(UnsupportedOperatorError, match="trained spiking neuron") as caught:
        snnc.compile(saved(model, tmp_path))
    assert "its steps cannot be rolled up: u_a3: step 3" in str(caught.value)
    assert "docs/trained_snn.md" in caught.value.problems[0].hint


def test_nonsense_is_no_crash(tmp_path: Path) -> None:
    """Whatever goes wrong on the way is a reason: the model is then taken as any other."""
    file = read(saved(network("snntorch"), tmp_path))
    broken = ModelProto()
    broken.CopyFrom(file.proto)
    for node in broken.graph.node:
        if node.op_type == "Gather":
            node.input.pop()
    found, why = rolled_up(ModelFile(broken, file.opset, file.sha256))
    assert found is None
    assert why


# -- the proof ----------------------------------------------------------------------------------


def original(graph: Graph, samples: dict[str, np.ndarray]) -> Original:  # type: ignore[type-arg]
    trace = run(graph, samples, 4)
    margins = {name: np.ones(spikes.shape) for name, spikes in trace.spikes.items()}
    return Original(trace.spikes, margins, {k: x[-1] for k, x in trace.outputs.items()})


@pytest.mark.parametrize("field", ["decay", "threshold", "gain", "initial"])
def test_another_network_is_told_apart(tmp_path: Path, field: str) -> None:
    found = roll_up(read(saved(network("spikingjelly_soft"), tmp_path)), 4)
    node = found.graph.of_type(LIF)[0]
    other = replace(node, **{field: getattr(node, field) * 0.5 + 0.3})
    graph = found.graph.with_nodes({node.name: (other,)})
    wanted = original(found.graph, dict(found.samples))
    with pytest.raises(NotRecognisedError, match="in the file at step"):
        prove(graph, 4, found.samples, wanted, {"y": False})


def test_a_tie_is_forgiven_and_counted(tmp_path: Path) -> None:
    found = roll_up(read(saved(network("spikingjelly_soft"), tmp_path)), 4)
    wanted = original(found.graph, dict(found.samples))
    name = found.names[0]
    flipped = {key: spikes.copy() for key, spikes in wanted.spikes.items()}
    flipped[name][2, 5, 1] ^= 1
    margins = {key: margin.copy() for key, margin in wanted.margins.items()}
    margins[name][2, 5, 1] = 1e-7
    tied = Original(flipped, margins, wanted.outputs)
    proof = prove(found.graph, 4, found.samples, tied, {"y": False})
    assert proof.ties == 1
    with pytest.raises(NotRecognisedError, match=r"neuron \(1,\)"):
        prove(found.graph, 4, found.samples, replace(tied, margins=wanted.margins), {"y": False})


def test_an_output_that_differs(tmp_path: Path) -> None:
    found = roll_up(read(saved(network("spikingjelly_soft"), tmp_path)), 4)
    wanted = original(found.graph, dict(found.samples))
    outputs = {name: x + 0.01 for name, x in wanted.outputs.items()}
    other = replace(wanted, outputs=outputs)
    with pytest.raises(NotRecognisedError, match="output y: differs"):
        prove(found.graph, 4, found.samples, other, {"y": False})


def test_an_output_without_a_number(tmp_path: Path) -> None:
    found = roll_up(read(saved(network("spikingjelly_soft"), tmp_path)), 4)
    wanted = original(found.graph, dict(found.samples))
    other = replace(wanted, outputs={n: np.full_like(x, np.nan) for n, x in wanted.outputs.items()})
    with pytest.raises(NotRecognisedError, match="output y: differs"):
        prove(found.graph, 4, found.samples, other, {"y": False})


def test_the_file_is_run_for_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong graph does not get through: the samples are compared with what the file computes."""

    class Wrong(Builder):
        def result(self) -> Graph:
            graph = super().result()
            node = graph.of_type(LIF)[0]
            return graph.with_nodes({node.name: (replace(node, decay=node.decay * 0.8),)})

    monkeypatch.setattr("snnc.compiler.unrolled.roll_up.Builder", Wrong)
    assert "in the file at step" in reason(network("snntorch"), tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_model_that_crashes_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = os.getpid()

    class Crashing(Recorder):
        def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
            assert os.getpid() != program, "the first run is not in a child process"
            os.abort()

    monkeypatch.setattr("snnc.compiler.unrolled.roll_up.Recorder", Crashing)
    assert "ONNX Runtime crashes on the model" in reason(network("snntorch"), tmp_path)
    monkeypatch.undo()
    left_out = "y = Sum (s_b0, s_b1, s_b2, s_b3, )"  # ONNX Runtime 1.23 crashes on it
    found, why = rolled_up(read(saved(network("snntorch", readout=left_out), tmp_path)))
    assert found or why
