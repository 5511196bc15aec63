"""One small function for each ONNX operator.

A handler returns the nodes that compute the operator, the last one under the name of the
tensor; it returns none where the operator hands its only activation on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable

from onnx import NodeProto

from ....ir import Node
from .. import quantized_constants
from ..liveness import domain
from ..operation import Operation
from ..values import Constant, Made
from . import (
    activation,
    arithmetic,
    channels_last,
    linear,
    pooling,
    qlinear,
    qonnx,
    quantized,
    resize,
    shape,
)

Handler = Callable[[Operation], tuple[Node, ...] | Made]

HANDLERS: dict[str, Handler] = {
    "Add": arithmetic.add,
    "AveragePool": pooling.average_pool,
    "BatchNormalization": arithmetic.batch_normalization,
    "Cast": shape.cast,
    "Clip": activation.clip,
    "Concat": channels_last.concat,
    "Conv": linear.conv,
    "ConvInteger": qlinear.conv_integer,
    "DequantizeLinear": quantized.dequantize_linear,
    "DepthToSpace": shape.depth_to_space,
    "Div": arithmetic.divide,
    "Dropout": shape.dropout,
    "Flatten": shape.flatten,
    "Floor": activation.floor,
    "Gemm": linear.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "Identity": shape.identity,
    "LeakyRelu": activation.leaky_relu,
    "MatMul": linear.matmul,
    "MatMulInteger": qlinear.matmul_integer,
    "Max": activation.maximum,
    "MaxPool": pooling.max_pool,
    "Min": activation.minimum,
    "Mul": arithmetic.multiply,
    "Neg": arithmetic.negate,
    "Pad": linear.pad,
    "QLinearConv": qlinear.conv,
    "QLinearMatMul": qlinear.matmul,
    "QuantizeLinear": quantized.quantize_linear,
    "ReduceMean": pooling.reduce_mean,
    "Relu": activation.relu,
    "Reshape": shape.reshape,
    "Resize": resize.resize,
    "Round": activation.nearest,
    "Sigmoid": activation.sigmoid,
    "Squeeze": shape.squeeze,
    "Sub": arithmetic.subtract,
    "Sum": arithmetic.total,
    "Tanh": activation.tanh,
    "Transpose": shape.transpose,
    "Unsqueeze": shape.unsqueeze,
}
"""What converts each standard operator."""

_MICROSOFT: dict[str, Handler] = {
    "DequantizeLinear": quantized.dequantize_linear,
    "QGemm": qlinear.gemm,
    "QLinearAdd": qlinear.add,
    "QLinearAveragePool": qlinear.average_pool,
    "QLinearConcat": qlinear.concat,
    "QLinearGlobalAveragePool": qlinear.global_average_pool,
    "QLinearMul": qlinear.multiply,
    "QLinearReduceMean": qlinear.reduce_mean,
    "QLinearSigmoid": qlinear.sigmoid,
    "QuantizeLinear": quantized.quantize_linear,
}
_CHANNELS_LAST: dict[str, Handler] = {
    "Conv": channels_last.conv,
    "MaxPool": channels_last.max_pool,
}
_QONNX: dict[str, Handler] = {
    "BipolarQuant": qonnx.bipolar_quant,
    "IntQuant": qonnx.quant,
    "Quant": qonnx.quant,
}
CUSTOM_HANDLERS: dict[tuple[str, str], Handler] = {
    **{("com.microsoft", operator): handler for operator, handler in _MICROSOFT.items()},
    **{(channels_last.DOMAIN, name): handler for name, handler in _CHANNELS_LAST.items()},
    **{(home, name): handler for home in qonnx.DOMAINS for name, handler in _QONNX.items()},
}
"""What converts operators of other domains."""

_DEQUANTIZERS = {
    "DequantizeLinear": quantized_constants.dequantize_linear,
    "QuantizeLinear": quantized_constants.quantize_linear,
}
_QONNX_CONSTANTS = {
    "BipolarQuant": qonnx.bipolar_constant,
    "IntQuant": qonnx.quant_constant,
    "Quant": qonnx.quant_constant,
}
CONSTANT_HANDLERS: dict[tuple[str, str], Callable[[Operation], Constant]] = {
    **{(home, n): rule for home in ("", "com.microsoft") for n, rule in _DEQUANTIZERS.items()},
    **{(home, name): rule for home in qonnx.DOMAINS for name, rule in _QONNX_CONSTANTS.items()},
}
"""What computes quantisers of constants, which the standard's own evaluation would round."""

_KEEP = """
    Concat DepthToSpace Dropout Flatten GlobalMaxPool Identity MaxPool Reshape Squeeze Transpose
    Unsqueeze
"""
KEEP_INTEGERS = frozenset(_KEEP.split())
"""Operators that move integers or take the largest: those stand for what they stood for."""


def handler_of(node: NodeProto) -> Handler | None:
    """Return what converts a node, or None where nothing does."""
    home = domain(node)
    return CUSTOM_HANDLERS.get((home, node.op_type)) if home else HANDLERS.get(node.op_type)


_FUNCTIONS = """
    Celu Elu Erf Gelu HardSigmoid HardSwish Mish PRelu Selu Softplus Softsign Swish
    ThresholdedRelu
"""
_RELU = "train the network with Relu, or with Clip for a bounded activation"
_READOUT = "softmax and argmax are left out at the end of a network only; remove it here"
_CELL = (
    "export the recurrent layer as a Scan over the elements, with the quantised cell in its body"
)
_NORM = "train the network with BatchNormalization"

HINTS: dict[str, str] = {
    **dict.fromkeys(_FUNCTIONS.split(), _RELU),
    "Softmax": _READOUT,
    "LogSoftmax": _READOUT,
    "ArgMax": _READOUT,
    **dict.fromkeys(
        ("InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN"), _NORM
    ),
    "Ceil": "round with Floor or Round, and train with that",
    "DynamicQuantizeLinear": "it takes its scale from each sample; quantise the float model "
    "statically, with calibration data (onnxruntime.quantization.quantize_static)",
    "QLinearLeakyRelu": _RELU,
    "Trunc": "round with Quant instead",
    "ConvTranspose": "use a convolution; upsampling is not supported",
    "Loop": f"{_CELL}, if it goes through a sequence",
    "If": "export the model without control flow that depends on its data",
}
"""The way round for operators that users meet often."""

HINT = f"build the network from these operators: {', '.join(sorted(HANDLERS))}"
"""The way round for all others."""
