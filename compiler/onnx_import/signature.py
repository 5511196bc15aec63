"""Reads the inputs of an ONNX graph: which axis is the batch, and what one sample looks like."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
from onnx import GraphProto, TensorProto, TensorShapeProto, ValueInfoProto

from ...ir import Input, TensorType
from ...ir.errors import ModelError, Problem
from ...ir.extent import MOST_AXES, MOST_ELEMENTS
from .values import Grid


@dataclass(frozen=True)
class Signature:
    """The inputs of a model.

    Attributes:
        inputs: One node for each input an output depends on; of a sequence, for its elements.
        batch: The batch size the file is fixed to, or None where it is symbolic.
        grids: For each input of integers, their range; they stand for themselves.
        unbatched: Whether all axes of an input belong to one sample.
    """

    inputs: tuple[Input, ...]
    batch: int | None
    grids: Mapping[str, Grid] = field(default_factory=dict)
    unbatched: bool = False


INTEGERS = {
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT8: (0, 255),
    TensorProto.INT16: (-32768, 32767),
    TensorProto.UINT16: (0, 65535),
}
"""Integers that an input may hold: samples that the caller quantised, or pixels."""


def read_signature(
    path: Path,
    graph: GraphProto,
    used: Iterable[str],
    sequences: Collection[str] = (),
    max_elements: int = MOST_ELEMENTS,
    *,
    unbatched: bool = False,
) -> Signature:
    """Read the types of the used inputs.

    Args:
        path: The file, for messages.
        graph: The ONNX graph.
        used: Names of the tensors that the outputs depend on.
        sequences: Names of the inputs that are sequences: their second axis is the elements,
            whose number may be symbolic.
        max_elements: Numbers that one sample may have.
        unbatched: Whether the first axis is one like the others: see ``unbatched``.

    Raises:
        ModelError: Inputs have no fixed size, no batch axis, or are neither float32 nor
            integers of 8 or 16 bits; all are listed.
    """
    constants = {tensor.name for tensor in graph.initializer}
    live = set(used)
    inputs = [i for i in graph.input if i.name in live and i.name not in constants]
    first = 0 if unbatched else 1
    problems = [p for value in inputs if (p := _problem(value, value.name in sequences, first))]
    problems = problems or [p for value in inputs if (p := _too_large(value, max_elements, first))]
    sizes = {1 if unbatched else _batch(value) for value in inputs} if not problems else set()
    if not inputs:
        problems = [Problem(f"{path}: no output depends on an input", "export the whole model")]
    elif len(sizes) > 1:
        found = ", ".join(f"{value.name!r}: {_batch(value) or 'any'}" for value in inputs)
        problems = [
            Problem(
                f"{path}: the inputs do not agree on the batch size ({found})",
                "export the model with one symbolic batch size, the first axis of every input; one "
                "that is always the same, as a state at the start: --fix-input NAME=0",
            )
        ]
    if problems:
        message = "\n".join(problem.message for problem in problems)
        raise ModelError(message, hint=problems[0].hint, problems=problems)
    nodes = tuple(_input(value, value.name in sequences, first) for value in inputs)
    elements = {value.name: value.type.tensor_type.elem_type for value in inputs}
    grids = {
        name: Grid(np.ones(1), 0, INTEGERS[element])
        for name, element in elements.items()
        if element in INTEGERS
    }
    return Signature(nodes, sizes.pop(), grids, unbatched)


def _input(value: ValueInfoProto, is_sequence: bool, first: int) -> Input:
    shape = tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim[first:])
    if is_sequence:
        return Input(name=value.name, type=TensorType(shape[1:]), sequence=max(shape[0], 0))
    return Input(name=value.name, type=TensorType(shape))


def _problem(value: ValueInfoProto, is_sequence: bool, first: int) -> Problem | None:
    name, tensor = f"input {value.name!r}", value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return Problem(f"{name}: is not a tensor", "export a model whose inputs are tensors")
    if tensor.elem_type != TensorProto.FLOAT and tensor.elem_type not in INTEGERS:
        known = tensor.elem_type in TensorProto.DataType.values()
        found = TensorProto.DataType.Name(tensor.elem_type).lower() if known else "unknown numbers"
        hint = f"export the model with float32 inputs, or {_fixed_by(value)}"
        return Problem(f"{name}: holds {found}, not float", hint)
    if not tensor.HasField("shape"):
        return Problem(f"{name}: has no shape", "export the model with a fixed input shape")
    dims = tensor.shape.dim
    if len(dims) > MOST_AXES:
        return Problem(f"{name}: has {len(dims)} axes, more than {MOST_AXES}", "use fewer axes")
    if is_sequence and len(dims) < 3:
        return Problem(
            f"{name}: has {len(dims)} axes, but a sequence needs batch, elements and one more",
            "export the model with a batch of sequences, the batch axis first",
        )
    if first and len(dims) < 2:
        return Problem(
            f"{name}: has {len(dims)} axes, but needs a batch axis and at least one more",
            f"export the model with a batch of inputs, the batch axis first, or {_fixed_by(value)}",
        )
    return _size_problem(value.name, dims, fixed=2 if is_sequence else first)


def _fixed_by(value: ValueInfoProto) -> str:
    """Return the option that makes an input a constant, for a hint."""
    return f"where it is always the same, make it a constant: --fix-input {value.name}=NUMBER"


def _size_problem(
    input: str, dims: Sequence[TensorShapeProto.Dimension], fixed: int
) -> Problem | None:
    name = f"input {input!r}"
    for axis, dim in enumerate(dims):
        size = dim.dim_value if dim.HasField("dim_value") else -1
        if size == 0:
            return Problem(f"{name}: axis {axis} has size 0", "export the model with real data")
        if size < 0 and axis >= fixed:
            label = repr(dim.dim_param) if dim.dim_param else "without a name"
            return Problem(
                f"{name}: the size of axis {axis} is symbolic ({label})",
                f"fix it with {_shape_option(input, dims)}, or export the model with fixed sizes; "
                "only the first axis, the batch, may vary",
            )
    return None


def _shape_option(input: str, dims: Sequence[TensorShapeProto.Dimension]) -> str:
    """Return ``--input-shape`` with the sizes of the file, 1 for an open batch, and what to give.

    What the file calls an axis stands for its size; an axis without a name is a question mark.
    """
    open_axes = [dim.dim_param or "?" for dim in dims]
    sizes = [
        str(d.dim_value) if d.dim_value > 0 else n for d, n in zip(dims, open_axes, strict=True)
    ]
    if dims[0].dim_value < 1:
        sizes[0] = "1"
    named = list(dict.fromkeys(size for size in sizes if not size.isdecimal() and size != "?"))
    wanted = [*named, *(["each ?"] if "?" in sizes else [])]
    return f"--input-shape {input}={','.join(sizes)} (numbers for {' and '.join(wanted)})"


def _too_large(value: ValueInfoProto, most: int, first: int) -> Problem | None:
    size = prod(max(1, int(dim.dim_value)) for dim in value.type.tensor_type.shape.dim[first:])
    if size <= most:
        return None
    return Problem(
        f"input {value.name!r}: one sample has {size} numbers, more than {most}",
        f"use smaller inputs, or allow it with --max-elements {size}",
    )


def _batch(value: ValueInfoProto) -> int | None:
    size = int(value.type.tensor_type.shape.dim[0].dim_value)
    return size if size > 0 else None
