"""Files of one step whose membranes are inputs and outputs; and those that lost them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

import snnc
from snnc.backends import get_backend
from snnc.compiler.inspection import inspect
from snnc.compiler.options import Options
from snnc.ir import CubaLIF
from snnc.ir.errors import UnsupportedOperatorError

from ..onnx_import.conftest import build_model
from .unrolled_files import SYNAPTIC, WEIGHTS, answers, network, saved

STATES = "float[N,3] x, float[N,4] syn, float[N,4] mem"


def one_step() -> ModelProto:
    """Return a layer as snnTorch's Synaptic, for streaming."""
    before = "e = Sub (mem, threshold) g = Greater (e, zero) s = Cast <to = 1> (g)"
    layer = SYNAPTIC.format(n="_a", i="i", u="mem", s="s", c="syn")
    after = "next_syn = Identity (c_a) next_mem = Identity (u_a) y = MatMul (s_a, v)"
    outputs = "float[] y, float[] next_syn, float[] next_mem"
    nodes = f"{before} i = Gemm (x, w, b) {layer} {after}"
    return build_model(nodes, STATES, outputs, **WEIGHTS)


@pytest.mark.parametrize("timesteps", [1, 3, 12])
def test_states_are_kept_inside(tmp_path: Path, timesteps: int) -> None:
    model = one_step()
    net = snnc.compile(saved(model, tmp_path), timesteps=timesteps)
    assert len(net.graph.of_type(CubaLIF)) == 1
    assert not net.report["warnings"]
    x = 2 * np.random.default_rng(2).normal(size=(9, timesteps, 3)).astype(np.float32)
    found = net.run(x).decoded["y"]
    state = {name: np.zeros((9, 4), np.float32) for name in ("syn", "mem")}
    for step in range(timesteps):
        wanted = answers(model, {"x": x[:, step], **state})
        state = {"syn": wanted["next_syn"], "mem": wanted["next_mem"]}
        np.testing.assert_allclose(found[:, step], wanted["y"], rtol=1e-4, atol=1e-5)


def test_a_lost_state_is_refused(tmp_path: Path) -> None:
    layer = SYNAPTIC.format(n="_a", i="i", u="zero", s="zero", c="zero")
    model = build_model(
        f"i = Gemm (x, w, b) {layer} y = MatMul (s_a, v)", "float[N,3] x", **WEIGHTS
    )
    found = inspect(saved(model, tmp_path), get_backend("numpy"), Options(), require_full=True)
    assert "without its state" in found.unsupported[0].reason
    assert "run all steps in forward" in found.unsupported[0].hint
    with pytest.raises(UnsupportedOperatorError, match="without its state"):
        snnc.compile(tmp_path / "snn.onnx", require_full=True)


def test_inspect_says_what_was_found(tmp_path: Path) -> None:
    path = saved(network("snntorch"), tmp_path)
    found = inspect(path, get_backend("numpy"), Options())
    said = "\n".join(found.approximations)
    assert found.convertible
    assert found.code == "trained"
    assert "unrolled over 4 steps" in said
    assert "u_a0: 4 neurons, decay 0.9, fires above 0.5" in said
    assert "a spike subtracts the threshold, a step late" in said
    assert "equal to ONNX Runtime on 8 random samples" in said


def test_options_without_a_use_are_said(tmp_path: Path) -> None:
    net = snnc.compile(saved(network("snntorch"), tmp_path), code="rate", timesteps=9)
    said = [message for message, _ in net.report["warnings"]]
    assert any(message.startswith("--code: not used") for message in said)
    assert any("the file runs 4 steps" in message for message in said)
    assert net.timesteps == 4


def test_the_artifact_is_whole(tmp_path: Path) -> None:
    path = saved(network("norse"), tmp_path)
    snnc.compile(path).save(tmp_path / "out")
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    net = snnc.load(tmp_path / "out")
    wanted = answers(path, {"x": x})["y"]
    np.testing.assert_allclose(np.asarray(net.run(x).outputs), wanted, rtol=1e-4, atol=1e-5)
