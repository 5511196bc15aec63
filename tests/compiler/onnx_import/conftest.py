"""Builds small ONNX files and compares imported graphs with ONNX Runtime on the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import ModelProto, numpy_helper

from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.onnx_import import Cut, ImportedModel, load
from snnc.ir import Array, Input
from snnc.ir.reference import evaluate

Build = Callable[..., ModelProto]
Save = Callable[[ModelProto], Path]
Check = Callable[..., ImportedModel]


@pytest.fixture
def build() -> Build:
    return build_model


def build_model(
    nodes: str,
    inputs: str = "float[N,2,7,9] x",
    outputs: str = "float[] y",
    opset: int = 17,
    **weights: Array,
) -> ModelProto:
    """Return a model given the nodes in ONNX's text form and the initializers as arrays."""
    domains = f'"" : {opset}, "custom" : 1, "com.microsoft" : 1, "qonnx.custom_op.general" : 1'
    header = f"<ir_version: {8 if opset < 21 else 10}, opset_import: [{domains}]>"
    text = f"{header} g ({inputs}) => ({outputs}) {{ {nodes} }}"
    model = onnx.parser.parse_model(text)
    for name, value in weights.items():
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    model = onnx.shape_inference.infer_shapes(model)
    for value in model.graph.output:  # the checker wants some shape
        value.type.tensor_type.shape.SetInParent()
    return model


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(model: ModelProto) -> Path:
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return path

    return save


@pytest.fixture
def check(save: Save) -> Check:
    """Import a model; every output must be that of ONNX Runtime, also after export."""

    def check(model: ModelProto, inputs: Mapping[str, Array] | None = None) -> ImportedModel:
        imported = load(save(model))
        feed = inputs or {node.name: samples(node) for node in imported.graph.of_type(Input)}
        wanted = original(model, feed)
        reference = evaluate(imported.graph, feed)
        exported = AnnSession(imported.graph).run(feed)
        for name, source in imported.graph.outputs.items():
            for found in (reference[source], exported[name]):
                assert_close(read_out(found, name, imported.cut), wanted[name])
        return imported

    return check


def original(model: ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run the file itself, as it stands: some releases fuse Pad and AveragePool wrongly."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content, providers = model.SerializeToString(), ["CPUExecutionProvider"]
    session: Any = onnxruntime.InferenceSession(content, options, providers=providers)
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def samples(node: Input) -> Array:
    """Return three samples, reproducible for each shape."""
    rng = np.random.default_rng(len(node.name))
    return rng.normal(size=(3, *node.type.shape)).astype(np.float32)


def assert_close(found: Array, wanted: Array) -> None:
    """Compare within 1e-5 of the largest value: float32 against a reference in float64."""
    assert found.shape == wanted.shape
    if np.array_equal(found, wanted, equal_nan=True):
        return  # also where values are infinite
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def read_out(values: Array, output: str, cut: tuple[Cut, ...]) -> Array:
    """Apply the read-out operators that were cut off."""
    for label in cut:
        if label.output == output:
            values = _READOUTS[label.operator](values)
    return values


def _softmax(values: Array) -> Array:
    exponentials = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


_READOUTS: Mapping[str, Callable[[Array], Array]] = {
    "Softmax": _softmax,
    "LogSoftmax": lambda values: np.log(_softmax(values)),
    "ArgMax": lambda values: values.argmax(1),
}
