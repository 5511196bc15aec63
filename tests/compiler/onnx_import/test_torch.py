"""Networks exported by torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from snnc.compiler.onnx_import import ImportedModel, examine
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Affine, AveragePool, Clip, Conv, Linear, MaxPool, Reshape, Staircase

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Check = Callable[..., ImportedModel]
nn: Any = torch.nn


class Classifier(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Convolution, normalization, pooling and layers, flattened by ``flatten``."""

    def __init__(self, flatten: Callable[[Any], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(2)
        self.flatten = flatten
        self.dropout = nn.Dropout()
        self.fc = nn.Linear(4 * 4 * 4, 10)

    def forward(self, x: Any) -> Any:
        x = self.pool(torch.relu(self.norm(self.conv(x))))
        return torch.softmax(self.fc(self.dropout(self.flatten(x))), dim=1)


class Residual(nn.Module):  # type: ignore[misc]
    """Two residual blocks, one with a convolution in its shortcut, and a global mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = self.block(3, 8, 2), self.block(8, 8, 1)
        self.shortcut = nn.Conv2d(3, 8, 1, stride=2, bias=False)
        self.fc = nn.Linear(8, 5)

    def block(self, channels: int, out: int, stride: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU6(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.first(x) + self.shortcut(x))
        x = torch.relu(self.second(x) + x)
        return self.fc(x.mean((2, 3)))


FLATTENS: dict[str, Callable[[Any], Any]] = {
    "flatten": lambda x: torch.flatten(x, 1),
    "view": lambda x: x.view(x.size(0), -1),
    "view-open": lambda x: x.view(-1, 4 * 4 * 4),
    "reshape": lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]),
}


def export(model: Any, x: Any, path: Path, **options: Any) -> onnx.ModelProto:
    """Export a model in evaluation mode, with trained-looking statistics."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters warn about themselves
        torch.onnx.export(model.eval(), (x,), str(path), input_names=["x"], **options)
    return onnx.load(path)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("folding", [True, False])
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("flatten", FLATTENS.values(), ids=FLATTENS.keys())
def test_classifier(
    check: Check, tmp_path: Path, flatten: Callable[[Any], Any], dynamic: bool, folding: bool
) -> None:
    model = export(
        Classifier(flatten),
        torch.zeros(3, 1, 16, 16),
        tmp_path / "torch.onnx",
        dynamic_axes={"x": {0: "batch"}} if dynamic else None,
        do_constant_folding=folding,
        training=torch.onnx.TrainingMode.EVAL,
        dynamo=False,
    )
    imported = check(model)
    kinds = [type(node) for node in imported.graph if node.inputs]
    assert [kind for kind in kinds if kind is not Affine] == [Conv, Clip, MaxPool, Reshape, Linear]
    assert [cut.operator for cut in imported.cut] == ["Softmax"]


def test_a_batch_size_written_into_the_file_is_refused(tmp_path: Path) -> None:
    model = Classifier(lambda x: x.reshape(len(x), -1))  # len(x) is a number to the exporter
    path = tmp_path / "torch.onnx"
    export(model, torch.zeros(3, 1, 16, 16), path, dynamic_axes={"x": {0: "b"}}, dynamo=False)
    (entry,) = examine(path).unsupported
    assert entry.reason == "its target shape [3, -1] does not begin with the batch"


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 18])
def test_residual_network(check: Check, tmp_path: Path, opset: int) -> None:
    model = export(
        Residual(),
        torch.zeros(3, 3, 8, 8),
        tmp_path / "torch.onnx",
        dynamic_axes={"x": {0: "batch"}},
        opset_version=opset,
        dynamo=False,
    )
    imported = check(model)
    assert len(imported.graph.of_type(AveragePool)) == 1
    assert {node.high for node in imported.graph.of_type(Clip)} == {6.0, np.inf}


LAYERS = {
    "padded mean": lambda: nn.AvgPool2d(3, 2, padding=1),
    "padded mean not counted": lambda: nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    "zero padding": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 2, 1)), nn.Conv2d(2, 3, 3)),
    "same": lambda: nn.Conv2d(2, 3, 4, padding="same"),
    "hardtanh": lambda: nn.Hardtanh(-0.5, 1.5),
    "adaptive": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "depthwise": lambda: nn.Conv2d(2, 4, 3, groups=2, dilation=2),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_layers(check: Check, tmp_path: Path, layer: Callable[[], Any]) -> None:
    axes = {"x": {0: "batch"}}
    x = torch.zeros(3, 2, 9, 9)
    check(export(layer(), x, tmp_path / "torch.onnx", dynamic_axes=axes, dynamo=False))


class Levels(nn.Module):  # type: ignore[misc]
    """The activation of QCFS with a trained bound, as its authors write it or straight-through."""

    def __init__(self, bound: Any, straight: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.bound = nn.Parameter(torch.tensor(bound))
        self.straight = straight

    def forward(self, x: Any) -> Any:
        x = torch.clamp(self.norm(self.conv(x)) / self.bound, 0, 1) * 8 + 0.5
        whole = x + (x.floor() - x).detach() if self.straight else torch.floor(x)
        return whole / 8 * self.bound


@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize("bound", [1.3, [[[0.7]], [[1.3]], [[2.1]]]], ids=["one", "each"])
def test_levels(check: Check, tmp_path: Path, bound: Any, straight: bool) -> None:
    x = torch.zeros(3, 2, 9, 9)
    axes = {"x": {0: "batch"}}
    model = export(
        Levels(bound, straight), x, tmp_path / "torch.onnx", dynamic_axes=axes, dynamo=False
    )
    graph = run_passes(check(model).graph, SIMPLIFY)
    (node,) = graph.of_type(Staircase)
    assert [type(n).__name__ for n in graph] == ["Input", "Conv", "Staircase"]
    assert (node.low, node.high, node.offset) == (0, 8, 0.5)
    np.testing.assert_allclose(8 * node.step, bound, rtol=1e-6)


@pytest.mark.skipif(find_spec("onnxscript") is None, reason="the new exporter needs onnxscript")
@pytest.mark.parametrize("module", [lambda: Classifier(FLATTENS["view"]), Residual])
def test_new_exporter(check: Check, tmp_path: Path, module: Callable[[], Any]) -> None:
    model = module()
    x = torch.zeros(3, 3 if isinstance(model, Residual) else 1, *(2 * [16]))
    batch = {"x": {0: torch.export.Dim("batch")}}
    check(export(model, x, tmp_path / "torch.onnx", dynamo=True, dynamic_shapes=batch))
