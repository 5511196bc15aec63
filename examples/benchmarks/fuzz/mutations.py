"""Damages models: bytes of the file, or the structure of the graph."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto

NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
"""Where arithmetic goes wrong."""

_OPERATORS = """
    Abs Add ArgMax AveragePool BatchNormalization Cast CastLike Celu Clip Concat ConcatFromSequence
    ConstantOfShape Conv ConvInteger ConvTranspose DepthToSpace DequantizeLinear Div Dropout Einsum
    Elu Equal Erf Expand Flatten Floor GRU Gather Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
    HardSigmoid HardSwish Identity If InstanceNormalization LSTM LayerNormalization LeakyRelu Less
    LogSoftmax Loop MatMul MatMulInteger Max MaxPool Min Mish Mul Neg Not OneHot PRelu Pad Pow
    QLinearConv QLinearMatMul QuantizeLinear RNN Range ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum Relu Reshape Resize Round Scan Selu SequenceAt SequenceConstruct SequenceEmpty
    SequenceErase SequenceInsert SequenceLength Shape Sigmoid Size Slice Softmax Softplus Softsign
    SpaceToDepth Split SplitToSequence Squeeze Sub Sum Swish Tanh Tile Transpose Unsqueeze Upsample
    Where
"""
_FUSED = """
    FusedConv FusedGemm FusedMatMul QGemm QLinearAdd QLinearAveragePool QLinearConcat QuickGelu
    QLinearGlobalAveragePool QLinearMul QLinearReduceMean QLinearSigmoid
"""
OPERATORS = (
    *(("", name) for name in _OPERATORS.split()),
    *(("com.microsoft", name) for name in _FUSED.split()),
    *(("qonnx.custom_op.general", name) for name in ("BipolarQuant", "IntQuant", "Quant")),
    *(("qonnx.custom_op.channels_last", name) for name in ("Conv", "MaxPool")),
)
"""Domains and names of operators, those of which little is known among them."""

_ATTRIBUTES = """
    activation activation_alpha activation_params align_corners allowzero alpha antialias
    approximate auto_pad axes axis batch_dims beta blocksize ceil_mode count_include_pad
    dilations direction end ends epsilon gamma group hidden_size keepdims kernel_shape layout
    mode nearest_mode noop_with_empty_axes num_outputs output_padding output_shape pads perm
    scales size split start starts steps strides to transA transB training_mode value
"""


def damaged_bytes(content: bytes, random: Random) -> bytes:
    """Return a file with some bytes changed, cut out, doubled or cut off."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randrange(len(data)) if data else 0
        # Structure is at the front and at the end; what lies between is mostly weights.
        at = random.choice((at, at % 2000, len(data) - 1 - at % 2000)) % max(1, len(data))
        length = random.choice((1, 2, 8, 64))
        what = random.randrange(5)
        if what == 0:
            data[at : at + 1] = bytes([random.randrange(256)])
        elif what == 1:
            del data[at : at + length]
        elif what == 2:
            data[at:at] = data[at : at + length]
        elif what == 3:
            data[at : at + length] = random.randbytes(length)
        elif random.random() < 0.1:
            del data[at:]
    return bytes(data)


def damaged_structure(content: bytes, random: Random) -> bytes:
    """Return a model whose nodes, edges, attributes or tensors are changed."""
    model = ModelProto.FromString(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        change = random.choice(CHANGES)
        if model.graph.node:
            change(model, random)
    return bytes(model.SerializeToString())


def _node(model: ModelProto, random: Random) -> NodeProto:
    node: NodeProto = random.choice(model.graph.node)
    return node


def _tensor_names(model: ModelProto) -> list[str]:
    graph = model.graph
    names = [name for node in graph.node for name in (*node.input, *node.output)]
    return [*names, *(value.name for value in graph.input), *(t.name for t in graph.initializer)]


def _drop(model: ModelProto, random: Random) -> None:
    del model.graph.node[random.randrange(len(model.graph.node))]


def _repeat(model: ModelProto, random: Random) -> None:
    model.graph.node.append(_node(model, random))


def _swap(model: ModelProto, random: Random) -> None:
    first, second = _node(model, random), _node(model, random)
    kept = NodeProto()
    kept.CopyFrom(first)
    first.CopyFrom(second)
    second.CopyFrom(kept)


def _operator(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    node.domain, node.op_type = random.choice(OPERATORS)


def _edge(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    edges = random.choice((node.input, node.input, node.output))
    name = random.choice((*_tensor_names(model), "", "new", "a/../b\x1b", "x" * 100))
    what = random.randrange(3)
    if what == 0 and edges:
        edges[random.randrange(len(edges))] = name
    elif what == 1 and edges:
        del edges[random.randrange(len(edges))]
    else:
        edges.append(name)


def _bypass(model: ModelProto, random: Random) -> None:
    """Leave a node out, and let its readers read what it read."""
    index = random.randrange(len(model.graph.node))
    node = model.graph.node[index]
    if not node.input or not node.output:
        return
    for other in model.graph.node:
        other.input[:] = [node.input[0] if n == node.output[0] else n for n in other.input]
    del model.graph.node[index]


def _attribute(model: ModelProto, random: Random) -> None:
    attributes = [a for node in model.graph.node for a in node.attribute]
    if not attributes:
        return
    attribute = random.choice(attributes)
    number = random.choice(NUMBERS)
    what = random.randrange(6)
    if what == 0 and attribute.ints:
        attribute.ints[random.randrange(len(attribute.ints))] = number
    elif what == 1 and attribute.ints:
        del attribute.ints[random.randrange(len(attribute.ints))]
    elif what == 2:
        attribute.ints.append(number)
    elif what == 3:
        attribute.i, attribute.f = number, float(random.choice(("nan", "inf", "-1", "0", "1e38")))
    elif what == 4:
        attribute.s = random.choice((b"", b"SAME_UPPER", b"VALID", b"\xff\xfe", b"linear", b"..."))
    else:
        attribute.type = random.choice(list(AttributeProto.AttributeType.values()))


def _add_attribute(model: ModelProto, random: Random) -> None:
    attribute = _node(model, random).attribute.add(name=random.choice(_ATTRIBUTES.split()))
    what = random.random()
    if what < 0.4:
        attribute.type, attribute.i = AttributeProto.INT, random.choice(NUMBERS)
    elif what < 0.8:
        attribute.type = AttributeProto.INTS
        attribute.ints.extend(random.choices(NUMBERS, k=random.randrange(5)))
    else:
        attribute.type = AttributeProto.FLOAT
        attribute.f = float(random.choice(("nan", "inf", "-1", "0", "1e38")))


def _tensor(model: ModelProto, random: Random) -> None:
    attributes = (a for node in model.graph.node for a in node.attribute)
    tensors = [*model.graph.initializer, *(a.t for a in attributes if a.HasField("t"))]
    if not tensors:
        return
    tensor = random.choice(tensors)
    what = random.randrange(8)
    if what == 0 and tensor.dims:
        tensor.dims[random.randrange(len(tensor.dims))] = random.choice(NUMBERS)
    elif what == 1:
        tensor.data_type = random.choice(list(TensorProto.DataType.values()))
    elif what == 2:
        tensor.raw_data = random.randbytes(random.choice((0, 1, 4, 8, len(tensor.raw_data))))
    elif what == 3 and tensor.dims:
        random.shuffle(dims := list(tensor.dims))
        tensor.dims[:] = dims
    elif what == 4:
        tensor.name = random.choice(_tensor_names(model))
    elif what >= 6:
        _numbers(tensor, random)
    else:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=random.choice(("../x", "w", "/etc/passwd")))


def _numbers(tensor: TensorProto, random: Random) -> None:
    """Put a number that is hard to bear into a tensor, or take one from it or add one."""
    whole = tensor.data_type == TensorProto.INT64
    kind = np.dtype(np.int64 if whole else np.float32)
    known = whole or tensor.data_type == TensorProto.FLOAT
    if not known or not tensor.raw_data or len(tensor.raw_data) % kind.itemsize:
        return
    values = np.frombuffer(tensor.raw_data, kind).copy()
    reals = [float(word) for word in ("nan", "inf", "-inf", "0", "-1", "1e-45", "1e38", "65536")]
    number = random.choice(NUMBERS if whole else reals)
    at = random.randrange(len(values))
    what = random.randrange(4) if len(tensor.dims) == 1 else 0
    if what == 1:
        values = np.delete(values, at)
    elif what == 2:
        values = np.insert(values, at, number)
    else:
        values[at] = number
    if len(tensor.dims) == 1:
        tensor.dims[0] = len(values)
    tensor.raw_data = values.tobytes()


def _value(model: ModelProto, random: Random) -> None:
    """Change the type of an input or an output."""
    values = [*model.graph.input, *model.graph.output]
    if not values:
        return
    tensor = random.choice(values).type.tensor_type
    if random.random() < 0.3:
        tensor.elem_type = random.choice(list(TensorProto.DataType.values()))
    elif tensor.shape.dim and random.random() < 0.7:
        random.choice(tensor.shape.dim).dim_value = random.choice(NUMBERS)
    else:
        tensor.shape.dim.add().dim_value = random.choice(NUMBERS)


def _opset(model: ModelProto, random: Random) -> None:
    if model.opset_import:
        random.choice(model.opset_import).version = random.choice(
            (7, 9, 11, 13, 17, 21, 23, -1, 99)
        )


CHANGES: tuple[Callable[[ModelProto, Random], None], ...] = (
    *(_drop, _repeat, _swap, _operator, _edge, _edge, _bypass, _attribute, _attribute),
    *(_add_attribute, _tensor, _tensor, _value, _opset),
)
