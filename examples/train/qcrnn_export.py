"""A quantised CRNN as an ONNX model: QDQ operators, the recurrent part in the body of a Scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

OPSET = 21
"""The first opset whose QuantizeLinear knows 4-bit integers."""
IR_VERSION = 10
PIXEL = 1 / 255
"""Step of the input."""

Weights = Mapping[str, tuple[np.ndarray[Any, Any], float]]
"""For each layer its int8 weight and the step of that weight."""


@dataclass(frozen=True)
class Step:
    """A quantiser.

    Attributes:
        size: Distance of two levels.
        bits: 4 or 8.
        function: ``relu`` is an unsigned quantiser, ``tanh`` a signed one behind a Tanh.
    """

    size: float
    bits: int
    function: str

    @property
    def type(self) -> int:
        """The ONNX type of its integers, whose range is that of the levels."""
        kinds = {4: (TensorProto.UINT4, TensorProto.INT4), 8: (TensorProto.UINT8, TensorProto.INT8)}
        if self.bits not in kinds:
            raise ValueError(f"no ONNX integers of {self.bits} bits: take 4 or 8")
        return int(kinds[self.bits][self.function == "tanh"])


class _Writer:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def zero(self, name: str, type: int) -> str:
        self.constants.append(helper.make_tensor(name, type, [], [0]))
        return name

    def weight(self, name: str, values: np.ndarray[Any, Any], step: float) -> str:
        integers = self.constant(f"{name}.integers", values, np.int8)
        scale = self.constant(f"{name}.step", step)
        return self.add("DequantizeLinear", [integers, scale], f"{name}.weight")

    def bias(self, name: str, values: np.ndarray[Any, Any], unit: float) -> str:
        """Write a bias as whole units of the sums it is added to."""
        integers = self.constant(f"{name}.bias.integers", np.rint(values / unit), np.int32)
        scale = self.constant(f"{name}.bias.unit", unit)
        return self.add("DequantizeLinear", [integers, scale], f"{name}.bias")

    def quantised(self, source: str, output: str, step: float, type: int) -> str:
        scale, zero = self.constant(f"{output}.step", step), self.zero(f"{output}.zero", type)
        integers = self.add("QuantizeLinear", [source, scale, zero], f"{output}.integers")
        return self.add("DequantizeLinear", [integers, scale, zero], output)


def to_onnx(
    *,
    elements: int,
    width: int,
    stride: int,
    weights: Weights,
    biases: Mapping[str, np.ndarray[Any, Any]],
    seen: Step,
    state: Step,
) -> onnx.ModelProto:
    """Return the model: input ``x`` ``(batch, elements, 1, 1, width)``, output ``logits``.

    Args:
        elements: Length of a sequence.
        width: Pixels of an element, which are multiples of 1 / 255.
        stride: Step of the convolution.
        weights: Of ``convolution``, ``inner``, ``recurrent`` and ``head``.
        biases: Of all of them but ``recurrent``.
        seen: Quantiser behind the convolution.
        state: Quantiser of the state.
    """
    hidden = len(weights["recurrent"][0])
    outer = _Writer()
    inputs = {"convolution": PIXEL, "inner": seen.size, "recurrent": state.size, "head": state.size}
    for name, (values, step) in weights.items():
        outer.weight(name, values, step)
        if name in biases:
            outer.bias(name, biases[name], step * inputs[name])
    batch = outer.add("Shape", ["x"], "batch", start=0, end=1)
    size = outer.add(
        "Concat", [batch, outer.constant("hidden", [hidden], np.int64)], "size", axis=0
    )
    zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    outer.add("ConstantOfShape", [size], "rest", value=zero)
    outer.add(
        "Scan",
        ["rest", "x"],
        "last",
        body=_cell(width, stride, hidden, weights["convolution"][0], seen, state),
        num_scan_inputs=1,
        scan_input_axes=[1],
    )
    outer.add(
        "Gemm",
        ["last", "head.weight", "head.bias"],
        "logits",
        transB=1,
    )
    graph = helper.make_graph(
        outer.nodes,
        "qcrnn",
        [_info("x", ["batch", elements, 1, 1, width])],
        [_info("logits", ["batch", len(biases["head"])])],
        outer.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def _cell(
    width: int,
    stride: int,
    hidden: int,
    kernel: np.ndarray[Any, Any],
    seen: Step,
    state: Step,
) -> onnx.GraphProto:
    """Return the body: state before and one element in, state after out."""
    to = _Writer()
    to.quantised("element", "pixels", PIXEL, TensorProto.UINT8)
    to.add(
        "Conv",
        ["pixels", "convolution.weight", "convolution.bias"],
        "convolution",
        strides=[1, stride],
        pads=[0, kernel.shape[3] // 2] * 2,
    )
    to.quantised("convolution", "seen", seen.size, seen.type)
    to.add("Flatten", ["seen"], "flat")
    to.add(
        "Gemm",
        ["flat", "inner.weight", "inner.bias"],
        "inner",
        transB=1,
    )
    to.add("Gemm", ["before", "recurrent.weight"], "recurrent", transB=1)
    drive = to.add("Add", ["inner", "recurrent"], "drive")
    if state.function == "tanh":
        drive = to.add("Tanh", [drive], "tanh")
    to.quantised(drive, "after", state.size, state.type)
    return helper.make_graph(
        to.nodes,
        "cell",
        [_info("before", ["batch", hidden]), _info("element", ["batch", 1, 1, width])],
        [_info("after", ["batch", hidden])],
        to.constants,
    )


def _info(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
