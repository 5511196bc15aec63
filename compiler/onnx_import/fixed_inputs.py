"""Makes inputs of a model constants, where its user says that they are always the same.

A sampling rate, a flag, a state that begins at 0: behind a constant the importer folds arithmetic
and takes one branch of an ``If``, and a region of the host gets it with its weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ...ir import Array
from ...ir.errors import OptionError, Problem, suggestion

FixedInputs = Mapping[str, Sequence[float]]
"""For each input its numbers: one for all of them, or as many as it has."""

REAL = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}
WHOLE = {TensorProto.BOOL, TensorProto.INT8, TensorProto.INT16, TensorProto.INT32}
WHOLE |= {TensorProto.INT64, TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32}


def fix_inputs(path: Path, proto: ModelProto, fixed: FixedInputs, max_elements: int) -> None:
    """Put constants in the place of inputs.

    Args:
        path: The file, for messages.
        proto: The model; changed in place.
        fixed: The numbers asked for.
        max_elements: Numbers that one of these inputs may have.

    Raises:
        OptionError: There is no such input, or it cannot hold the numbers; all are listed.
    """
    graph = proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    problems = [
        problem
        for name, numbers in fixed.items()
        if (problem := _problem(path, name, numbers, inputs, max_elements)) is not None
    ]
    if problems:
        message = "\n".join(problem.message for problem in problems)
        raise OptionError(message, hint=problems[0].hint, problems=problems)
    for name, numbers in fixed.items():
        array = np.broadcast_to(_array(inputs[name], numbers), _shape(inputs[name]))
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        graph.input.remove(inputs[name])


def _problem(
    path: Path,
    name: str,
    numbers: Sequence[float],
    inputs: Mapping[str, ValueInfoProto],
    max_elements: int,
) -> Problem | None:
    """Return why an input cannot be these numbers, or None."""
    if name not in inputs:
        return Problem(
            f"{path}: has no input {name!r} that --fix-input could fix",
            f"{suggestion(name, list(inputs))}name one of: {', '.join(inputs)}",
        )
    what, tensor = f"input {name!r}: --fix-input", inputs[name].type.tensor_type
    if tensor.elem_type not in REAL | WHOLE:
        return Problem(f"{what} fixes numbers, and it holds none", "export the model without it")
    dims = tensor.shape.dim
    if not tensor.HasField("shape") or any(dim.dim_value < 1 for dim in dims):
        return Problem(
            f"{what} needs its shape, which the file leaves open", "give --input-shape for it too"
        )
    size = prod(_shape(inputs[name]))
    if size > max_elements:
        return Problem(
            f"{what}: it has {size} numbers, more than {max_elements}",
            f"export the model without it, or allow it with --max-elements {size}",
        )
    if len(numbers) not in (1, size):
        return Problem(
            f"{what} gives {len(numbers)} numbers, and it has {size}",
            f"give one number, or {size}",
        )
    with np.errstate(all="ignore"):
        held = _array(inputs[name], numbers)
    exact = np.array_equal(held, np.reshape(np.array(numbers, object), held.shape))
    if not (exact if tensor.elem_type in WHOLE else np.all(np.isfinite(held))):
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        return Problem(
            f"{what} gives {', '.join(map(str, numbers[:4]))}, and it holds {kind}",
            "give numbers that it can hold",
        )
    return None


def _shape(value: ValueInfoProto) -> tuple[int, ...]:
    return tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)


def _array(value: ValueInfoProto, numbers: Sequence[float]) -> Array:
    """Return numbers in the type of an input, in its shape where there is one for each element."""
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    array = np.array(numbers).astype(dtype)
    return array.reshape(()) if len(numbers) == 1 else array.reshape(_shape(value))
