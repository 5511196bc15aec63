"""Modules that torch exports: in the style of each framework, and its own where it is installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.ir import Array, Input

from .unrolled_files import answers

torch: Any = pytest.importorskip("torch", exc_type=ImportError)
Module: Any = torch.nn.Module
pytestmark = pytest.mark.torch

STEPS = 5
EXPORTERS = [
    pytest.param(False, id="torchscript"),
    pytest.param(
        True,
        id="dynamo",
        marks=pytest.mark.skipif(find_spec("onnxscript") is None, reason="needs onnxscript"),
    ),
]


class Unrolled(Module):  # type: ignore[misc]
    """Two layers of neurons, each behind a Linear, run over some steps.

    Args:
        first: The neurons of the first layer: current and state to spikes and state.
        second: Those of the second.
        stepwise: Whether the input has a value for every step, behind the batch.
    """

    def __init__(self, first: Any, second: Any, *, stepwise: bool = True) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.one, self.two = torch.nn.Linear(6, 8), torch.nn.Linear(8, 4)
        self.first, self.second, self.stepwise = first, second, stepwise

    def forward(self, x: Any) -> Any:
        state = other = None
        total = 0
        for step in range(STEPS):
            given = x[:, step] if self.stepwise else x
            spikes, state = self.first(self.one(given), state)
            spikes, other = self.second(self.two(spikes), other)
            total = total + spikes
        return total / STEPS


def leaky(current: Any, state: Any) -> Any:
    """Write the neuron as snnTorch does: reset by subtraction, a step late."""
    before = torch.zeros_like(current) if state is None else state
    reset = (before > 0.5).float()
    membrane = 0.9 * before + current - reset * 0.5
    return (membrane > 0.5).float(), membrane


def hard(current: Any, state: Any) -> Any:
    """Write the neuron as SpikingJelly does: decay of the input, reset to 0."""
    before = torch.zeros_like(current) if state is None else state
    membrane = before + (current - before) / 2.0
    spikes = (membrane - 0.5 >= 0).to(current)
    return spikes, spikes * 0.0 + (1.0 - spikes) * membrane


def euler(current: Any, state: Any) -> Any:
    """Write the neuron as norse does: a synaptic current, a step of Euler's method."""
    zeros = torch.zeros_like(current)
    voltage, synaptic = (zeros, zeros) if state is None else state
    jumped = synaptic + current
    decayed = voltage + 0.001 * 400.0 * ((0.0 - voltage) + jumped)
    spikes = (decayed - 0.5 > 0).to(current)
    return spikes, ((1 - spikes) * decayed + spikes * 0.0, jumped - 0.001 * 200.0 * jumped)


def exported(module: Any, example: Any, path: Path, *, dynamo: bool) -> Path:
    """Write a module as ONNX file with a free batch size."""
    common: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"], "verbose": False}
    if dynamo:
        shapes = ({0: torch.export.Dim("batch")},)
        common |= {"dynamo": True, "dynamic_shapes": shapes, "external_data": False}
    else:
        axes = {"x": {0: "batch"}, "y": {0: "batch"}}
        common |= {"dynamo": False, "dynamic_axes": axes, "opset_version": 17}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters warn about themselves
        torch.onnx.export(module.eval(), (example,), str(path), **common)
    return path


def check(module: Any, folder: Path, *, dynamo: bool, stepwise: bool = True) -> Any:
    """Export and compile a module; the network computes what ONNX Runtime does of the file."""
    shape = (STEPS, 6) if stepwise else (6,)
    path = exported(module, torch.zeros(2, *shape), folder / "snn.onnx", dynamo=dynamo)
    net = snnc.compile(path)
    x: Array = (2 * np.random.default_rng(8).normal(size=(40, *shape))).astype(np.float32)
    wanted = answers(path, {"x": x})["y"]
    assert len(np.unique(wanted)) > 2
    np.testing.assert_allclose(np.asarray(net.run(x).outputs), wanted, rtol=1e-4, atol=1e-5)
    assert net.timesteps == STEPS
    assert net.graph.of_type(Input)[0].stepwise is stepwise
    return net


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize("neuron", [leaky, hard, euler])
def test_by_hand(tmp_path: Path, neuron: Callable[..., Any], dynamo: bool) -> None:
    check(Unrolled(neuron, neuron), tmp_path, dynamo=dynamo)


@pytest.mark.parametrize("dynamo", EXPORTERS)
def test_a_constant_input(tmp_path: Path, dynamo: bool) -> None:
    check(Unrolled(leaky, hard, stepwise=False), tmp_path, dynamo=dynamo, stepwise=False)


def test_a_module_in_one_line() -> None:
    x = torch.randn(3, STEPS, 6)
    module = Unrolled(leaky, leaky).eval()
    net = snnc.compile(module, x)
    outputs = np.asarray(net.run(x.numpy()).outputs)
    np.testing.assert_allclose(outputs, module(x).detach().numpy(), atol=1e-5)


SNNTORCH: dict[str, dict[str, Any]] = {
    "subtract": {"reset_mechanism": "subtract"},
    "zero": {"reset_mechanism": "zero"},
    "none": {"reset_mechanism": "none"},
    "zero_at_once": {"reset_mechanism": "zero", "reset_delay": False},
}


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize("reset", SNNTORCH)
def test_snntorch_leaky(tmp_path: Path, reset: str, dynamo: bool) -> None:
    if dynamo and reset == "zero_at_once":
        pytest.skip("torch.export does not take it")
    snntorch = pytest.importorskip("snntorch")
    layers = [snntorch.Leaky(beta=0.8, threshold=0.5, **SNNTORCH[reset]) for _ in range(2)]
    check(Unrolled(*layers), tmp_path, dynamo=dynamo)


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize("reset", ["subtract", "none"])
def test_snntorch_synaptic(tmp_path: Path, reset: str, dynamo: bool) -> None:
    snntorch = pytest.importorskip("snntorch")

    class Synaptic(Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = snntorch.Synaptic(
                alpha=0.6, beta=0.8, threshold=0.5, reset_mechanism=reset
            )

        def forward(self, current: Any, state: Any) -> Any:
            spikes, *after = self.inner(current, *(state or (None, None)))
            return spikes, tuple(after)

    check(Unrolled(Synaptic(), Synaptic()), tmp_path, dynamo=dynamo)


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SimpleIFNode", {"v_threshold": 1.0}),
        ("SimpleLIFNode", {"tau": 2.0, "decay_input": True, "v_threshold": 0.2}),
        ("IFNode", {"v_reset": None}),
        ("IFNode", {"v_reset": 0.0}),
        ("LIFNode", {"tau": 2.0, "v_threshold": 0.2}),
        ("LIFNode", {"decay_input": False, "v_reset": None, "v_threshold": 0.5}),
        ("ParametricLIFNode", {"init_tau": 3.0, "v_threshold": 0.2}),
    ],
)
def test_spikingjelly(tmp_path: Path, kind: str, options: dict[str, Any], dynamo: bool) -> None:
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    if not (dynamo or kind.startswith("Simple")):
        pytest.skip("SpikingJelly 2.0.0 has operators of its own, which TorchScript cannot export")

    class Stateful(Module):  # type: ignore[misc]
        """SpikingJelly keeps the membrane itself: it starts anew at the first step."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = getattr(neuron, kind)(**options)

        def forward(self, current: Any, state: Any) -> Any:
            if state is None:
                self.inner.reset()
            return self.inner(current), True

    check(Unrolled(Stateful(), Stateful()), tmp_path, dynamo=dynamo)


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize("recurrent", [False, True])
def test_norse(tmp_path: Path, recurrent: bool, dynamo: bool) -> None:
    norse = pytest.importorskip("norse.torch")
    faster = norse.LIFParameters(v_th=torch.as_tensor(0.2))
    first = norse.LIFRecurrentCell(8, 8, p=faster) if recurrent else norse.LIFCell(p=faster)
    check(Unrolled(first, norse.LIFCell(p=faster)), tmp_path, dynamo=dynamo)
