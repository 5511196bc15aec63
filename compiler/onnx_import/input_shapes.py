"""Gives the inputs of a model the sizes that its user asks for, where the file leaves them open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from onnx import ModelProto, ValueInfoProto

from ...ir.errors import OptionError, Problem, suggestion

Shapes = Mapping[str, Sequence[int]]
"""For each input its whole shape, the batch axis first."""


def fix_input_shapes(path: Path, proto: ModelProto, shapes: Shapes) -> None:
    """Put sizes in; those of everything behind the inputs are inferred anew.

    Args:
        path: The file, for messages.
        proto: The model; changed in place.
        shapes: The sizes asked for.

    Raises:
        OptionError: There is no such input, or its shape in the file is another; all are listed.
    """
    graph = proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    problems = [
        problem
        for name, shape in shapes.items()
        if (problem := _problem(path, name, shape, inputs)) is not None
    ]
    if problems:
        message = "\n".join(problem.message for problem in problems)
        raise OptionError(message, hint=problems[0].hint, problems=problems)
    for name, shape in shapes.items():
        tensor = inputs[name].type.tensor_type
        tensor.ClearField("shape")
        tensor.shape.SetInParent()
        for size in shape:
            tensor.shape.dim.add().dim_value = size
    if shapes:
        del graph.value_info[:]  # they may name the sizes that were open
        for value in graph.output:
            for dim in value.type.tensor_type.shape.dim:
                dim.Clear()


def _problem(
    path: Path, name: str, shape: Sequence[int], inputs: Mapping[str, ValueInfoProto]
) -> Problem | None:
    """Return why an input cannot have a shape, or None."""
    if name not in inputs:
        return Problem(
            f"{path}: has no input {name!r} that --input-shape could fix",
            f"{suggestion(name, list(inputs))}name one of: {', '.join(inputs)}",
        )
    tensor = inputs[name].type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = tensor.shape.dim
    written = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in dims]
    fits = len(dims) == len(shape) and all(
        not isinstance(size, int) or size <= 0 or size == wanted
        for size, wanted in zip(written, shape, strict=True)
    )
    if fits:
        return None
    return Problem(
        f"input {name!r}: --input-shape gives {_text(shape)}, the file says {_text(written)}",
        "keep the sizes that the file fixes, and give one for each that it leaves open",
    )


def _text(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))})"
