"""Types of tensors that unsupported nodes compute, so that a walk can go on behind them."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import (
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    helper,
    numpy_helper,
    shape_inference,
)

from ...ir import Array, TensorType
from ...ir.extent import MOST_ELEMENTS
from .light import without_weights
from .shapes import infer_shapes

MOST_SMALL = 1024
"""Numbers of a constant that shapes may depend on."""


def inferred_types(
    proto: ModelProto, batch: int | None, *, unbatched: bool = False
) -> Mapping[str, TensorType]:
    """Return what onnx can say about the activations of a model.

    Args:
        proto: The model.
        batch: The batch size it is fixed to, or None where it is symbolic.
        unbatched: Whether tensors have no batch axis: nothing is said of them then.

    Returns:
        The types of those float tensors whose first axis is the batch and whose other sizes
        are known.
    """
    if unbatched:
        return {}
    try:
        graph = infer_shapes(without_weights(proto)).graph
    except Exception:  # of any class; without types less can be said, but nothing wrong
        return {}
    values = (*graph.value_info, *graph.output)
    types = {value.name: _activation(value.type, batch) for value in values}
    return {name: type for name, type in types.items() if type}


def types_behind(
    node: NodeProto,
    opset: int,
    inputs: Mapping[str, TensorType | Array],
    batch: int | None,
) -> Mapping[str, TensorType]:
    """Return what onnx can say about the outputs of one node.

    Args:
        node: A node of a standard operator.
        opset: Version of the standard operators.
        inputs: For each input its type, or its value where it is constant.
        batch: The batch size the model is fixed to, or None where it is symbolic.
    """
    leading = "N" if batch is None else batch
    types = {
        name: helper.make_tensor_type_proto(
            *(
                (TensorProto.FLOAT, (leading, *value.shape))
                if isinstance(value, TensorType)
                else (helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            )
        )
        for name, value in inputs.items()
    }
    small = {
        name: numpy_helper.from_array(value, name)
        for name, value in inputs.items()
        if not isinstance(value, TensorType) and value.size <= MOST_SMALL
    }
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
        opsets = [helper.make_opsetid("", opset)]
        found = shape_inference.infer_node_outputs(schema, node, types, small, None, opsets)
    except Exception:  # of any class, as above
        return {}
    known = {name: _activation(type, batch) for name, type in found.items()}
    return {name: type for name, type in known.items() if type}


def _activation(type: TypeProto, batch: int | None) -> TensorType | None:
    tensor = type.tensor_type
    dims = tensor.shape.dim
    if tensor.elem_type != TensorProto.FLOAT or len(dims) < 2:
        return None
    if (dims[0].dim_value or None) != batch or any(dim.dim_value < 1 for dim in dims[1:]):
        return None
    found = TensorType(tuple(dim.dim_value for dim in dims[1:]))
    return found if found.size <= MOST_ELEMENTS else None
