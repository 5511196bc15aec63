"""Writes a network with quantisers as standard ONNX: QuantizeLinear and DequantizeLinear.

The file holds integers. A weight is an integer tensor behind a DequantizeLinear with one scale for
each output channel, a bias is int32 in units of input scale times weight scale, an activation
passes QuantizeLinear and DequantizeLinear. Batch normalisation is in the scales and the bias: it
multiplies a channel by one number, so the integers stay what was trained.

Weights have the smallest type that holds their levels: int4 (opset 21) up to 4 bits, else int8.
Activations have uint4 where they have all its levels, else uint8. Where the levels end before the
type does, as 0 to 3 in uint8, a Clip at the last level stands in front of QuantizeLinear. The bound
divided by the scale rounds to that level again, so the levels are exactly those trained. (The Clip
is not combined with uint4: ONNX Runtime 1.31 refuses that pair when it optimises the graph.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn

from examples.train.quantizers import QuantizedConv, QuantizedLinear, Quantizer

OPSET = 21
TYPES: dict[int, tuple[int, int]] = {
    TensorProto.INT4: (-8, 7),
    TensorProto.UINT4: (0, 15),
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT8: (0, 255),
}
"""The levels of each type, smallest type first."""


class Writer:
    """Collects the nodes of one model. Methods return the name of what they compute.

    Attributes:
        scale: For each quantised tensor's name, its scale.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self.scale: dict[str, float] = {}

    def node(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        """One operator; its output has its name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[Any], type: int) -> str:
        """One initialiser of an ONNX type."""
        flat = values.flatten().tolist()
        self.constants.append(helper.make_tensor(name, type, values.shape, flat))
        return name

    def quantize(self, name: str, x: str, quantizer: Quantizer) -> str:
        """QuantizeLinear and DequantizeLinear, with a Clip in front if levels end early.

        Args:
            name: The name of the dequantised tensor.
            x: What is quantised.
            quantizer: Its levels begin at 0.
        """
        low, high = quantizer.low, quantizer.high
        exact = [kind for kind, bounds in TYPES.items() if bounds == (low, high)]
        type = exact[0] if exact else TensorProto.UINT8
        step = np.asarray(float(quantizer.step.detach()))
        scale = self.constant(f"{name}.scale", step, TensorProto.FLOAT)
        zero = self.constant(f"{name}.zero", np.zeros((), np.int64), type)
        if TYPES[type] != (low, high):
            bounds = [
                self.constant(f"{name}.{key}", level * step, TensorProto.FLOAT)
                for key, level in (("low", low), ("high", high))
            ]
            x = self.node("Clip", f"{name}.clip", x, *bounds)
        whole = self.node("QuantizeLinear", f"{name}.quantized", x, scale, zero)
        self.scale[name] = float(step)
        return self.node("DequantizeLinear", name, whole, scale, zero)

    def weighted(
        self,
        name: str,
        x: str,
        layer: QuantizedConv | QuantizedLinear,
        norm: nn.BatchNorm2d | None = None,
    ) -> str:
        """A convolution or matrix product, with the batch normalisation behind it if any.

        Raises:
            KeyError: What it reads is not quantised.
        """
        levels, scale, shift = folded(layer, norm)
        bias_scale = scale * self.scale[x]
        shape = [-1] + [1] * (levels.ndim - 1)
        kind = smallest_type(-layer.weights.high, layer.weights.high)
        signs = np.sign(scale)  # a normalisation may turn a channel round; scales are above 0
        weight = self.dequantized(
            f"{name}.weight", levels * signs.reshape(shape), np.abs(scale), kind
        )
        whole = np.rint(shift / np.abs(bias_scale))
        bias = self.dequantized(f"{name}.bias", whole, np.abs(bias_scale), TensorProto.INT32)
        if isinstance(layer, QuantizedLinear):
            return self.node("Gemm", name, x, weight, bias, transB=1)
        return self.node(
            "Conv",
            name,
            x,
            weight,
            bias,
            kernel_shape=layer.kernel_size,
            strides=layer.stride,
            pads=[int(side) for side in layer.padding] * 2,
        )

    def flatten(self, name: str, x: str) -> str:
        """All numbers of a sample in a row."""
        self.scale[name] = self.scale[x]
        return self.node("Flatten", name, x)

    def dequantized(self, name: str, levels: NDArray[Any], scale: NDArray[Any], type: int) -> str:
        """A constant in integers, each row with its scale, behind DequantizeLinear."""
        whole = self.constant(f"{name}.quantized", levels.astype(np.int64), type)
        factor = self.constant(f"{name}.scale", scale, TensorProto.FLOAT)
        return self.node("DequantizeLinear", name, whole, factor, axis=0)

    def write(self, path: Path, shape: tuple[int, ...]) -> None:
        """Writes the file; what the last node computes is the output ``logits``.

        Args:
            path: The file; its folder is made.
            shape: Of one sample of the input ``x``.
        """
        self.nodes[-1].output[0] = "logits"
        graph = helper.make_graph(
            self.nodes,
            "quantised",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
            self.constants,
        )
        # The version of the format that came with the opset, so that older readers take it.
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
        )
        onnx.checker.check_model(proto, full_check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(proto, path)


def smallest_type(low: int, high: int) -> int:
    """The ONNX type for levels from `low` to `high`."""
    return next(kind for kind, (a, b) in TYPES.items() if a <= low and high <= b)


def folded(
    layer: QuantizedConv | QuantizedLinear, norm: nn.BatchNorm2d | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The weights in steps, the scale of each output channel, and what is added to it.

    A channel that the normalisation multiplies by 0 has weights of 0.
    """
    with torch.no_grad():
        levels = layer.weights.levels(layer.weight).double()
        scale: Tensor = layer.weights.step.double()
        bias = torch.zeros_like(scale) if layer.bias is None else layer.bias.double()
        if norm is not None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
            levels = levels * (factor != 0).double().reshape(-1, 1, 1, 1)
            scale = scale * torch.where(factor == 0, 1, factor)
            bias = norm.bias.double() + factor * (bias - norm.running_mean.double())
        return levels.numpy(), scale.numpy(), bias.numpy()
