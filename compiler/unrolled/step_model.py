"""One step of an unrolled network as an ONNX model of its own: the synapses between neurons.

Its inputs are the spikes and the parts of inputs that the step reads, its outputs the currents
that neurons read. So the importer converts it as any other model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ...ir import Array, Graph
from ..onnx_import.examine import examine_file, required_model
from ..onnx_import.file import ModelFile
from ..onnx_import.liveness import reads_of
from .refusal import NotRecognisedError

IDENTITY = ".read"
"""Behind the name of an input that neurons read without a synapse between."""


@dataclass(frozen=True)
class StepModel:
    """The synapses of a step.

    Attributes:
        graph: They, as an ANN: its inputs have the names of the tensors they stand for.
        inputs: The names of its inputs.
    """

    graph: Graph
    inputs: tuple[str, ...]

    def value(self, tensor: str) -> str:
        """Return the node that a current is."""
        return self.graph.outputs.get(tensor) or self.graph.outputs[tensor + IDENTITY]


def step_model(
    file: ModelFile,
    nodes: Sequence[NodeProto],
    currents: Iterable[str],
    is_boundary: Callable[[str], bool],
    constants: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
) -> StepModel:
    """Cut out what computes currents.

    Args:
        file: The whole model.
        nodes: Its nodes, in order.
        currents: Names of the tensors that neurons read.
        is_boundary: Whether a tensor is a spike or an input: not looked behind.
        constants: The values of constant tensors.
        shapes: For each boundary its shape without the batch axis.

    Raises:
        NotRecognisedError: An operator between two layers cannot be converted.
    """
    producers = {name: node for node in nodes for name in node.output if name}
    wanted = list(dict.fromkeys(currents))
    inputs: dict[str, None] = {}
    fixed: dict[str, None] = {}
    used: set[int] = set()
    stack = [name for name in wanted if not is_boundary(name)]
    inputs.update(dict.fromkeys(name for name in wanted if is_boundary(name)))
    while stack:
        node = producers.get(stack.pop())
        if node is None or id(node) in used:
            continue
        used.add(id(node))
        for name in reads_of(node):
            if name in constants:
                fixed[name] = None
            elif is_boundary(name):
                inputs[name] = None
            else:
                stack.append(name)
    inside = [node for node in nodes if id(node) in used]
    model = _model(file, inside, wanted, inputs, {name: constants[name] for name in fixed}, shapes)
    path = Path("one step")
    found = examine_file(path, ModelFile(model, file.opset, file.sha256, file.max_elements))
    if found.unsupported:
        first = found.unsupported[0]
        raise NotRecognisedError(
            f"between two layers, the operator {first.operator} ({first.node}) {first.reason}"
        )
    return StepModel(required_model(path, found).graph, tuple(inputs))


def _model(
    file: ModelFile,
    nodes: Sequence[NodeProto],
    wanted: Sequence[str],
    inputs: Iterable[str],
    fixed: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
) -> ModelProto:
    graph = GraphProto(name="step")
    for name in inputs:
        graph.input.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shapes[name]])
        )
    graph.initializer.extend(numpy_helper.from_array(x, name) for name, x in fixed.items())
    graph.node.extend(nodes)
    for name in wanted:
        output = name
        if name in inputs:
            output = name + IDENTITY
            graph.node.append(helper.make_node("Identity", [name], [output]))
        graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    model = ModelProto(graph=graph, ir_version=file.proto.ir_version)
    model.opset_import.extend(file.proto.opset_import)
    return model
