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
    fused,
    gathering,
    linear,
    pooling,
    qlinear,
    qonnx,
    quantized,
    reductions,
    resize,
    shape,
    smooth,
    transposed,
)
from .planes import on_lines

Handler = Callable[[Operation], tuple[Node, ...] | Made]

HANDLERS: dict[str, Handler] = {
    "Abs": activation.absolute,
    "Add": arithmetic.add,
    "AveragePool": on_lines(pooling.average_pool),
    "BatchNormalization": arithmetic.batch_normalization,
    "Cast": shape.cast,
    "CastLike": shape.cast_like,
    "Celu": smooth.celu,
    "Clip": activation.clip,
    "Concat": channels_last.concat,
    "Conv": on_lines(linear.conv),
    "ConvTranspose": on_lines(transposed.conv_transpose),
    "ConvInteger": qlinear.conv_integer,
    "DequantizeLinear": quantized.dequantize_linear,
    "DepthToSpace": shape.depth_to_space,
    "Div": arithmetic.divide,
    "Dropout": shape.dropout,
    "Flatten": shape.flatten,
    "Elu": smooth.elu,
    "Erf": smooth.erf,
    "Expand": gathering.expand,
    "Floor": activation.floor,
    "Gather": gathering.gather,
    "Gelu": smooth.gelu,
    "Gemm": linear.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "HardSigmoid": smooth.hard_sigmoid,
    "HardSwish": smooth.hard_swish,
    "Identity": shape.identity,
    "LeakyRelu": smooth.leaky_relu,
    "MatMul": linear.matmul,
    "MatMulInteger": qlinear.matmul_integer,
    "Max": activation.maximum,
    "MaxPool": on_lines(pooling.max_pool),
    "Min": activation.minimum,
    "Mish": smooth.mish,
    "Mul": arithmetic.multiply,
    "Neg": arithmetic.negate,
    "PRelu": smooth.prelu,
    "Pad": linear.pad,
    "QLinearConv": qlinear.conv,
    "QLinearMatMul": qlinear.matmul,
    "QuantizeLinear": quantized.quantize_linear,
    "Pow": arithmetic.power,
    "ReduceMax": reductions.reduce_max,
    "ReduceMean": reductions.reduce_mean,
    "ReduceMin": reductions.reduce_min,
    "ReduceSum": reductions.reduce_sum,
    "Relu": activation.relu,
    "Reshape": shape.reshape,
    "Resize": resize.resize,
    "Round": activation.nearest,
    "Selu": smooth.selu,
    "Sigmoid": smooth.sigmoid,
    "Slice": gathering.slice_,
    "Softplus": smooth.softplus,
    "Softsign": smooth.softsign,
    "SpaceToDepth": gathering.space_to_depth,
    "Squeeze": shape.squeeze,
    "Sub": arithmetic.subtract,
    "Sum": arithmetic.total,
    "Swish": smooth.swish,
    "Tanh": smooth.tanh,
    "Tile": gathering.tile,
    "Transpose": shape.transpose,
    "Unsqueeze": shape.unsqueeze,
    "Upsample": resize.resize,
    "Where": arithmetic.where,
}
"""What converts each standard operator."""

_MICROSOFT: dict[str, Handler] = {
    "FusedConv": fused.conv,
    "FusedGemm": fused.gemm,
    "FusedMatMul": fused.matmul,
    "Gelu": smooth.gelu,
    "QuickGelu": smooth.swish,
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
    Concat DepthToSpace Dropout Expand Flatten Gather GlobalMaxPool Identity MaxPool Reshape Slice
    SpaceToDepth Split Squeeze Tile Transpose Unsqueeze
"""
KEEP_INTEGERS = frozenset(_KEEP.split())
"""Operators that move integers or take the largest: those stand for what they stood for."""


def handler_of(node: NodeProto) -> Handler | None:
    """Return what converts a node, or None where nothing does."""
    home = domain(node)
    return CUSTOM_HANDLERS.get((home, node.op_type)) if home else HANDLERS.get(node.op_type)


_FUNCTIONS = "ThresholdedRelu Exp Log Sqrt Sin Cos Sign"
_RELU = "train the network with Relu, or with Clip for a bounded activation"
_READOUT = "softmax and argmax are left out at the end of a network only; remove it here"
_DYNAMIC = (
    "it takes its scale from each sample: give snnc the float model with --quantize 8 and "
    "--calibration, or quantise that statically (onnxruntime.quantization.quantize_static)"
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
    **dict.fromkeys(
        ("DynamicQuantizeLinear", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul"), _DYNAMIC
    ),
    "QLinearLeakyRelu": _RELU,
    "Trunc": "round with Quant instead",
}
"""The way round for operators that users meet often."""

HINT = f"build the network from these operators: {', '.join(sorted(HANDLERS))}"
"""The way round for all others."""
