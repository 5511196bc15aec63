"""Writes a graph of real signals as an ONNX model of standard operators.

Every parameter is rounded once, from float64 to the model's float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ...ir import (
    Add,
    Affine,
    Array,
    AveragePool,
    Clip,
    Concat,
    Conv,
    Curve,
    Gather,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Previous,
    Product,
    Rearrange,
    Reshape,
    Staircase,
    TensorType,
)
from ...ir.errors import ConversionError
from .scan_export import SequenceWriter, inside

OPSET = 17
IR_VERSION = 8
"""What onnx 1.12 wrote for opset 17; all supported versions of ONNX Runtime read it."""
BATCH = "batch"


LARGE = 1024
"""Numbers of a constant from which on a model may name it only."""


def to_onnx(
    graph: Graph, *, extra: Iterable[str] = (), apart: dict[str, Array] | None = None
) -> ModelProto:
    """Return a graph of real signals as an ONNX model with a symbolic batch size.

    Args:
        graph: The graph.
        extra: Names of nodes whose values become outputs too, under these names.
        apart: Where given, it takes the values of large constants, float32, and the model only
            names them: a session gets them as they stand, without copies (``AnnSession``).

    Raises:
        ConversionError: A node has no counterpart among the standard operators, or an output
            has the name of another node.
    """
    outputs = {**graph.outputs, **{name: name for name in extra}}
    nodes, initializers = (
        _sequence(graph, outputs) if _reads_sequence(graph) else _plain(graph, apart)
    )
    proto = helper.make_graph(
        nodes,
        "snnc",
        [_info(node.name, node.type, node.sequence) for node in graph.of_type(Input)],
        [_info(name, graph.types[source]) for name, source in outputs.items()],
        initializers,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(proto, opset_imports=[opset], producer_name="snnc")
    model.ir_version = IR_VERSION
    return model


Written = tuple[list[NodeProto], list[TensorProto]]
"""Nodes and initializers of a model."""


def _reads_sequence(graph: Graph) -> bool:
    return any(node.sequence is not None for node in graph.of_type(Input))


def _plain(graph: Graph, apart: dict[str, Array] | None) -> Written:
    writer = _Writer(graph, apart)
    for node in graph:
        if not isinstance(node, Input):
            writer.write(node)
    for name, source in graph.outputs.items():
        if name != source:
            writer.alias(name, source)
    return writer.nodes, writer.initializers


def _sequence(graph: Graph, outputs: Mapping[str, str]) -> Written:
    """Return the graph as the body of a Scan, with the last element of each output."""
    element, rename = inside(graph)
    writer = _Writer(element)
    for node in element:
        if not isinstance(node, (Input, Previous)):
            writer.write(node)
    around = SequenceWriter(element, rename)
    wanted = {name: rename[source] for name, source in outputs.items()}
    around.write(writer.nodes, writer.initializers, wanted)
    return around.nodes, around.initializers


def _info(name: str, type: TensorType, sequence: int | None = None) -> ValueInfoProto:
    elements = [] if sequence is None else [sequence or "elements"]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *elements, *type.shape])


class _Writer:
    """Collects ONNX nodes and initializers."""

    def __init__(self, graph: Graph, apart: dict[str, Array] | None = None) -> None:
        self.graph = graph
        self._apart = apart
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._taken = {*graph.nodes, *graph.outputs}

    def write(self, node: Node) -> None:
        rule = _RULES.get(type(node))
        if rule is None:
            raise ConversionError(
                f"{node.name}: {type(node).__name__} is not an operator of an ANN",
                hint="export the graph before it is converted to spikes",
            )
        rule(self, node)

    def alias(self, name: str, source: str) -> None:
        if name in self.graph.nodes:
            raise ConversionError(
                f"output {name!r}: is node {source!r}, but another node has that name",
                hint="rename the output",
            )
        self.add("Identity", [source], name)

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))

    def constant(self, node: Node, label: str, value: Array) -> str:
        name = self.fresh(f"{node.name}.{label}")
        value = np.ascontiguousarray(value)
        if self._apart is not None and value.dtype == np.float32 and value.size > LARGE:
            self._apart[name] = value
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=name)  # no file: a session has it
        else:
            tensor = numpy_helper.from_array(value, name)
        self.initializers.append(tensor)
        return name

    def real(self, node: Node, label: str, value: Array | float) -> str:
        return self.constant(node, label, np.asarray(value, np.float32))

    def fresh(self, name: str) -> str:
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return name


def _weights(node: Conv | Linear) -> Array:
    return node.weight if node.copies == 1 else node.weight * node.copies


def _conv(to: _Writer, node: Conv) -> None:
    inputs = [node.inputs[0], to.real(node, "weight", _weights(node))]
    if node.bias is not None:
        inputs.append(to.real(node, "bias", node.bias))
    to.add(
        "Conv",
        inputs,
        node.name,
        kernel_shape=node.weight.shape[2:],
        strides=node.stride,
        pads=node.padding,
        dilations=node.dilation,
        group=node.groups,
    )


def _linear(to: _Writer, node: Linear) -> None:
    inputs = [node.inputs[0], to.real(node, "weight", _weights(node))]
    if node.bias is not None:
        inputs.append(to.real(node, "bias", node.bias))
    to.add("Gemm", inputs, node.name, transB=1)


def _average_pool(to: _Writer, node: AveragePool) -> None:
    to.add(
        "AveragePool",
        [node.inputs[0]],
        node.name,
        kernel_shape=node.kernel,
        strides=node.stride,
        pads=node.padding,
        count_include_pad=int(node.count_include_pad),
    )


def _max_pool(to: _Writer, node: MaxPool) -> None:
    to.add(
        "MaxPool",
        [node.inputs[0]],
        node.name,
        kernel_shape=node.kernel,
        strides=node.stride,
        pads=node.padding,
        dilations=node.dilation,
    )


def _reshape(to: _Writer, node: Reshape) -> None:
    shape = to.constant(node, "shape", np.array([-1, *node.shape], np.int64))
    to.add("Reshape", [node.inputs[0], shape], node.name)


def _rearrange(to: _Writer, node: Rearrange) -> None:
    split = to.constant(node, "split", np.array([-1, *node.split], np.int64))
    shape = to.constant(node, "shape", np.array([-1, *node.shape], np.int64))
    viewed, moved = (to.fresh(f"{node.name}.{part}") for part in ("viewed", "moved"))
    to.add("Reshape", [node.inputs[0], split], viewed)
    to.add("Transpose", [viewed], moved, perm=[0, *(1 + axis for axis in node.order)])
    to.add("Reshape", [moved, shape], node.name)


def _gather(to: _Writer, node: Gather) -> None:
    source, size = node.inputs[0], to.graph.types[node.inputs[0]].shape[node.axis]
    if node.blanks:  # they read a zero put behind the last place
        ends = np.zeros((2, 1 + len(to.graph.types[source].shape)), np.int64)
        ends[1, 1 + node.axis] = 1
        padded = to.fresh(f"{node.name}.padded")
        to.add("Pad", [source, to.constant(node, "pads", ends.ravel())], padded)
        source = padded
    places = to.constant(node, "places", np.where(node.places < 0, size, node.places))
    to.add("Gather", [source, places], node.name, axis=1 + node.axis)


def _affine(to: _Writer, node: Affine) -> None:
    scaled, shifted = np.any(node.scale != 1), np.any(node.shift != 0)
    source = node.inputs[0]
    if not scaled and not shifted:
        to.add("Identity", [source], node.name)
    if scaled:
        product = to.fresh(f"{node.name}.scaled") if shifted else node.name
        to.add("Mul", [source, to.real(node, "scale", node.scale)], product)
        source = product
    if shifted:
        to.add("Add", [source, to.real(node, "shift", node.shift)], node.name)


def _add(to: _Writer, node: Add) -> None:
    to.add("Add" if len(node.inputs) == 2 else "Sum", list(node.inputs), node.name)


def _product(to: _Writer, node: Product) -> None:
    to.add("Mul", list(node.inputs), node.name)


def _concat(to: _Writer, node: Concat) -> None:
    to.add("Concat", list(node.inputs), node.name, axis=1)


def _clip(to: _Writer, node: Clip) -> None:
    if node.low == 0 and not isfinite(node.high):
        to.add("Relu", [node.inputs[0]], node.name)
        return
    low = to.real(node, "low", node.low) if isfinite(node.low) else ""
    high = to.real(node, "high", node.high) if isfinite(node.high) else ""
    to.add("Clip", [node.inputs[0], low, high], node.name)


def _curve(to: _Writer, node: Curve) -> None:
    attributes = {"alpha": node.alpha} if node.function == "elu" else {}
    to.add(OPERATORS.get(node.function, "Identity"), [node.inputs[0]], node.name, **attributes)


OPERATORS = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "elu": "Elu",
    "erf": "Erf",
    "softplus": "Softplus",
    "softsign": "Softsign",
}
"""The operators of ``ir.ops.SMOOTH``."""


def _staircase(to: _Writer, node: Staircase) -> None:
    low = "" if node.low is None else to.real(node, "low", node.low)
    high = "" if node.high is None else to.real(node, "high", node.high)
    step = to.real(node, "step", node.step) if np.any(node.step != 1) else ""
    function = OPERATORS.get(node.function)
    stages: list[tuple[str, list[str]]] = [
        *([(function, [])] if function else []),
        *([("Div", [step])] if step else []),
        *([("Add", [to.real(node, "offset", node.offset)])] if node.offset else []),
        ("Floor" if node.rounding == "floor" else "Round", []),
        *([("Clip", [low, high])] if low or high else []),
        *([("Mul", [step])] if step else []),
    ]
    source = node.inputs[0]
    if node.function == "leaky_relu":
        source = to.fresh(f"{node.name}.leaked")
        to.add("LeakyRelu", [node.inputs[0]], source, alpha=node.slope)
    for index, (operator, parameters) in enumerate(stages):
        last = index == len(stages) - 1
        output = node.name if last else to.fresh(f"{node.name}.{operator.lower()}")
        to.add(operator, [source, *parameters], output)
        source = output


_RULES: dict[type[Node], Callable[[_Writer, Any], None]] = {
    Add: _add,
    Affine: _affine,
    AveragePool: _average_pool,
    Clip: _clip,
    Concat: _concat,
    Conv: _conv,
    Curve: _curve,
    Gather: _gather,
    Linear: _linear,
    MaxPool: _max_pool,
    Product: _product,
    Rearrange: _rearrange,
    Reshape: _reshape,
    Staircase: _staircase,
}
