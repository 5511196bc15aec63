"""A model without the data of its weights, for what asks about operators and shapes only.

The checker and the shape inference of ``onnx`` take a model as bytes: with its weights that is a
copy or two of the whole file.
"""

from __future__ import annotations

from math import prod

from onnx import ModelProto, helper

LARGEST_CONSTANT = 1024
"""Numbers of a constant that may be a shape, or enter one: these stay."""


def without_weights(proto: ModelProto) -> ModelProto:
    """Return a model whose large initializers are inputs of the same type."""
    light = ModelProto()
    light.ir_version = max(proto.ir_version, 4)  # from then on initializers need not be inputs
    light.opset_import.extend(proto.opset_import)
    light.functions.extend(proto.functions)
    graph = light.graph
    graph.name = proto.graph.name
    graph.node.extend(proto.graph.node)
    graph.output.extend(proto.graph.output)
    graph.value_info.extend(proto.graph.value_info)
    weights = {t.name: t for t in proto.graph.initializer if prod(t.dims) > LARGEST_CONSTANT}
    graph.initializer.extend(t for t in proto.graph.initializer if t.name not in weights)
    graph.input.extend(value for value in proto.graph.input if value.name not in weights)
    graph.input.extend(
        helper.make_tensor_value_info(name, tensor.data_type, tensor.dims)
        for name, tensor in weights.items()
    )
    return light
