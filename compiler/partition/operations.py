"""Multiply-accumulates of ONNX nodes, for one sample: what a share of operations is a share of."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import prod

from onnx import ModelProto, NodeProto, TypeProto, helper

from ..onnx_import.light import without_weights
from ..onnx_import.shapes import infer_shapes

CONVOLUTIONS = {"Conv", "ConvInteger", "FusedConv", "NhwcConv", "QLinearConv"}
TRANSPOSED = {"ConvTranspose"}
PRODUCTS = {"FusedGemm", "FusedMatMul", "Gemm", "MatMul", "MatMulInteger"}
QUANTISED_PRODUCTS = {"QGemm", "QLinearMatMul"}
RECURRENT = {"GRU": 3, "LSTM": 4, "RNN": 1}
"""Recurrent operators, and how many gates each has."""

WEIGHTED = {*CONVOLUTIONS, *TRANSPOSED, *PRODUCTS, *QUANTISED_PRODUCTS, *RECURRENT, "Scan"}
"""Operators that multiply by weights where these are constant."""

_QLINEAR = {"QGemm", "QLinearConv", "QLinearMatMul"}
"""Operators whose inputs alternate with scales and zero points."""

Types = Mapping[str, TypeProto.Tensor]


def tensor_types(proto: ModelProto, batch: int) -> Types:
    """Return what onnx can say about the tensors of a model, for a batch of some samples."""
    light = without_weights(proto)
    constants = {tensor.name for tensor in proto.graph.initializer}
    for value in light.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in constants and dims and not dims[0].dim_value:
            dims[0].dim_value = batch
    del light.graph.value_info[:]  # they may name the batch size
    for value in light.graph.output:
        value.type.tensor_type.ClearField("shape")
    with suppress(Exception):  # of any class; what is not known is not counted, and said
        light = infer_shapes(light)
    values = (*light.graph.input, *light.graph.value_info, *light.graph.output)
    found = {value.name: value.type.tensor_type for value in values}
    for tensor in proto.graph.initializer:
        type = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        found[tensor.name] = type.tensor_type
    return found


def multiplies(node: NodeProto) -> bool:
    """Whether a node is one whose multiply-accumulates count: a convolution or a matrix product."""
    return node.op_type in WEIGHTED - {"Scan"}


def weights_of(node: NodeProto) -> str:
    """Return the name of the tensor that holds the weights of a convolution or a product."""
    place = 3 if node.op_type in _QLINEAR else 1
    return node.input[place] if len(node.input) > place else ""


def macs(node: NodeProto, shapes: Mapping[str, tuple[int, ...] | None]) -> int | None:
    """Return the multiply-accumulates of a node, or None where shapes are not known.

    Args:
        node: The node.
        shapes: Of the tensors, for a batch of one sample.
    """
    if not multiplies(node):
        return 0
    source, weights, result = (
        shapes.get(name) for name in (node.input[0], weights_of(node), node.output[0])
    )
    if not source or not weights:
        return None
    if node.op_type in RECURRENT:
        steps = source[1] if _integer(node, "layout") else source[0]
        return steps * prod(weights[:-1]) * (weights[-1] + weights[-2] // RECURRENT[node.op_type])
    if node.op_type in TRANSPOSED:
        return prod(source) * prod(weights[1:])
    if not result:
        return None
    if node.op_type in CONVOLUTIONS:
        return prod(result) * prod(weights[1:])
    inner = source[0] if _integer(node, "transA") and len(source) == 2 else source[-1]
    return prod(result) * inner


def shape_of(type: TypeProto.Tensor | None) -> tuple[int, ...] | None:
    """Return a shape, or None where a size is not known."""
    if type is None or not type.HasField("shape"):
        return None
    if any(not dim.HasField("dim_value") for dim in type.shape.dim):
        return None
    return tuple(int(dim.dim_value) for dim in type.shape.dim)


def _integer(node: NodeProto, name: str) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), 0)
