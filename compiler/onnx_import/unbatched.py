"""Models that have no batch axis, or mix it with the others: every axis belongs to the sample.

A file that is fixed to one sample may move its first axis about, flatten it away or add up along
it; that of a test may have one axis in all. Such a file says what becomes of a whole tensor, so
the whole tensor is the sample: an axis for the batch is put in front of every tensor of the model,
and a network of many samples does with each what the file does with one.

Handlers take the first axis for the batch, so each operator is rewritten for one more axis in
front (``lifted``). Layers that have a batch axis in their definition, of size 1 here, are given
the sample behind it (``on_sample``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np

from ...ir import Affine, Node, Reshape
from ...ir.extent import MOST_AXES
from .handlers.along import along
from .handlers.linear import matrix, scaled
from .handlers.shape import rearranged
from .operation import Operation, shown
from .values import Activation, Constant, Made, RefusalError, Value

Handler = Callable[[Operation], tuple[Node, ...] | Made]

_HINT = "export the model with a symbolic batch size, the first axis of every input"

_SAMPLES = """
    AveragePool BatchNormalization Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalMaxPool
    MaxPool SpaceToDepth
"""
SAMPLES = frozenset(_SAMPLES.split())
"""Layers whose first axis is the batch by definition."""

_ALIKE = """
    Abs Cast CastLike Celu Clip Dropout Elu Erf Floor Gelu HardSigmoid HardSwish Identity LeakyRelu
    Mish Neg Relu Round Selu Sigmoid Softplus Softsign Swish Tanh
"""
ALIKE = frozenset(_ALIKE.split())
"""Operators that do the same with every value, wherever it is."""


def convert_unbatched(op: Operation, handler: Handler) -> tuple[Node, ...] | Made:
    """Convert a node that reads tensors without a batch axis."""
    if op.type in SAMPLES:
        return _on_sample(op, handler)
    if op.type in _WHOLE:
        return _WHOLE[op.type](op, handler)
    return handler(lifted(op))


def lifted(op: Operation) -> Operation:
    """Return a node as it is where all tensors have one more axis in front.

    Raises:
        RefusalError: It is not known what the operator does along its first axis.
    """
    if op.type in ALIKE:
        return op
    if op.type not in _LIFTED:
        raise RefusalError("mixes the axes of a model without batch axis", _HINT)
    return _LIFTED[op.type](op)


def behind(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return what a user sees of a tensor: it without its first axis, where that has size 1."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _shape(op: Operation, index: int = 0) -> tuple[int, ...]:
    return op.tensor(index).type.shape


def _behind(axis: int) -> int:
    """Return where an axis is with one more in front; those counted from the end stay."""
    return axis + (axis >= 0)


def _constant(values: Sequence[int]) -> Constant:
    array = np.asarray(values, np.int64)
    return Constant(array, array)


def _view(op: Operation, source: Activation, shape: tuple[int, ...]) -> Activation:
    if shape == source.type.shape:
        return source
    return op.emit((Reshape(name=op.part("view"), inputs=(source.name,), shape=shape),))


def _on_sample(op: Operation, handler: Handler) -> tuple[Node, ...] | Made:
    source = op.activation()
    if len(source.type.shape) < 2 or source.type.shape[0] != 1:
        raise RefusalError(f"reads {source.type.shape}: several samples that are one here", _HINT)
    sample = _view(op, source, source.type.shape[1:])
    inner = op.reading(sample, *op.inputs[1:], name=op.part("sample"))
    nodes = handler(inner)
    if isinstance(nodes, Made):
        raise RefusalError("needs a quantiser behind it", _HINT)
    made = op.emit(nodes) if nodes else sample
    return (Reshape(name=op.output, inputs=(made.name,), shape=(1, *made.type.shape)),)


# -- the axes that an operator names -----------------------------------------------------------


def _axis(default: int) -> Callable[[Operation], Operation]:
    """Return the rule of operators with an attribute ``axis``."""
    return lambda op: op.altered(axis=_behind(op.integer("axis", default)))


def _axes(index: int) -> Callable[[Operation], Operation]:
    """Return the rule of operators that name axes; all of them, where they name none."""

    def lift(op: Operation) -> Operation:
        named = op.axes(index, "axes")
        if not named:
            if op.integer("noop_with_empty_axes", 0):
                return op
            named = tuple(range(len(_shape(op))))
        return op.altered(axes=tuple(map(_behind, named)))

    return lift


def _unsqueeze(op: Operation) -> Operation:
    return op.altered(axes=tuple(map(_behind, op.axes(1, "axes") or ())))


def _squeeze(op: Operation) -> Operation:
    named = op.axes(1, "axes")
    if named is None:
        named = tuple(axis for axis, size in enumerate(_shape(op)) if size == 1)
    return op.altered(axes=tuple(map(_behind, named)))


def _slice(op: Operation) -> Operation:
    named = op.axes(3, "axes") or tuple(range(len(op.axes(1, "starts") or ())))
    return op.altered(axes=tuple(map(_behind, named)))


def _transpose(op: Operation) -> Operation:
    order = op.integers("perm") or tuple(reversed(range(len(_shape(op)))))
    return op.altered(perm=(0, *(axis + 1 for axis in order)))


def _pad(op: Operation) -> Operation:
    rank = len(_shape(op))
    listed = op.axes(1, "pads") or ()
    chosen = (op.axes(3, "axes") if op.given(3) else None) or range(rank)
    if len(listed) != 2 * len(chosen):
        raise RefusalError(f"pads={shown(listed)} does not fit {rank} axes", "export it again")
    half = len(chosen)
    inputs = (*op.inputs[:3], *[None] * (3 - len(op.inputs)), _constant([*map(_behind, chosen)]))
    return op.altered(inputs, pads=(*listed[:half], *listed[half:]))


def _resize(op: Operation) -> Operation:
    named = op.integers("axes") or range(len(_shape(op)))
    return op.altered(axes=tuple(map(_behind, named)))


# -- the shapes that an operator is given --------------------------------------------------------


def _reshape(op: Operation) -> Operation:
    return op.altered((op.inputs[0], _constant([1, *_numbers(op, 1)])))


def _expand(op: Operation) -> Operation:
    target, source = _numbers(op, 1), op.activation()
    shape = source.type.shape
    rank = max(len(target), len(shape))
    if rank > MOST_AXES:
        raise RefusalError(f"expands to {rank} axes", "use fewer axes")
    wider = _view(op, source, (1,) * (rank - len(shape)) + shape)
    return op.altered((wider, _constant([1, *[1] * (rank - len(target)), *target])))


def _tile(op: Operation) -> Operation:
    return op.altered((op.inputs[0], _constant([1, *_numbers(op, 1)])))


def _numbers(op: Operation, index: int) -> list[int]:
    found, other = op.sizes(index)
    if found != other:
        raise RefusalError(f"its input {index} depends on the batch size", _HINT)
    return list(found)


def _aligned(op: Operation) -> Operation:
    """Bring activations to one number of axes: shorter ones stand at the end, as in NumPy."""
    ranks = [
        value.value.ndim if isinstance(value, Constant) else len(value.type.shape)
        for value in op.inputs
        if isinstance(value, (Activation, Constant))
    ]

    def wider(value: Value) -> Value:
        if not isinstance(value, Activation):
            return value
        shape = value.type.shape
        return _view(op, value, (1,) * (max(ranks) - len(shape)) + shape)

    return op.altered(tuple(map(wider, op.inputs)))


def _softmax(op: Operation) -> Operation:
    return op.altered(axis=_behind(op.integer("axis", 1 if op.opset < 13 else -1)))


_BROADCAST = "Add Div Max Min Mul PRelu Pow Sub Sum Where"
_REDUCE = "ReduceMax ReduceMean ReduceMin ReduceSum"

_LIFTED: Mapping[str, Callable[[Operation], Operation]] = {
    **dict.fromkeys(_BROADCAST.split(), _aligned),
    **dict.fromkeys(_REDUCE.split(), _axes(1)),
    "ArgMax": _axis(0),
    "Concat": _axis(0),
    "Expand": _expand,
    "Gather": _axis(0),
    "LogSoftmax": _softmax,
    "MatMul": lambda op: op,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _axis(0),
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
"""How an operator is written for one more axis in front."""


# -- operators that need more than other attributes ------------------------------------------------


def _flatten(op: Operation, handler: Handler) -> tuple[Node, ...]:
    shape, axis = _shape(op), op.integer("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise RefusalError(f"axis={axis} is not one of {len(shape)}", "export the model again")
    target = (prod(shape[:axis]), prod(shape[axis:]))
    return (Reshape(name=op.output, inputs=(op.activation().name,), shape=target),)


def _gemm(op: Operation, handler: Handler) -> tuple[Node, ...] | Made:
    """Convert ``Gemm`` of a whole matrix; of one row it is the layer as ever."""
    source, turned = op.activation(), op.integer("transA", 0)
    shape = source.type.shape
    if len(shape) != 2:
        raise RefusalError(f"reads {shape}, which is no matrix", "put a Flatten before it")
    if shape[0] == 1 and not turned:
        return _on_sample(op, handler)
    if turned:
        shape = (shape[1], shape[0])
        source = op.emit((rearranged(op.part("turned"), source, shape[::-1], (1, 0), shape),))
    weight = scaled(matrix(op), op.number("alpha", 1.0))
    weight = weight if op.integer("transB", 0) else weight.T
    if weight.shape[1] != shape[1]:
        raise RefusalError(f"multiplies {shape} by {weight.T.shape}", "mend the shapes")
    beta = op.number("beta", 1.0)
    if not op.given(2):
        return along(op, source, 1, weight)
    made = op.emit(along(op, source, 1, weight, name=op.part("product")))
    shift = beta * op.parameter(2)
    return (Affine(name=op.output, inputs=(made.name,), scale=np.ones(()), shift=shift),)


def _matmul(op: Operation, handler: Handler) -> tuple[Node, ...] | Made:
    """Convert ``MatMul``; a vector is a matrix with one row or column, which goes afterwards."""
    gone, inputs = [], list(op.inputs)
    for index, axis in ((0, 0), (1, 1)):  # a vector is a row on the left, a column on the right
        value = inputs[index]
        if isinstance(value, Activation) and len(value.type.shape) == 1:
            size = value.type.shape[0]
            inputs[index] = _view(op, value, (1, size) if axis == 0 else (size, 1))
        elif isinstance(value, Constant) and value.value.ndim == 1:
            array = np.expand_dims(value.value, axis)
            inputs[index] = Constant(array, array)
        else:
            continue
        gone.append(axis - 2)
    if not gone:
        return handler(op)
    nodes = handler(op.reading(*inputs, name=op.part("product")))
    if isinstance(nodes, Made):
        raise RefusalError("needs a quantiser behind it", _HINT)
    made = op.emit(nodes)
    left = [n for axis, n in enumerate(made.type.shape, -len(made.type.shape)) if axis not in gone]
    if not left:
        raise RefusalError("leaves a single number", "keep one axis")
    return (Reshape(name=op.output, inputs=(made.name,), shape=tuple(left)),)


_WHOLE: Mapping[str, Callable[[Operation, Handler], tuple[Node, ...] | Made]] = {
    "Flatten": _flatten,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
"""Operators that are converted otherwise than with a batch."""
