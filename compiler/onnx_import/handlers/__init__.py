"""One small function for each ONNX operator.

A handler returns the nodes that compute the operator, the last one under the name of the
tensor; it returns none where the operator hands its only activation on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable

from ....ir import Node
from ..operation import Operation
from . import activation, arithmetic, linear, pooling, shape

Handler = Callable[[Operation], tuple[Node, ...]]

HANDLERS: dict[str, Handler] = {
    "Add": arithmetic.add,
    "AveragePool": pooling.average_pool,
    "BatchNormalization": arithmetic.batch_normalization,
    "Cast": shape.cast,
    "Clip": activation.clip,
    "Conv": linear.conv,
    "Div": arithmetic.divide,
    "Dropout": shape.dropout,
    "Flatten": shape.flatten,
    "Floor": activation.floor,
    "Gemm": linear.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "Identity": shape.identity,
    "MatMul": linear.matmul,
    "Max": activation.maximum,
    "MaxPool": pooling.max_pool,
    "Min": activation.minimum,
    "Mul": arithmetic.multiply,
    "Neg": arithmetic.negate,
    "Pad": linear.pad,
    "ReduceMean": pooling.reduce_mean,
    "Relu": activation.relu,
    "Reshape": shape.reshape,
    "Round": activation.nearest,
    "Squeeze": shape.squeeze,
    "Sub": arithmetic.subtract,
    "Sum": arithmetic.total,
    "Transpose": shape.transpose,
    "Unsqueeze": shape.unsqueeze,
}
"""What converts each operator."""

_FUNCTIONS = """
    Celu Elu Erf Gelu HardSigmoid HardSwish LeakyRelu Mish PRelu Selu Softplus Softsign Swish Tanh
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
    "Sigmoid": f"{_RELU}; leave a last Sigmoid out, it does not change which output is largest",
    "Softmax": _READOUT,
    "LogSoftmax": _READOUT,
    "ArgMax": _READOUT,
    **dict.fromkeys(
        ("InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN"), _NORM
    ),
    "Ceil": "round with Floor or Round, and train with that",
    "Concat": "add the branches instead of concatenating them",
    "ConvTranspose": "use a convolution; upsampling is not supported",
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _CELL),
    "Loop": f"{_CELL}, if it goes through a sequence",
    "If": "export the model without control flow that depends on its data",
}
"""The way round for operators that users meet often."""

HINT = f"build the network from these operators: {', '.join(sorted(HANDLERS))}"
"""The way round for all others."""
