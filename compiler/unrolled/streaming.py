"""A file of one step, its states inputs and outputs, as the same network unrolled over some steps.

What is exported for streaming computes one step: membranes come in and go out. Fed back to itself
a few times it is an unrolled network like any other, and recognised as that. States begin at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ..onnx_import.file import ModelFile
from .polynomial import Leaf, Polynomial
from .reading import Reading
from .refusal import NotRecognisedError

STEPS = 4
"""Steps that are unrolled: enough to see what stays the same."""


@dataclass(frozen=True)
class Streamed:
    """A network of one step that was unrolled.

    Attributes:
        file: It, over ``STEPS`` steps.
        states: For each input that is a state, the output that it becomes.
    """

    file: ModelFile
    states: Mapping[str, str]


def states_of(reading: Reading, outputs: Sequence[str]) -> dict[str, str]:
    """Return the inputs of a step that are states, each with the output that is its next value.

    The next value of a state is computed from it by element-wise operators, also where it has
    become a membrane on the way; each output belongs to one state only.

    Args:
        reading: One step.
        outputs: Its outputs.
    """
    reach = {name: _reached(reading, name) for name in sorted(reading.inputs)}
    offered = {
        name: {out for out in outputs if _holds(reading.value(out), leaves)}
        for name, leaves in reach.items()
    }
    offered = {name: found for name, found in offered.items() if found}
    states: dict[str, str] = {}
    while offered:
        name = min(offered, key=lambda each: (len(offered[each]), each))
        if len(offered[name]) > 1:
            raise NotRecognisedError(f"input {name}: which output is its next value is not clear")
        (output,) = offered.pop(name)
        states[name] = output
        offered = {n: found - {output} for n, found in offered.items()}
        if lost := [n for n, found in offered.items() if not found]:
            raise NotRecognisedError(f"input {lost[0]}: no output is left that is its next value")
    return states


def _reached(reading: Reading, name: str) -> set[Leaf]:
    """Return the leaves that stand for an input: itself, and membranes made from it."""
    found = {Leaf("current", name)}
    for membrane, value in reading.membranes.items():
        if _holds(value, found):
            found.add(Leaf("membrane", membrane))
    return found


def _holds(value: Polynomial, leaves: set[Leaf]) -> bool:
    return any(leaf in leaves for leaf in value.leaves)


def streamed(file: ModelFile, nodes: Sequence[NodeProto], states: Mapping[str, str]) -> Streamed:
    """Return a network of one step unrolled over ``STEPS``.

    Its other inputs get an axis of time behind the batch, its other outputs are stacked.

    Args:
        file: The model of one step.
        nodes: Its nodes, in order.
        states: For each input that is a state, the output that it becomes.
    """
    graph = file.proto.graph
    made = ModelProto()
    made.CopyFrom(file.proto)
    del made.graph.node[:], made.graph.input[:], made.graph.output[:], made.graph.value_info[:]
    known = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name in states:
            rank = len(value.type.tensor_type.shape.dim)
            zeros = np.zeros((1,) * rank, np.float32)
            made.graph.initializer.append(numpy_helper.from_array(zeros, _at(value.name, 0)))
        elif value.name not in known:
            made.graph.input.append(_with_time(value))
            _slices(made, value.name)
    written = {name for node in nodes for name in node.output if name}
    for step in range(1, STEPS + 1):
        names = {name: _at(name, step) for name in written}
        for value in graph.input:
            if value.name in states:
                names[value.name] = _at(states[value.name] if step > 1 else value.name, step - 1)
            elif value.name not in known:
                names[value.name] = _at(value.name, step)
        for node in nodes:
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{node.name}@{step}" if node.name else ""
            copy.input[:] = [names.get(name, name) for name in node.input]
            copy.output[:] = [names.get(name, name) for name in node.output]
            made.graph.node.append(copy)
    wanted = [value.name for value in graph.output if value.name not in states.values()]
    for name in wanted or [value.name for value in graph.output]:
        _stack(made, name)
    return Streamed(ModelFile(made, file.opset, file.sha256, file.max_elements), dict(states))


MARK = "@step"
"""Between the name of a tensor and the number of its step."""


def name_of(tensor: str) -> str:
    """Return the name that a tensor has in the file of one step."""
    return tensor.split(MARK, maxsplit=1)[0]


def _at(name: str, step: int) -> str:
    return f"{name}{MARK}{step}"


def _with_time(value: ValueInfoProto) -> ValueInfoProto:
    dims = value.type.tensor_type.shape.dim
    sizes = [dim.dim_value or dim.dim_param or None for dim in dims]
    shape = [*sizes[:1], STEPS, *sizes[1:]]
    return helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, shape)


def _slices(model: ModelProto, name: str) -> None:
    for step in range(1, STEPS + 1):
        index = helper.make_tensor(f"{_at(name, step)}.index", TensorProto.INT64, [], [step - 1])
        model.graph.initializer.append(index)
        model.graph.node.append(
            helper.make_node("Gather", [name, index.name], [_at(name, step)], axis=1)
        )


def _stack(model: ModelProto, name: str) -> None:
    axes = helper.make_tensor(f"{name}.axes", TensorProto.INT64, [1], [0])
    model.graph.initializer.append(axes)
    parts = []
    for step in range(1, STEPS + 1):
        part = f"{_at(name, step)}.stacked"
        if max(e.version for e in model.opset_import if e.domain in ("", "ai.onnx")) < 13:
            node = helper.make_node("Unsqueeze", [_at(name, step)], [part], axes=[0])
        else:
            node = helper.make_node("Unsqueeze", [_at(name, step), axes.name], [part])
        model.graph.node.append(node)
        parts.append(part)
    model.graph.node.append(helper.make_node("Concat", parts, [name], axis=0))
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
