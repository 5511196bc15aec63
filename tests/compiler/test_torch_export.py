"""``snnc.compile`` of a torch module."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.compiler import torch_export
from snnc.ir import Array
from snnc.ir.errors import MissingDependencyError, ModelError, OptionError, UnsupportedOperatorError

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

Module: Any = torch.nn.Module if torch else object
nn: Any = torch.nn if torch else None

needs_torch = pytest.mark.skipif(torch is None, reason="needs the extra torch")


def network() -> Any:
    """A small network, in evaluation mode."""
    torch.manual_seed(0)
    layers = (
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(), nn.Linear(64, 5)),
    )
    return nn.Sequential(*layers).eval()


def images(count: int = 2) -> Array:
    return np.random.default_rng(0).uniform(size=(count, 1, 8, 8)).astype(np.float32)


class Twice(Module):  # type: ignore[misc]  # torch has no types here
    """Two inputs, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, left: Any, right: Any) -> Any:
        joined = torch.relu(self.first(left)) + torch.relu(self.second(right))
        return {"sum": joined, "left": self.first(left)}


class Wrong(Module):  # type: ignore[misc]
    """A linear layer, and whatever spoils the trace."""

    def __init__(self, spoiled: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.linear, self.spoiled, self.calls = nn.Linear(4, 4), spoiled, 0

    def forward(self, x: Any) -> Any:
        return self.spoiled(self, self.linear(x))


def by_value(module: Any, x: Any) -> Any:
    return x if x.sum() > 1e6 else -x * x[0, 0].item()


def by_batch(module: Any, x: Any) -> Any:
    return x.reshape(1, len(x) * 4)


def by_state(module: Any, x: Any) -> Any:
    module.calls += 1
    return x * module.calls


@pytest.mark.torch
@needs_torch
@pytest.mark.parametrize("count", [1, 2])
def test_one_line(count: int) -> None:
    model = network()
    net = snnc.compile(model, torch.as_tensor(images(count)), calibration=images(64), timesteps=32)
    with torch.no_grad():
        wanted = model(torch.as_tensor(images(9))).numpy()
    found = net.run(images(9)).outputs
    assert isinstance(found, np.ndarray)
    assert np.linalg.norm(found - wanted) < 0.1 * np.linalg.norm(wanted)
    assert net.artifact.manifest["model"]["file"] == "Sequential.onnx"


@pytest.mark.torch
@needs_torch
def test_the_module_stays_as_it_was() -> None:
    model = network()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = copy.deepcopy(model.state_dict())
    snnc.compile(model, images(), calibration=images(8))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert model[0].weight.requires_grad
    assert not any(part.training for part in model.modules())


@pytest.mark.torch
@needs_torch
def test_several_inputs_and_outputs() -> None:
    rng = np.random.default_rng(0)
    data = {"left": rng.normal(size=(8, 3)), "right": rng.normal(size=(8, 2))}
    data = {name: x.astype(np.float32) for name, x in data.items()}
    example = tuple(torch.as_tensor(x[:2]) for x in data.values())
    net = snnc.compile(Twice().eval(), example, calibration=data)
    outputs = net.run(data).outputs
    assert isinstance(outputs, dict)
    assert set(outputs) == {"sum", "left_output"}


@pytest.mark.torch
@needs_torch
def test_training_mode_is_refused() -> None:
    model = network()
    model[5].train()
    with pytest.raises(ModelError, match=r"training mode \('5'\)"):
        snnc.compile(model, images())


@pytest.mark.torch
@needs_torch
@pytest.mark.parametrize("spoiled", [by_value, by_batch])
def test_what_a_trace_loses_is_noticed(spoiled: Callable[[Any, Any], Any]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4)
    with pytest.raises(ModelError, match=r"Wrong: .*(exported file|in the file)") as raised:
        snnc.compile(Wrong(spoiled).eval(), x)
    assert "state" in raised.value.hint


@pytest.mark.torch
@needs_torch
def test_state_is_noticed() -> None:
    model = Wrong(by_state).eval()
    with pytest.raises(ModelError, match="keeps state"):
        snnc.compile(model, torch.randn(2, 4))
    assert model.calls == 0


@pytest.mark.torch
@needs_torch
def test_a_failing_export_is_said() -> None:
    def fails(module: Any, x: Any) -> Any:
        return torch.linalg.eigvals(torch.diag(x[0])).real[None] * x

    with pytest.raises(ModelError, match="cannot export"):
        snnc.compile(Wrong(fails).eval(), torch.randn(2, 4))


@pytest.mark.torch
@needs_torch
def test_a_failing_module_is_said() -> None:
    with pytest.raises(ModelError, match="cannot be copied and run"):
        snnc.compile(network(), torch.zeros(2, 3, 8, 8))


@pytest.mark.torch
@needs_torch
def test_unsupported_operators_are_named() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Hardshrink()).eval()
    with pytest.raises(UnsupportedOperatorError):
        snnc.compile(model, torch.randn(2, 3))


@pytest.mark.torch
@needs_torch
@pytest.mark.parametrize("example", [None, 3.0, np.zeros(4, np.float32), ()])
def test_an_example_is_needed(example: Any) -> None:
    with pytest.raises(OptionError, match=r"example input"):
        snnc.compile(network(), example)


@pytest.mark.torch
@needs_torch
def test_something_else_is_refused() -> None:
    with pytest.raises(OptionError, match="neither a path nor a torch module"):
        snnc.compile([1, 2], images())  # type: ignore[arg-type]


def test_a_file_needs_no_example(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="needs none"):
        snnc.compile(tmp_path / "model.onnx", images())


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match="needs torch"), torch_export.as_file(3, None):
        pass


def test_compiling_a_file_does_not_load_torch() -> None:
    model = Path(snnc.__file__).parent / "compiler/demo/lenet5.onnx"
    code = (
        f"import sys, snnc; snnc.compile({str(model)!r}, timesteps=1); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
