"""A region of a model as an ONNX model of its own.

What is constant is not part of any region: each gets the constants it reads, computed by the same
nodes from the same initializers, so that a quantised weight keeps its scale. A constant that the
file computes from the shape of an activation is put in as a number, unless it depends on the batch
size: then the nodes that compute it come along, and read that activation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ...ir import Array
from ...ir.errors import ModelError
from ..onnx_import.file import ModelFile
from ..onnx_import.naming import first_output
from ..onnx_import.survey import Survey, activation_type, read_tensors
from ..onnx_import.values import Constant
from .operations import Types

COPIED, COPIES = 1 << 26, 4
"""Bytes that all regions may copy, and how often all of the file: each has what it reads."""


@dataclass
class Reach:
    """What nodes read, constants followed to where they come from.

    Attributes:
        tensors: Activations and inputs of the model.
        initializers: Initializers of the model.
        nodes: Nodes that compute constants, by their first output.
        numbers: Constants that are put in as numbers.
    """

    tensors: dict[str, None] = field(default_factory=dict)
    initializers: set[str] = field(default_factory=set)
    nodes: dict[str, NodeProto] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)


class Extractor:
    """Cuts regions out of a model.

    Args:
        file: The model.
        found: What its nodes are.
        types: The types of its tensors, for a batch of one sample.
    """

    def __init__(self, file: ModelFile, found: Survey, types: Types) -> None:
        self._file, self._found, self._types = file, found, types
        graph = file.proto.graph
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._infos: dict[str, ValueInfoProto] = {value.name: value for value in graph.input}
        self._steps = {name for node in found.steps for name in node.output if name}
        self._order = {name: place for place, name in enumerate(found.producers)}
        self._pure: dict[str, bool] = {}
        self._left = COPIED + COPIES * file.proto.ByteSize()

    def reach(self, nodes: Collection[NodeProto]) -> Reach:
        """Return what some nodes read that none of them computes."""
        reach = Reach()
        own = {name for node in nodes for name in node.output if name}
        for node in nodes:
            for name in read_tensors(node):
                self._follow(name, own, reach)
        return reach

    def _follow(self, name: str, own: Collection[str], reach: Reach) -> None:
        found = self._found
        if name in own or name in reach.numbers or name in reach.tensors:
            return
        if name in self._initializers:
            reach.initializers.add(name)
        elif name in self._steps or name in self._infos:
            reach.tensors[name] = None
        elif (node := found.producers.get(name)) is not None:
            value = found.values.get(name)
            if isinstance(value, Constant) and value.fixed and not self._is_pure(name):
                reach.numbers.add(name)
            elif first_output(node) not in reach.nodes:
                reach.nodes[first_output(node)] = node
                for source in read_tensors(node):
                    self._follow(source, own, reach)
        # else it is a tensor inside a graph inside the node

    def _is_pure(self, name: str) -> bool:
        """Whether a constant is computed from initializers only."""
        if name not in self._pure:
            if name in self._steps:
                self._pure[name] = False
            elif (node := self._found.producers.get(name)) is not None:
                self._pure[name] = all(self._is_pure(source) for source in read_tensors(node))
            else:
                self._pure[name] = name in self._initializers or name not in self._infos
        return self._pure[name]

    def model(self, nodes: Collection[NodeProto], outputs: Collection[str]) -> ModelProto:
        """Return some nodes as a model.

        Args:
            nodes: The nodes, in order.
            outputs: The tensors that it shall give.
        """
        reach, proto = self.reach(nodes), self._file.proto
        self._expect_room(reach)
        model = ModelProto(ir_version=max(proto.ir_version, 4), producer_name="snnc")
        model.opset_import.extend(proto.opset_import)
        graph = model.graph
        graph.name = "region"
        every = [*reach.nodes.values(), *nodes]  # a constant may read the shape of an activation
        graph.node.extend(sorted(every, key=lambda node: self._order[first_output(node)]))
        graph.input.extend(self._info(name) for name in reach.tensors)
        graph.output.extend(self._info(name) for name in outputs)
        graph.initializer.extend(self._initializers[name] for name in sorted(reach.initializers))
        for name in sorted(reach.numbers):
            graph.initializer.append(numpy_helper.from_array(_value(self._found, name), name))
        return model

    def _expect_room(self, reach: Reach) -> None:
        """Count what a region copies; refuse it where few bytes of the file become many."""
        self._left -= sum(self._initializers[name].ByteSize() for name in reach.initializers)
        self._left -= sum(_value(self._found, name).nbytes for name in reach.numbers)
        if self._left < 0:
            raise ModelError(
                "the regions of the model would have many copies of its weights",
                hint="export each weight that is used twice as two, or convert a part of it",
            )

    def _info(self, name: str) -> ValueInfoProto:
        """Return the type of a tensor; the batch axis, where it is one, has the file's size."""
        if name in self._infos:
            return self._infos[name]
        known, inferred = activation_type(self._found.values.get(name)), self._types.get(name)
        element = inferred.elem_type if inferred and inferred.elem_type else TensorProto.FLOAT
        batch = self._found.batch or "N"
        shape = None if known is None else (batch, *known.shape)
        info: ValueInfoProto = helper.make_tensor_value_info(name, element, shape)
        return info


def _value(found: Survey, name: str) -> Array:
    value = found.values[name]
    assert isinstance(value, Constant)
    return value.value


def needed_outputs(
    regions: list[list[NodeProto]], extractor: Extractor, outputs: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """Return for each region the tensors that another one reads, or that are outputs."""
    wanted = set(outputs.values())
    for nodes in regions:
        wanted |= set(extractor.reach(nodes).tensors)
    return [tuple(n for node in nodes for n in node.output if n in wanted) for nodes in regions]
