"""Reads an ONNX file that may be broken or hostile: every failure becomes a ``ModelError``."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import onnx
import onnx.inliner
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, TensorProto, helper
from onnx.external_data_helper import load_external_data_for_model

from ...ir.errors import ModelError
from ...ir.extent import LONGEST_NAME, MOST_ELEMENTS
from .expansion import MOST_NODES, all_nodes, expanded_nodes, graphs_inside
from .fixed_inputs import FixedInputs, fix_inputs
from .input_shapes import Shapes, fix_input_shapes
from .light import without_weights

LARGEST = 2**31 - 1
"""Bytes a model may have, external data included: the limit of the protobuf format."""
_TERM = r"[A-Za-z ]*(\.\.\.)?[A-Za-z ]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")
MODEL_FIELDS = {"graph", "ir_version", "opset_import", "producer_name"}
GRAPH_FIELDS = {"initializer", "input", "name", "node", "output"}
"""What a part of a model consists of."""
OLDEST_OPSET = 7
"""Before it, broadcasting and BatchNormalization had other rules."""


@dataclass(frozen=True)
class ModelFile:
    """A checked model with all its data.

    Attributes:
        proto: The model; local functions are inlined, external data are loaded.
        opset: Version of the standard operators.
        sha256: Hash of the file, followed by its external data if it has any.
        max_elements: Numbers that one value of one sample may have; more are refused.
    """

    proto: ModelProto
    opset: int
    sha256: str
    max_elements: int = MOST_ELEMENTS


def read(
    path: Path,
    max_elements: int = MOST_ELEMENTS,
    input_shapes: Shapes | None = None,
    fixed_inputs: FixedInputs | None = None,
) -> ModelFile:
    """Read and check an ONNX file.

    Args:
        path: The file; external data are read from its folder only.
        max_elements: Numbers that one value of one sample may have.
        input_shapes: Shapes of inputs whose sizes the file leaves open.
        fixed_inputs: Numbers of inputs that are always the same.

    Raises:
        ModelError: There is no such file, it is not ONNX, it is damaged, too large or too old.
        OptionError: There is no input of that name, or what is to be fixed does not fit it.
    """
    content = _content(path)
    proto = _parsed(path, content)
    opset = _opset(path, proto)
    fix_input_shapes(path, proto, input_shapes or {})
    fix_inputs(path, proto, fixed_inputs or {}, max_elements)
    digest = sha256(content)
    _expect_sane(path, proto)
    files = sorted(_external_files(path, proto))
    for file in files:
        digest.update(file.read_bytes())
    with _onnx_errors(path, "its external data cannot be loaded", "export the model again"):
        load_external_data_for_model(proto, str(path.parent))
    with _onnx_errors(path, "is not valid ONNX", "export the model again"):
        _name_domains(proto)
        onnx.checker.check_model(without_weights(proto))  # the walk checks those it reads
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto)
    return ModelFile(proto, opset, digest.hexdigest(), max_elements)


def read_extracted(path: Path) -> ModelProto:
    """Read and check a part of a model as ``partition.extract`` writes it: all in one file.

    Whoever runs it gets nothing but what was checked: no tensor is stored elsewhere, there are no
    functions, and nothing in it that this version of onnx does not know.

    Args:
        path: The file.

    Raises:
        ModelError: It is not ONNX, it is damaged, or it holds more than a part of a model.
    """
    proto = _parsed(path, _content(path))
    proto.DiscardUnknownFields()
    _opset(path, proto)
    unknown = _fields(proto) - MODEL_FIELDS | _fields(proto.graph) - GRAPH_FIELDS
    if unknown:
        raise ModelError(
            f"{path}: has {', '.join(sorted(unknown))}, which no part of a model has",
            hint="compile the model again",
        )
    _expect_sane(path, proto)
    for tensor in _tensors(proto.graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ModelError(
                f"{path}: tensor {tensor.name!r} is stored outside of the file",
                hint="compile the model again",
            )
    light = without_weights(proto)
    for value in (*light.graph.input, *light.graph.output):
        if value.type.HasField("tensor_type"):  # its shape may be unknown between two parts
            value.type.tensor_type.shape.SetInParent()
    with _onnx_errors(path, "is not valid ONNX", "compile the model again"):
        onnx.checker.check_model(light)
    return proto


def _fields(message: ModelProto | GraphProto) -> set[str]:
    return {field.name for field, _ in message.ListFields()}


def _parsed(path: Path, content: bytes) -> ModelProto:
    with _onnx_errors(path, "is not a readable ONNX model", "check that the file is complete"):
        proto = onnx.load_model_from_string(content)
    if not proto.ir_version or not proto.graph.output:
        raise ModelError(
            f"{path}: is not an ONNX model", hint="give a file that was exported to ONNX"
        )
    if proto.graph.sparse_initializer:
        raise ModelError(f"{path}: has sparse weights", hint="export the model with dense weights")
    return proto


def _content(path: Path) -> bytes:
    if path.is_dir():
        compiled = f"; `snnc show {path}` shows what was compiled"
        is_artifact = (path / "manifest.json").is_file()
        hint = f"give the .onnx file itself{compiled if is_artifact else ''}"
        raise ModelError(f"{path}: is a folder", hint=hint)
    try:
        if path.exists() and not path.is_file():  # a pipe would block, a device never ends
            raise ModelError(
                f"{path}: is not a plain file", hint="save the model to a file, and give that"
            )
        if path.stat().st_size > LARGEST:
            raise _too_large(path)
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file", hint="check the path of the model") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ModelError(f"{path}: cannot be read: {error}", hint="check the file") from error
    if not content:
        raise ModelError(f"{path}: the file is empty", hint="export the model again")
    return content


def _expect_sane(path: Path, proto: ModelProto) -> None:
    """Refuse what costs more than any model is worth, before anything is done with it."""
    if expanded_nodes(proto) > MOST_NODES:
        raise ModelError(
            f"{path}: has more than {MOST_NODES} nodes, or functions that call themselves",
            hint="simplify the model, e.g. with onnxsim, or convert a part of it",
        )
    for word in _words(proto):
        if not isinstance(word, str):  # so protobuf gives what is no UTF-8
            raise ModelError(
                f"{path}: the name {bytes(word[:60])!r} is no text in UTF-8",
                hint="export the model again",
            )
    for node in all_nodes(proto):
        if node.op_type == "Einsum" and not all(map(_is_equation, node.attribute)):
            raise ModelError(
                f"{path}: the Einsum {node.name or ' '.join(node.output)!r} has no valid equation",
                hint="export the model again",
            )
    for name in _names(proto):
        if len(name) > LONGEST_NAME:
            raise ModelError(
                f"{path}: the tensor {name[:60]!r}... has a name of {len(name)} characters",
                hint=f"give tensors names of at most {LONGEST_NAME} characters",
            )


def _is_equation(attribute: AttributeProto) -> bool:
    """Whether the equation of an Einsum has the right form; onnx hangs on some that have not."""
    return bool(_EQUATION.fullmatch(attribute.s.decode(errors="replace")))


def _words(proto: ModelProto) -> Iterator[str | bytes]:
    """Yield all names that messages and look-ups are made of."""
    yield from (proto.graph.name, *(entry.domain for entry in proto.opset_import))
    yield from _names(proto)
    for node in all_nodes(proto):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for tensor in _tensors(proto.graph, *proto.functions):
        yield tensor.name
        yield from (entry.key for entry in tensor.external_data)
        yield from (entry.value for entry in tensor.external_data)


def _names(proto: ModelProto) -> Iterator[str]:
    nodes = list(all_nodes(proto))
    inner = (graph for node in nodes for graph in graphs_inside(node))
    for graph in (proto.graph, *inner):
        yield from (value.name for value in (*graph.input, *graph.output, *graph.initializer))
    yield from (name for node in nodes for name in (node.name, *node.output))


def _too_large(path: Path) -> ModelError:
    return ModelError(
        f"{path}: the model is larger than 2 GB", hint="convert a smaller part of the network"
    )


@contextmanager
def _onnx_errors(path: Path, what: str, hint: str) -> Iterator[None]:
    # onnx raises a dozen unrelated exception classes on damaged files, some of them (protobuf's)
    # not even part of its interface, and warns about what it goes on to ignore.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        text = str(error).strip() or type(error).__name__
        raise ModelError(f"{path}: {what}: {text}", hint=hint) from error


def _opset(path: Path, proto: ModelProto) -> int:
    versions = [int(e.version) for e in proto.opset_import if e.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError(f"{path}: does not say which opset it uses", hint="export the model again")
    newest = onnx.defs.onnx_opset_version()
    if versions[0] < OLDEST_OPSET:
        raise ModelError(
            f"{path}: uses opset {versions[0]}, the oldest that can be read is {OLDEST_OPSET}",
            hint="export the model with opset 13 or newer, or use onnx.version_converter",
        )
    if versions[0] > newest:
        raise ModelError(
            f"{path}: uses opset {versions[0]}, the installed onnx knows opsets up to {newest}",
            hint=f"upgrade the package onnx, or export the model with opset {newest}",
        )
    return versions[0]


def _name_domains(proto: ModelProto) -> None:
    """Import the domains of all operators; exporters of quantised models forget their own."""
    named = {entry.domain for entry in proto.opset_import}
    used = {node.domain for node in proto.graph.node} - {"", "ai.onnx"}
    proto.opset_import.extend(helper.make_opsetid(name, 1) for name in sorted(used - named))


def _external_files(path: Path, proto: ModelProto) -> set[Path]:
    """Return the files that hold external data; refuse any outside the model's folder.

    All data that will be read count, so that many tensors in one file are no way round the limit.
    """
    folder = path.parent.resolve()
    files = set()
    total = proto.ByteSize()
    for tensor in _tensors(proto.graph, *proto.functions):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        location = next((e.value for e in tensor.external_data if e.key == "location"), "")
        try:
            file = (folder / location).resolve()
            inside, exists = file.is_relative_to(folder), file.is_file()
        except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links
            inside, exists = False, False
        if not inside:
            raise ModelError(
                f"{path}: tensor {tensor.name!r} is stored in {location!r}, "
                "which is not in the model's folder",
                hint="save the external data beside the model",
            )
        if not exists:
            raise ModelError(
                f"{path}: tensor {tensor.name!r} is stored in {location!r}, which does not exist",
                hint="put the file with the external data beside the model",
            )
        files.add(file)
        total += _stored_bytes(tensor, file.stat().st_size)
    if total > LARGEST:
        raise _too_large(path)
    return files


def _stored_bytes(tensor: TensorProto, most: int) -> int:
    """Return how much of a file a tensor takes; nonsense is refused where it is read."""
    length = next((e.value for e in tensor.external_data if e.key == "length"), "")
    return min(int(length), most) if length.isdecimal() and len(length) < 20 else most


def _tensors(*graphs: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    """Yield every tensor of graphs and functions, and of the graphs inside their nodes."""
    for graph in graphs:
        if isinstance(graph, GraphProto):
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from _attribute_tensors(attribute)


def _attribute_tensors(attribute: AttributeProto) -> Iterable[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
        yield from (sparse.values, sparse.indices)
    for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
        yield from _tensors(graph)
