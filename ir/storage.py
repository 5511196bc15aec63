"""A graph as a JSON document and a set of arrays, and back. Never pickle.

The JSON document holds every field of every node; an array appears as a reference to an
entry of an ``.npz`` file. Reading refuses anything it does not know.
"""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .errors import ArtifactError, GraphError
from .extent import extent
from .field_types import as_text, expect_field_types
from .graph import Graph
from .leaky import LI, LIF, CubaLI, CubaLIF, LoihiLIF
from .neurons import IF, Encoder, Integrator
from .node import Node
from .ops import (
    Add,
    Affine,
    AveragePool,
    Clip,
    Conv,
    Curve,
    Input,
    Linear,
    MaxPool,
    Product,
    Staircase,
)
from .quantized import Dequantize, Previous, Quantize, Requantize, TrackingIF
from .recurrence import Delay, Feedback
from .scheduled import DifferentialIF, RadixIF, TwoPhaseIF
from .types import Array, Signal, TensorType
from .views import Concat, Gather, Rearrange, Reshape

NODES: Mapping[str, type[Node]] = {
    kind.__name__: kind
    for kind in (
        *(Add, Affine, AveragePool, Clip, Concat, Conv, Curve, Encoder, Gather, IF),
        *(Input, Integrator, Linear, MaxPool, Product, Rearrange, Reshape, Staircase),
        *(DifferentialIF, RadixIF, TwoPhaseIF),
        *(Dequantize, Previous, Quantize, Requantize, TrackingIF),
        *(LI, LIF, CubaLI, CubaLIF, Delay, Feedback, LoihiLIF),
    )
}

MAX_ARRAY_BYTES = 1 << 32
"""Largest array the loader accepts: 4 GiB, more than any chip of this field holds."""

MAX_FREE_BYTES, MAX_RATIO = 1 << 30, 100
"""What all arrays of a file may take in any case, and beyond it how often the file's size."""

MAX_JSON_BYTES = 1 << 25
"""Largest JSON document: 32 MiB, some fifty thousand nodes."""

MAX_ELEMENTS = 1 << 31
"""Numbers that one value of one sample may have."""

UNREADABLE = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError),
    *(TypeError, ValueError, struct.error, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What ``zipfile`` and NumPy raise on damaged files.

RuntimeError: zipfile cannot decrypt, or does not know the compression. TokenError and SyntaxError:
the header of an array is no Python literal.
"""


def to_document(graph: Graph) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a graph as a JSON-ready document and the arrays it refers to."""
    arrays: dict[str, Array] = {}
    nodes = [_node_document(node, index, arrays) for index, node in enumerate(graph)]
    return {"nodes": nodes, "outputs": dict(graph.outputs)}, arrays


def from_document(document: Any, arrays: Mapping[str, Array]) -> Graph:
    """Build the graph a document describes.

    Raises:
        ArtifactError: The document is not of the form ``to_document`` writes, or the graph it
            describes is malformed.
    """
    try:
        nodes = [_node(entry, arrays) for entry in document["nodes"]]
        outputs = {as_text(key): as_text(name) for key, name in document["outputs"].items()}
        graph = Graph(nodes, outputs)
        _expect_modest(graph)
    except GraphError as error:
        message = f"graph.json is malformed: {error.problems[0].message}"
        raise ArtifactError(message, hint="compile the model again") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"graph.json is not a graph of this version: {error}", hint="compile the model again"
        ) from error
    return graph


def _node_document(node: Node, index: int, arrays: dict[str, Array]) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": type(node).__name__}
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, np.ndarray):
            key = f"{index}.{field.name}"  # node names may hold anything, also slashes
            arrays[key] = value
            value = {"array": key}
        elif isinstance(value, TensorType):
            value = {"shape": value.shape, "signal": value.signal.value, "payload": value.payload}
        elif isinstance(value, float) and not np.isfinite(value):
            value = {"float": str(value)}  # JSON has no infinity
        entry[field.name] = value
    return entry


def _node(entry: dict[str, Any], arrays: Mapping[str, Array]) -> Node:
    kind = NODES[entry["kind"]]
    known = {field.name for field in fields(kind)}
    if unknown := entry.keys() - known - {"kind"}:
        raise ValueError(f"{entry['kind']} has no field {sorted(unknown)[0]!r}")
    values = {key: _value(value, arrays) for key, value in entry.items() if key != "kind"}
    node = kind(**values)
    expect_field_types(node)
    return node


def _value(value: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        array = arrays[value["array"]]
        if not array.size or array.dtype.kind not in "iuf":
            raise ValueError(f"array {value['array']!r} is {array.dtype} of shape {array.shape}")
        return array
    if "float" in value:
        return float(value["float"])
    payload = value["payload"]
    shape = tuple(value["shape"])
    if any(type(size) is not int or size < 1 for size in shape):
        raise ValueError(f"{shape} is no shape")
    return TensorType(shape, Signal(value["signal"]), tuple(payload) if payload else None)


def _expect_modest(graph: Graph) -> None:
    """Raise ``ValueError`` where a graph asks for arrays that no machine holds."""
    for node in graph:
        most = extent(
            node, tuple(graph.types[name] for name in node.inputs), graph.types[node.name]
        )
        if most > MAX_ELEMENTS:
            raise ValueError(f"{node.name}: takes {most} numbers for one sample")


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays to a compressed ``.npz``; equal arrays always give equal bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise ArtifactError(f"{name}: object arrays are not stored")
            entry = zipfile.ZipInfo(f"{name}.npy")  # its date is fixed: 1980-01-01
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, Array]:
    """Read an ``.npz`` that may come from anywhere.

    Raises:
        ArtifactError: Not an ``.npz``, an entry that is no plain array, holds objects, is
            larger than ``MAX_ARRAY_BYTES``, is there twice or has a name with a path in it; or
            the file unpacks to far more than its size.
    """
    arrays: dict[str, Array] = {}
    try:
        _expect_plain_file(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _expect_no_bomb(path, sum(entry.file_size for entry in entries))
            for entry in entries:
                name = _checked_name(path, entry.filename)
                if name in arrays:
                    raise ValueError(f"array {name!r} is there twice")
                arrays[name] = _read_array(path, archive, entry)
    except UNREADABLE as error:
        raise ArtifactError(
            f"{path.name} cannot be read: {error}", hint="copy the artifact again or compile anew"
        ) from error
    return arrays


def _expect_no_bomb(path: Path, size: int) -> None:
    """Refuse a small file that unpacks to gigabytes; zeros shrink to a thousandth."""
    packed = path.stat().st_size
    if size > MAX_FREE_BYTES and size > MAX_RATIO * packed:
        raise ArtifactError(
            f"{path.name} is oversized: its {packed} bytes unpack to {size}",
            hint="do not use this file, or compile anew",
        )


def _expect_plain_file(path: Path, most: int | None = None) -> None:
    """Raise ``ValueError`` for a file that is too large, or none: reading a pipe would block."""
    if path.exists() and not path.is_file():
        raise ValueError("is not a plain file")
    if most and path.stat().st_size > most:
        raise ValueError(f"it has {path.stat().st_size} bytes, more than {most}")


def _checked_name(path: Path, name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    if suffix != "npy" or not dot or any(bad in name for bad in ("/", "\\", "..", "\0", ":")):
        raise ArtifactError(
            f"{path.name} has an entry named {name!r}, which is not a plain array name",
            hint="do not use this file: snnc never writes such names",
        )
    return stem


def _read_array(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"array {entry.filename!r} is compressed in a way snnc never writes")
    with archive.open(entry) as file:
        version = npy.read_magic(file)
        read = {
            (1, 0): npy.read_array_header_1_0,
            (2, 0): npy.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f"array format {version} is unknown")
        shape, _, dtype = read(file)
        begin = file.tell()
    what = f"{path.name}: array {entry.filename!r}"
    if dtype.hasobject:
        raise ArtifactError(f"{what} holds objects", hint="do not use this file")
    # Both sizes: what the header claims, and what the archive says it unpacks to.
    claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    size = max(claimed, entry.file_size)
    if size > MAX_ARRAY_BYTES:
        raise ArtifactError(
            f"{what} is oversized: {size} bytes", hint="do not use this file, or compile anew"
        )
    if dtype.kind not in "biuf" or claimed != entry.file_size - begin:
        raise ValueError(f"array {entry.filename!r} holds {dtype}, or is not as long as it says")
    with archive.open(entry) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


def read_json(path: Path) -> Any:
    """Read a JSON file; raise ``ArtifactError`` where it is missing or broken."""
    try:
        _expect_plain_file(path, MAX_JSON_BYTES)
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path.name} cannot be read: {error}", hint="copy the artifact again or compile anew"
        ) from error
