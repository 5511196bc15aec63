"""Types of tensors that unsupported nodes compute, so that a walk can go on behind them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from onnx import ModelProto, TensorProto, TypeProto, shape_inference

from ...ir import TensorType
from .light import without_weights


def inferred_types(proto: ModelProto, batch: int | None) -> Mapping[str, TensorType]:
    """Return what onnx can say about the activations of a model.

    Args:
        proto: The model.
        batch: The batch size it is fixed to, or None where it is symbolic.

    Returns:
        The types of those float tensors whose first axis is the batch and whose other sizes
        are known.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = shape_inference.infer_shapes(without_weights(proto), data_prop=True).graph
    except Exception:  # of any class; without types less can be said, but nothing wrong
        return {}
    values = (*graph.value_info, *graph.output)
    types = {value.name: _activation(value.type, batch) for value in values}
    return {name: type for name, type in types.items() if type}


def _activation(type: TypeProto, batch: int | None) -> TensorType | None:
    tensor = type.tensor_type
    dims = tensor.shape.dim
    if tensor.elem_type != TensorProto.FLOAT or len(dims) < 2:
        return None
    if (dims[0].dim_value or None) != batch or any(dim.dim_value < 1 for dim in dims[1:]):
        return None
    return TensorType(tuple(dim.dim_value for dim in dims[1:]))
