"""``--quantize``: a float model quantised on the way."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.onnx_runtime import AnnSession, to_onnx
from snnc.compiler.demo import bundled
from snnc.compiler.onnx_import import load
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.compiler.post_training import quantized
from snnc.ir import Affine, Conv, Graph, Linear, Reshape, Staircase
from snnc.ir.errors import DataError, ModelError, OptionError
from tests.ann_graphs import AnnBuilder
from tests.command_line import Command


def accuracy(graph: Graph) -> float:
    demo = bundled()
    scores = AnnSession(graph).run({"x": demo.test})["logits"]
    return float(np.mean(scores.argmax(axis=1) == demo.labels))


ONNXRUNTIME = tuple(int(part) for part in version("onnxruntime").split(".")[:2])
"""1.23, the last for Python 3.10, cannot quantise the channels of a weight to 4 bits."""


@pytest.mark.parametrize(("bits", "lost"), [(8, 0.006), (4, 0.03)])
def test_a_quantised_digit_reader(bits: int, lost: float) -> None:
    demo = bundled()
    imported = load(demo.model)
    if bits < 8 and ONNXRUNTIME < (1, 24):
        with pytest.raises(ModelError) as caught:
            quantized(imported, demo.calibration, bits)
        assert "take a newer ONNX Runtime" in caught.value.hint
        return
    found, note = quantized(imported, demo.calibration, bits)
    assert accuracy(found.graph) >= accuracy(imported.graph) - lost
    assert f"{bits} bits" in note
    simple = run_passes(found.graph, SIMPLIFY)
    synapses: tuple[Conv | Linear, ...] = (*simple.of_type(Conv), *simple.of_type(Linear))
    for node in synapses:
        assert node.weight_scale is not None
        whole = node.weight / node.weight_scale.reshape(-1, *(1,) * (node.weight.ndim - 1))
        assert np.abs(whole - np.rint(whole)).max() < 1e-9
        assert np.abs(whole).max() < 2 ** (bits - 1) + 0.5
        assert isinstance(simple[node.inputs[0]], (Staircase, Reshape))
    levels = {(node.high or 0) - (node.low or 0) for node in simple.of_type(Staircase)}
    assert max(levels) <= 2**bits - 1


def test_normalisations_do_not_stay(tmp_path: Path) -> None:
    """A layer and its normalisation are quantised as one."""
    net = AnnBuilder(np.random.default_rng(0))
    here = net.relu(net.norm(net.conv(net.norm(net.input(2, 8, 8)), 4, padding=(1, 1, 1, 1))))
    path = tmp_path / "norm.onnx"
    path.write_bytes(to_onnx(net.graph(net.linear(net.flat(here), 3))).SerializeToString())
    samples = np.random.default_rng(1).normal(size=(64, 2, 8, 8)).astype(np.float32)
    found, _ = quantized(load(path), samples, 8)
    simple = run_passes(found.graph, SIMPLIFY)
    assert len(simple.of_type(Affine)) == 1  # that of the input, before anything is rounded
    wanted = AnnSession(load(path).graph).run({"x": samples})["y"]
    got = AnnSession(simple).run({"x": samples})["y"]
    assert np.abs(got - wanted).mean() < 0.03 * np.abs(wanted).mean()


def test_the_report_says_it(command: Command, tmp_path: Path) -> None:
    demo = bundled()
    np.savez(tmp_path / "x.npz", x=demo.calibration[:64])
    arguments = ["--calibration", tmp_path / "x.npz", "--quantize", 8, "--correction", "none"]
    before = logging.getLogger().handlers[:]
    found = command("compile", demo.model, *arguments, "-o", tmp_path / "out")
    assert found.status == 0
    assert logging.getLogger().handlers == before
    report = snnc.load(tmp_path / "out").report
    assert any("quantised to 8 bits" in line for line in report["approximations"])
    assert "pre-processing" not in found.err


def test_refusals(tmp_path: Path) -> None:
    demo = bundled()
    with pytest.raises(DataError, match="needs calibration data"):
        snnc.compile(demo.model, quantize=8)
    with pytest.raises(OptionError, match="--quantize 5"):
        snnc.compile(demo.model, quantize=5, calibration=demo.calibration)
    net = AnnBuilder(np.random.default_rng(0))
    levels = net.add(Staircase, net.linear(net.input(3), 2), low=0, high=3)
    path = tmp_path / "levels.onnx"
    path.write_bytes(to_onnx(net.graph(levels)).SerializeToString())
    with pytest.raises(OptionError, match="quantised already"):
        snnc.compile(path, quantize=8, calibration=np.zeros((4, 3), np.float32))


def test_no_further_package_is_needed() -> None:
    """The quantiser works with the packages that come with snnc."""
    needed = requires("onnxruntime") or ()
    if any(name.startswith("sympy") and "extra" not in name for name in needed):
        pytest.skip("this ONNX Runtime brings SymPy")
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('sympy', 'torch', 'pandas')))\n"
        "from snnc.compiler.demo import bundled\n"
        "from snnc.compiler.onnx_import import load\n"
        "from snnc.compiler.post_training import quantized\n"
        "demo = bundled()\n"
        "print(quantized(load(demo.model), demo.calibration[:8], 8)[1])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "quantised to 8 bits" in run.stdout, run.stderr
