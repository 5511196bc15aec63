"""What each node of an ONNX graph is to a spiking network: the ground a partition is drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto

from ...ir import Input, TensorType
from .file import ModelFile
from .liveness import live_part
from .naming import first_output, operator, title
from .result import Cut, Unsupported
from .scan import scanned_tensors
from .signature import Signature, read_signature
from .values import Constant, RefusalError, Unknown, Value
from .walk import Walk

UNKNOWN = "reads a tensor of which too little is known"
BEHIND = "behind {}, which is not imported"
BEHIND_NODE = "mend that node, and this one is looked at; see the way round that is said there"
BEHIND_INPUT = "where that input is always the same, make it a constant with --fix-input"
UNKNOWN_HINT = "simplify the model before the export, e.g. with onnxsim, so that shapes are fixed"

NUMBERS = {TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.BOOL}
NUMBERS |= {TensorProto.INT32, TensorProto.INT64, TensorProto.UINT32, TensorProto.UINT64}
"""Types of inputs that no spiking network reads, but a host does."""


@dataclass(frozen=True)
class Survey:
    """The live nodes of a model.

    Attributes:
        inputs: The inputs that a user gives, those that only a host can read included.
        batch: The batch size the file is fixed to, or None.
        whole: The inputs without a batch axis: a sample has the whole tensor.
        able: The nodes that can be part of a spiking network, in order.
        unable: Why each of the other nodes cannot, in order.
        steps: The nodes of both kinds, in order: constants and read-outs are in neither.
        producers: For each tensor the node that computes it, constants included.
        values: For each tensor, what it is.
        outputs: For each output of the model, the tensor before its read-out.
        cut: The read-out operators that are left out.
        operators: The operator of each live node.
    """

    inputs: tuple[Input, ...]
    batch: int | None
    whole: frozenset[str]
    able: frozenset[str]
    unable: Mapping[str, Unsupported]
    steps: tuple[NodeProto, ...]
    producers: Mapping[str, NodeProto]
    values: Mapping[str, Value]
    outputs: Mapping[str, str]
    cut: tuple[Cut, ...]
    operators: tuple[str, ...]


def survey(path: Path, file: ModelFile, barred: Mapping[str, RefusalError]) -> Survey:
    """Look at every live node of a model.

    Args:
        path: The file, for messages.
        file: The model.
        barred: Nodes that shall not spike, by their first output, and why.

    Raises:
        ModelError: The inputs cannot be used, also by a host.
    """
    graph = file.proto.graph
    live = live_part(graph)
    signature, all_inputs, whole = _signatures(
        path, file, live.tensors, scanned_tensors(live.nodes)
    )
    walk = Walk(file, live, signature, barred)
    unread = {node.name for node in all_inputs} - {node.name for node in signature.inputs}
    walk.values |= {name: Unknown(f"input {name!r}") for name in unread}
    walk.run()
    producers = {name: node for node in live.nodes for name in node.output if name}
    steps = [n for n in live.nodes if not _is_constant(walk, n) and not _is_label(walk, n)]
    unable = {first_output(n): entry for n in steps if (entry := _refusal(walk, n)) is not None}
    return Survey(
        inputs=all_inputs,
        batch=signature.batch,
        whole=whole,
        able=frozenset(first_output(n) for n in steps) - unable.keys(),
        unable=unable,
        steps=tuple(steps),
        producers=producers,
        values=walk.values,
        outputs={v.name: _before_labels(walk, producers, v.name) for v in graph.output},
        cut=tuple(
            Cut(value.name, *label)
            for value in graph.output
            for label in walk.labels.get(value.name, ())
        ),
        operators=tuple(operator(node) for node in live.nodes),
    )


def _signatures(
    path: Path, file: ModelFile, used: frozenset[str], scanned: set[str]
) -> tuple[Signature, tuple[Input, ...], frozenset[str]]:
    """Return the inputs that a spiking network can read, all of them, and those without batch.

    The first input that a network can read says what the batch is; what has another first axis,
    or no axis behind it, has none: states of recurrent layers, a sampling rate. A host reads it.
    """
    graph = file.proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    lenient = GraphProto()
    lenient.CopyFrom(GraphProto(input=graph.input, name=graph.name))
    values = [v for v in lenient.input if v.name in used and v.name not in constants]
    hosted = set()
    for value in values:
        if value.type.tensor_type.elem_type in NUMBERS:
            # What users give, and what batches look like.
            value.type.tensor_type.elem_type = TensorProto.FLOAT
            hosted.add(value.name)
    leading = {v.name: _leading(v) for v in values if v.type.HasField("tensor_type")}
    readable = [n for n, first in leading.items() if first is not None and n not in hosted]
    batch = leading[readable[0]] if readable else None
    whole = {n for n, first in leading.items() if readable and first != batch}

    def signature(names: AbstractSet[str], *, unbatched: bool) -> Signature:
        limits = (path, lenient, names, scanned, file.max_elements)
        return read_signature(*limits, unbatched=unbatched)

    batched = signature(used - constants - whole, unbatched=False)
    rest = signature(whole, unbatched=True).inputs if whole else ()
    found = {node.name: node for node in (*batched.inputs, *rest)}
    nodes = tuple(node for node in batched.inputs if node.name not in hosted)
    every = tuple(found[value.name] for value in values)
    return replace(batched, inputs=nodes), every, frozenset(whole)


def _leading(value: ValueInfoProto) -> int | None:
    """Return the size of the first axis, 0 where it is symbolic; None where it is no batch."""
    dims = value.type.tensor_type.shape.dim
    return max(int(dims[0].dim_value), 0) if len(dims) > 1 else None


def _is_constant(walk: Walk, node: NodeProto) -> bool:
    names = [name for name in node.output if name]
    return all(isinstance(walk.values.get(name), Constant) for name in names)


def _is_label(walk: Walk, node: NodeProto) -> bool:
    return node.output[0] in walk.labels


def _before_labels(walk: Walk, producers: Mapping[str, NodeProto], name: str) -> str:
    while name in walk.labels:
        name = producers[name].input[0]
    return name


def _refusal(walk: Walk, node: NodeProto) -> Unsupported | None:
    """Return why a node cannot spike, or None."""
    if (entry := walk.refused.get(first_output(node))) is not None:
        return entry
    behind = walk.unread.get(first_output(node))
    if behind is None:
        return None
    if not behind:
        return Unsupported(operator(node), title(node), UNKNOWN, UNKNOWN_HINT)
    hint = BEHIND_INPUT if behind.startswith("input ") else BEHIND_NODE
    return Unsupported(operator(node), title(node), BEHIND.format(behind), hint, follows=True)


def activation_type(value: Value) -> TensorType | None:
    """Return the type of an activation without its batch axis; None for all else."""
    return getattr(value, "type", None)


def read_tensors(node: NodeProto) -> Iterator[str]:
    """Yield the tensors that a node reads, those that graphs inside it read included."""
    from .liveness import reads_of

    yield from dict.fromkeys(reads_of(node))
