"""Computes nodes whose inputs are all constant, so that shape arithmetic disappears.

``torch`` exports ``x.view(x.size(0), -1)`` as Shape, Gather, Unsqueeze, Concat and Reshape. The
shape of every activation is known at compile time, so all of it but the Reshape is constant.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, TypeProto, helper, numpy_helper, shape_inference

from ...ir import Array
from ...ir.compact import compact
from .values import Activation, Constant, Elements, Multiple, RefusalError, Value

_FOLDABLE = """
    Abs Add And Cast CastLike Ceil Clip Concat Constant ConstantOfShape Div
    Dropout Equal Exp Expand Flatten Floor Gather GatherElements GatherND Gemm Greater
    GreaterOrEqual Identity Less LessOrEqual Log MatMul Max Min Mod Mul Neg Not Or Pad Pow
    Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu
    Reshape Round Shape Sigmoid Sign Size Slice Split Sqrt Squeeze Sub Sum Tanh Tile Transpose
    Unsqueeze Where
"""
FOLDABLE = frozenset(_FOLDABLE.split())
"""Deterministic operators without inner graphs."""

_MOVES = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that move the elements of their first input."""

_SUMMED = {"Gemm": 2, "MatMul": 1}
"""Products of matrices, and the last axes of the first one among which is the one they sum over."""

LARGEST = 2**25
"""Elements all folded constants together may have, and one more for each byte of the file: a few
bytes can ask for a terabyte."""

LARGEST_UNIFORM = 2**27 + 2**24
"""Elements of all constants that hold one number everywhere. They take no memory before they are
read as weights; VGG-19, whose published test file has such weights, has 144 million."""

MOST_WORK = 2**31
"""Numbers that folding may read or multiply, and a few dozen more for each byte of the file."""

WORK_PER_BYTE = 64

QUANTISED_PER_BYTE = 4
"""Numbers for each byte of the file that constants may be quantised and dequantised to, beyond
``LARGEST``: two come of a byte of 4-bit weights, and each is quantised, then dequantised."""

_HINT = "simplify the model before the export, or run a constant folder such as onnxsim"


class Folder:
    """Computes constant nodes.

    Args:
        opset: Version of the standard operators.
        batch: The batch size the file is fixed to, or None.
        size: Bytes of the file: what a large one may unfold to is larger.
        unbatched: Whether tensors have no batch axis.
    """

    def __init__(
        self, opset: int, batch: int | None, size: int = 0, *, unbatched: bool = False
    ) -> None:
        self._opset, self._unbatched = opset, unbatched
        self._batches = (1, 2) if batch is None else (batch, batch)
        self._left = LARGEST + size
        self._uniform_left = LARGEST_UNIFORM
        self._quantised_left = LARGEST + QUANTISED_PER_BYTE * size
        self._work = MOST_WORK + WORK_PER_BYTE * size

    def shape(self, node: NodeProto, source: Activation | Elements) -> Constant:
        """Return what ``Shape`` or ``Size`` gives for an activation or a sequence of them."""
        shapes: list[tuple[int, ...]]
        if isinstance(source, Activation):
            leading = [() if self._unbatched else (batch,) for batch in self._batches]
            shapes = [(*first, *source.type.shape) for first in leading]
        else:  # a number of elements that is not known is treated as the batch size is
            shapes = [
                source.shape(batch, source.count or unknown)
                for batch, unknown in zip(self._batches, (1, 2), strict=True)
            ]
        one, two = (self._shape(node, shape) for shape in shapes)
        return Constant(one, one if np.array_equal(one, two) else two)

    def _shape(self, node: NodeProto, shape: tuple[int, ...]) -> Array:
        if node.op_type == "Size":
            return np.array(prod(shape), np.int64)
        bounds = {a.name: a.i for a in node.attribute}  # start and end, from opset 15
        return np.array(shape[bounds.get("start", 0) : bounds.get("end")], np.int64)

    def quantise(self, node: NodeProto, inputs: Iterable[Constant]) -> None:
        """Count what a quantiser or dequantiser of constants makes, before it does.

        Raises:
            RefusalError: It is too much.
        """
        arrays = [constant.value for constant in inputs]
        size = max((array.size for array in arrays), default=0)
        if not any(attribute.name == "block_size" for attribute in node.attribute):
            size = min(size, prod(compact(array).size for array in arrays))
        if size > self._quantised_left:
            raise RefusalError(f"its constant value has {size} elements", _HINT)
        self._quantised_left -= size

    def fold(self, node: NodeProto, inputs: Mapping[str, Constant]) -> dict[str, Constant]:
        """Compute a node.

        Args:
            node: A node of an operator in ``FOLDABLE``.
            inputs: The values of its inputs, by name.

        Raises:
            RefusalError: It cannot be computed, or the result is too large.
        """
        if node.op_type == "Constant" and len(node.attribute) != 1:
            raise RefusalError("has not exactly one value", "export the model again")
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            array = _tensor(node.attribute[0].t)  # weights: spare them the copies
            return {node.output[0]: Constant(array, array)}
        if node.op_type == "Identity":  # of which a loop that is written out has many
            return {node.output[0]: inputs[node.input[0]]}
        ones = self._run(node, {name: c.value for name, c in inputs.items()})
        moved = inputs[node.input[0]].multiple if node.op_type in _MOVES else None
        if moved is not None and all(c.fixed for c in inputs.values()):
            (output,) = ones
            whole, scale = (
                self._run(node, {n: c.value for n, c in inputs.items()} | {node.input[0]: part})
                for part in (moved.whole, moved.scale)
            )
            multiple = Multiple(whole[output], scale[output])
            return {output: Constant(ones[output], ones[output], multiple)}
        if all(c.value is c.other for c in inputs.values()):
            return {name: Constant(one, one) for name, one in ones.items()}
        twos = self._run(node, {name: c.other for name, c in inputs.items()})
        return {name: Constant(one, twos[name]) for name, one in ones.items()}

    def _uniform(self, node: NodeProto, shape: Array) -> Array:
        """Return what ``ConstantOfShape`` gives, as a view of the one number."""
        size = prod(int(n) for n in shape.reshape(-1))
        if shape.ndim != 1 or np.any(shape < 0) or size > self._uniform_left:
            raise RefusalError(f"its constant value has {size} elements", _HINT)
        self._uniform_left -= size
        values = [_tensor(a.t) for a in node.attribute if a.name == "value"]
        number = values[0].reshape(-1) if values else np.zeros(1, np.float32)
        if number.size != 1:
            raise RefusalError(f"repeats {number.size} numbers", "export the model again")
        return np.broadcast_to(number[0], tuple(int(n) for n in shape))

    def _run(self, node: NodeProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if node.op_type == "ConstantOfShape":
            return {node.output[0]: self._uniform(node, next(iter(inputs.values())))}
        from onnx.reference import ReferenceEvaluator  # slow to load, rarely needed

        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self._spend(node, inputs, self._result_types(node, inputs))
                outputs = [name for name in node.output if name]
                # Graph inputs need a type; the evaluator never looks at it.
                graph = helper.make_graph([node], "folded", _infos(inputs), _infos(outputs))
                opset = helper.make_opsetid("", self._opset)
                model = helper.make_model(graph, opset_imports=[opset])
                results = ReferenceEvaluator(model).run(None, dict(inputs))
        except RefusalError:
            raise
        except Exception as error:  # any class: it is numpy code run on unchecked arguments
            raise RefusalError(f"its constant value cannot be computed: {error}", _HINT) from error
        return {name: np.asarray(r) for name, r in zip(outputs, results, strict=True)}

    def _result_types(
        self, node: NodeProto, inputs: Mapping[str, Array]
    ) -> Sequence[TypeProto.Tensor]:
        """Infer the sizes of the results without computing them."""
        types = {
            name: helper.make_tensor_type_proto(
                helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in inputs.items()
        }
        small = {
            name: numpy_helper.from_array(array, name)
            for name, array in inputs.items()
            if array.size <= 1024
        }
        schema = onnx.defs.get_schema(node.op_type, self._opset, "")
        opsets = [helper.make_opsetid("", self._opset)]
        found = shape_inference.infer_node_outputs(schema, node, types, small, None, opsets)
        return [found[name].tensor_type for name in node.output if name]

    def _spend(
        self, node: NodeProto, inputs: Mapping[str, Array], types: Sequence[TypeProto.Tensor]
    ) -> None:
        """Count what a node makes and reads; refuse it where that is too much."""
        self._work -= sum(array.size for array in inputs.values())
        for type in types:
            known = type.HasField("shape") and all(
                d.HasField("dim_value") and d.dim_value >= 0 for d in type.shape.dim
            )
            size = prod(d.dim_value for d in type.shape.dim) if known else LARGEST + 1
            if size > self._left:
                raise RefusalError(
                    f"its constant value has {size if known else 'an unknown number of'} elements",
                    _HINT,
                )
            self._left -= size
            last = _SUMMED.get(node.op_type, 0)
            summed = inputs[node.input[0]].shape[-last:] if last else ()
            self._work -= size * max(summed, default=1)
        if self._work < 0:
            raise RefusalError("its constant value takes too long to compute", _HINT)


def cast_to_real(proto: NodeProto, inputs: Mapping[str, Value]) -> Mapping[str, Constant] | None:
    """Return a constant in the type of an activation of real numbers, or None."""
    value, like = (inputs[name] for name in proto.input)
    if not isinstance(value, Constant) or getattr(like, "grid", None) is not None:
        return None
    one, two = (array.astype(np.float32) for array in (value.value, value.other))
    return {proto.output[0]: Constant(one, one if value.value is value.other else two)}


def _tensor(tensor: TensorProto) -> Array:
    try:
        return numpy_helper.to_array(tensor)
    except (TypeError, ValueError) as error:  # the data do not fit their type or shape
        reason = f"its value cannot be read: {error}"
        raise RefusalError(reason, "export the model again") from error


def _infos(names: Sequence[str] | Mapping[str, Array]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]
