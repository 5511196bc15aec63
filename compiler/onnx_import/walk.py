"""Walks through an ONNX graph once, converts each node and collects everything it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from onnx import GraphProto, NodeProto, numpy_helper

from ...ir import Array, Input, Node, Previous, Reshape, TensorType
from ...ir.errors import ModelError, ShapeError
from . import conditional, loop, recurrent, scan
from .constants import FOLDABLE, Folder, cast_to_real
from .file import ModelFile
from .handlers import CONSTANT_HANDLERS, HINT, HINTS, handler_of
from .handlers.gathering import part_of, split
from .inference import inferred_types, types_behind
from .lists import OPERATORS, rule_of
from .liveness import READOUT, Live, domain, live_part, readers, standard
from .moved_integers import without_grid
from .naming import first_output, operator, title
from .operation import Operation
from .readout import check_readout
from .result import HeldError, Unsupported
from .room import Room
from .scan import VIEWS
from .scope import defined_names, local
from .signature import Signature
from .unbatched import behind, convert_unbatched, lifted
from .values import (
    Activation,
    Constant,
    Directed,
    Elements,
    Grid,
    Made,
    RefusalError,
    Unknown,
    Value,
)

UNEXPECTED = (ArithmeticError, AssertionError, LookupError, MemoryError, TypeError, ValueError)
"""What code that reads attributes and shapes raises on nonsense nobody thought of."""

CONTROL = {"If": conditional.convert, "Loop": loop.convert, "Scan": scan.convert}
"""What converts the operators that hold graphs."""

_NONSENSE = "export the model again; report it if ONNX Runtime runs the model"


class Walk:
    """The state of one walk; ``run`` fills the public attributes.

    Attributes:
        nodes: The nodes made so far, in order.
        values: For each ONNX tensor, what it is.
        labels: For each tensor after a read-out, the operators and nodes it went through.
        supported: Operator and node name of the ONNX nodes that were converted or folded.
        unsupported: The nodes that were not.
        running: The nodes whose value differs from element to element of a sequence.
        refused: The entry of ``unsupported`` of each node that has one, by its first output.
        unread: For nodes that read what is unknown, by their first output, behind what they stand.
        trips: The trips of the loops that the walk is in.
        unbatched: Whether tensors have no batch axis.
        unrolled: Nodes of all loops, written out, up to now.

    Args:
        file: The model.
        live: What its outputs depend on.
        signature: Its inputs.
        barred: Nodes that shall not be converted, by their first output, and why.
    """

    def __init__(
        self,
        file: ModelFile,
        live: Live,
        signature: Signature,
        barred: Mapping[str, RefusalError] | None = None,
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.values: dict[str, Value] = {}
        self.labels: dict[str, tuple[tuple[str, str], ...]] = {}
        self.supported: list[tuple[str, str]] = []
        self.unsupported: list[Unsupported] = []
        self.running: set[str] = set()
        self.refused: dict[str, Unsupported] = {}
        self.unread: dict[str, str] = {}
        self.trips: list[int] = []
        self.unrolled = 0
        self._barred = barred or {}
        self._file, self._live, self._signature = file, live, signature
        self.unbatched = signature.unbatched
        self._types: dict[str, TensorType] = {}
        self._initializers = {tensor.name: tensor for tensor in file.proto.graph.initializer}
        self._taken = {name for node in file.proto.graph.node for name in node.output}
        self._taken |= live.tensors
        self._defined = defined_names(file.proto.graph)
        self._readers = dict(readers(live, file.proto.graph))
        self._folder = Folder(
            file.opset, signature.batch, file.proto.ByteSize(), unbatched=signature.unbatched
        )
        self._room = Room(file.max_elements, file.proto.ByteSize())
        self._inferred: Mapping[str, TensorType] | None = None

    def run(self) -> None:
        """Convert all live nodes."""
        for node in self._signature.inputs:
            grid = self._signature.grids.get(node.name)
            value = replace(self._entered(node), grid=grid)
            sequence = node.sequence is not None
            self.values[node.name] = Elements(value, node.sequence or 0) if sequence else value
        for proto, tail in zip(self._live.nodes, self._live.tail, strict=True):
            self.visit(proto, tail=tail)

    def _entered(self, node: Input) -> Activation:
        """Return an input; without a batch axis users do not see a first axis of size 1."""
        shape = node.type.shape
        if not self.unbatched or behind(shape) == shape:
            return self.emit((node,))
        seen = replace(node, type=TensorType(behind(shape)))
        whole = Reshape(name=self._fresh(f"{node.name}.whole"), inputs=(node.name,), shape=shape)
        return self.emit((seen, whole))

    def left(self, name: str) -> Value:
        """Return what an output of the model is; see ``_entered``."""
        value = self.value(name)
        if not self.unbatched or not isinstance(value, Activation):
            return value
        shape = value.type.shape
        if behind(shape) == shape:
            return value
        seen = Reshape(name=self._fresh(f"{name}.row"), inputs=(value.name,), shape=behind(shape))
        return replace(value, node=seen, type=self.emit((seen,)).type)

    def value(self, name: str) -> Value:
        """Return what a tensor is."""
        if name in self._initializers and name not in self.values:
            try:
                array = numpy_helper.to_array(self._initializers[name])
            except Exception as error:  # of any class: the data do not fit their type
                hint = "export the model again"
                raise ModelError(f"tensor {name!r}: cannot be read: {error}", hint=hint) from error
            self.values[name] = Constant(array, array)
        return self.values.get(name, Unknown()) if name else None

    def enter(self, body: GraphProto) -> tuple[GraphProto, Live]:
        """Return the graph inside a node with names that no other tensor has, and what it needs."""
        trips = "".join(f".{trip}" for trip in self.trips)
        body = local(body, self._defined, lambda name: self._fresh(f"{name}{trips}"))
        self._defined |= defined_names(body)
        self._taken |= defined_names(body)
        self._initializers |= {tensor.name: tensor for tensor in body.initializer}
        inner = live_part(body)
        self._readers |= readers(inner, body)
        return body, inner

    def inside(self, nodes: Sequence[NodeProto]) -> None:
        """Convert nodes inside a node, which cannot be converted where one of them cannot."""
        for node in nodes:
            self.visit(node, tail=False)
            name = first_output(node)
            if name in self.refused or name in self.unread:
                raise HeldError(self.refused.get(name), self.unread.get(name, ""))

    def visit(self, proto: NodeProto, *, tail: bool) -> None:
        """Convert a node, or note why it cannot be."""
        if (bar := self._barred.get(first_output(proto))) is not None:
            self._refuse(proto, bar)
            return
        inputs = {name: self.value(name) for name in proto.input}
        rules = {*FOLDABLE, *CONTROL, *recurrent.FUNCTIONS, *OPERATORS}
        foldable = standard(proto) and (proto.op_type in rules or tail)
        known = foldable or handler_of(proto) is not None
        unknown = [value.behind for value in inputs.values() if isinstance(value, Unknown)]
        if known and unknown:
            self.unread[first_output(proto)] = behind = next(filter(None, unknown), "")
            self._go_on_behind(proto, behind)
            return  # its source was refused: whatever is said here would be noise
        try:
            with np.errstate(all="ignore"):  # what overflows is refused when it is emitted
                self._convert(proto, inputs, tail=tail)
        except RefusalError as refusal:
            self._refuse(proto, refusal)
        except HeldError as held:  # which is listed
            self._blame(proto, held)
        except UNEXPECTED as error:  # a file that passed the checks of onnx, and is nonsense
            reason = f"cannot be understood ({type(error).__name__}: {error})"
            self._refuse(proto, RefusalError(reason, _NONSENSE))
        else:
            self.supported.append((operator(proto), title(proto)))

    def _convert(self, proto: NodeProto, inputs: Mapping[str, Value], *, tail: bool) -> None:
        folded = self._fold(proto, inputs)
        if folded is not None:
            self.values.update(folded)
            return
        whole = self.unbatched
        if whole and (not standard(proto) or proto.op_type in ("Scan", *recurrent.FUNCTIONS)):
            raise RefusalError("needs a batch axis", "export the model with a batch axis in front")
        if proto.op_type in CONTROL and standard(proto):
            values = [inputs[name] for name in proto.input]
            CONTROL[proto.op_type](self, proto, values, self._file.opset)
            return
        if proto.op_type in recurrent.FUNCTIONS and standard(proto):
            op = self.operation(proto, [inputs.get(name) for name in proto.input], several=True)
            recurrent.convert(self, proto, op)
            self._expect_all_read(op)
            return
        source = inputs[proto.input[0]] if proto.input else None
        if isinstance(source, Directed) and standard(proto) and proto.op_type in recurrent.VIEWS:
            op = self.operation(proto, [inputs[name] for name in proto.input])
            self.values[op.output] = recurrent.VIEWS[proto.op_type](op, source)
            return
        if isinstance(source, Elements) and standard(proto) and proto.op_type in VIEWS:
            op = self.operation(proto, [inputs[name] for name in proto.input])
            self.values[op.output] = VIEWS[proto.op_type](op, source)
            return
        if standard(proto) and (listing := rule_of(proto.op_type, source)) is not None:
            op = self.operation(proto, [inputs[name] for name in proto.input])
            self.values[op.output] = listing(op, 0 if whole else 1)
            self._expect_all_read(op)
            return
        if handler_of(proto) is None and not tail and not _splits(proto):
            raise RefusalError("is not supported", HINTS.get(proto.op_type, HINT))
        inputs, grid = without_grid(proto, inputs)
        splits = _splits(proto)
        op = self.operation(proto, [inputs[name] for name in proto.input], several=splits)
        if splits:
            self._split(lifted(op) if whole else op, grid)
        else:
            self._apply(proto, op, grid, tail=tail)
        self._expect_all_read(op)

    def _apply(self, proto: NodeProto, op: Operation, grid: Grid | None, *, tail: bool) -> None:
        """Let the operator's handler convert a node of one output."""
        handler = handler_of(proto)
        whole = self.unbatched
        if tail and self._label(proto, lifted(op) if whole else op):
            return
        if handler is None:
            return
        made = convert_unbatched(op, handler) if whole else handler(op)
        if not isinstance(made, Made):
            made = Made(made, grid)
        value = self.emit(made.nodes) if made.nodes else op.tensor()
        self.values[op.output] = replace(
            value, grid=made.grid, function=made.function, slope=made.slope
        )

    def _split(self, op: Operation, grid: Grid | None) -> None:
        """Convert ``Split``, the only operator with several outputs."""
        for name, (begin, end) in zip(op.outputs, split(op, len(op.outputs)), strict=True):
            value = self.emit((part_of(op, name, begin, end),))
            self.values[name] = replace(value, grid=grid)

    def _expect_all_read(self, op: Operation) -> None:
        if op.unread:
            raise RefusalError(
                f"attribute {op.unread[0]} is not supported", "export without that attribute"
            )

    def _fold(self, proto: NodeProto, inputs: Mapping[str, Value]) -> Mapping[str, Constant] | None:
        """Return the outputs of a node whose inputs are constant, or None."""
        if all(value is None or isinstance(value, Constant) for value in inputs.values()):
            rule = CONSTANT_HANDLERS.get((domain(proto), proto.op_type))
            if rule is not None:
                op = self.operation(proto, [inputs[name] for name in proto.input])
                given = [value for value in inputs.values() if isinstance(value, Constant)]
                self._folder.quantise(proto, given)
                folded = {op.output: rule(op)}
                self._expect_all_read(op)
                return folded
        if not standard(proto) or proto.op_type not in FOLDABLE:
            return None
        if proto.op_type == "CastLike" and isinstance(inputs[proto.input[-1]], Activation):
            return cast_to_real(proto, inputs)
        if proto.op_type in ("Shape", "Size"):
            source = inputs[proto.input[0]]
            if isinstance(source, (Activation, Elements)):
                return {proto.output[0]: self._folder.shape(proto, source)}
        constants = {n: value for n, value in inputs.items() if isinstance(value, Constant)}
        if any(value is not None and name not in constants for name, value in inputs.items()):
            return None
        return self._folder.fold(proto, constants)

    def operation(
        self, proto: NodeProto, inputs: list[Value], *, several: bool = False
    ) -> Operation:
        """Return a node as its handler sees it; ``several`` of its outputs may be used."""
        more = [name for name in proto.output[1:] if name in self._live.tensors]
        if more and not several:
            raise RefusalError(
                f"its further output {more[0]!r} is used", "use the first output of the node only"
            )
        return Operation(
            proto,
            self._file.opset,
            inputs,
            fresh=self._fresh,
            lookup=lambda name: Activation(self.nodes[name], self._types[name]),
            emit=self.emit,
            readers=self._readers.get(proto.output[0], frozenset()),
            batch=self._signature.batch or 1,
            single=self._signature.batch == 1,
            room=self._room.left,
            rest=self._room.rest,
        )

    def _label(self, proto: NodeProto, op: Operation) -> bool:
        """Leave a node out if it is part of the read-out."""
        labels = self.labels.get(proto.input[0], ())
        if proto.op_type in READOUT:
            check_readout(op, after=tuple(operator for operator, _ in labels))
            labels = (*labels, (proto.op_type, title(proto)))
        elif not labels:
            return False
        else:
            op.ignore(*(attribute.name for attribute in proto.attribute))
        self.labels[op.output], self.values[op.output] = labels, op.activation()
        return True

    def emit(self, nodes: tuple[Node, ...]) -> Activation:
        """Add nodes to the graph, and return what the last of them computes."""
        for node in nodes:
            try:
                type = node.infer(*(self._types[name] for name in node.inputs))
            except ShapeError as error:
                reason = error.problems[0].message.removeprefix(f"{node.name}: ")
                hint = "correct the shapes, or export the model again"
                raise RefusalError(reason, error.hint or hint) from error
            reads = tuple(self._types[name] for name in node.inputs)
            self._room.take(node, reads, type)
            self.nodes[node.name], self._types[node.name] = node, type
            sequence = isinstance(node, Input) and node.sequence is not None
            if sequence or isinstance(node, Previous) or self.running.intersection(node.inputs):
                self.running.add(node.name)
        return Activation(node, type)

    def _fresh(self, name: str) -> str:
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return name

    def _refuse(self, proto: NodeProto, refusal: RefusalError) -> None:
        """Note a node that cannot be converted, and go on with what is known of its outputs."""
        entry = Unsupported(operator(proto), title(proto), refusal.reason, refusal.hint)
        self.unsupported.append(entry)
        self.refused[first_output(proto)] = entry
        self._go_on_behind(proto, entry.named)

    def _blame(self, proto: NodeProto, held: HeldError) -> None:
        """Note that a node cannot be converted because of one it holds."""
        if held.entry is None:
            self.unread[first_output(proto)] = behind = held.behind
        else:
            reason = f"holds {held.entry.operator} {held.entry.node}, which {held.entry.reason}"
            entry = Unsupported(operator(proto), title(proto), reason, held.entry.hint)
            self.refused[first_output(proto)] = entry
            behind = entry.named
        self._go_on_behind(proto, behind)

    def _types_behind(self, proto: NodeProto) -> Mapping[str, TensorType]:
        """Return what follows from the inputs of a node, where all of them are known."""
        known: dict[str, TensorType | Array] = {}
        for name in filter(None, proto.input):
            value = self.value(name)
            if isinstance(value, Constant) and value.fixed:
                known[name] = value.value
            elif isinstance(value, Activation) and value.grid is None:
                known[name] = value.type
            else:
                return {}
        inner = any(attribute.HasField("g") for attribute in proto.attribute)
        if inner or not standard(proto) or self.unbatched:
            return {}
        return types_behind(proto, self._file.opset, known, self._signature.batch)

    def _go_on_behind(self, proto: NodeProto, cause: str) -> None:
        """Take what is known of the outputs of a node that was not converted because of a cause."""
        if self._inferred is None:
            self._inferred = inferred_types(
                self._file.proto, self._signature.batch, unbatched=self.unbatched
            )
        behind = self._types_behind(proto)
        for name in proto.output:
            type = self._inferred.get(name, behind.get(name))
            self.values[name] = Unknown(cause)
            if type:
                with suppress(RefusalError):  # it is too large: whatever reads it stays unknown
                    self.values[name] = self.emit((Input(name=name, type=type),))


def _splits(proto: NodeProto) -> bool:
    """Whether a node is a ``Split``, whose outputs are several activations."""
    return proto.op_type == "Split" and standard(proto)
