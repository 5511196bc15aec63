"""Reads a NIR file: version, nodes, edges; every problem of the file is named at once.

::

    /version                    text, e.g. "1.0.4"
    /node/type                  "NIRGraph"
    /node/edges                 (edges, 2) texts
    /node/nodes/NAME/type       the class of a node; beside it its fields
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from ...backends.nir_file.file_contract import KEY, FileContract, parsed
from ...ir.errors import ModelError, Problem, suggestion
from ...ir.extent import MOST_ELEMENTS
from .fields import FieldError, Fields
from .hdf5 import read_tree
from .nodes import NirGraph, NirNode
from .records import READERS
from .tree import Group

SIGNATURE = b"\x89HDF\r\n\x1a\n"

HINTS = {
    "MaxPool2d": "use SumPool2d or AvgPool2d, or a convolution with stride 2",
    "AvgPool1d": "write it as a Conv1d",
    "SumPool1d": "write it as a Conv1d",
    "Conv3d": "use Conv2d",
    "Sequential": "export the module itself to NIR",
}
"""Ways round for classes that NIR has not, by the name they would have."""


@dataclass(frozen=True)
class NirFile:
    """What a file says.

    Attributes:
        graph: The network.
        version: Of the library that wrote it, or an empty text.
        sha256: Hash of the file.
        contract: What a file of snnc says of itself, or None.
        unreadable: Whether there is such a text that says nothing to this snnc.
    """

    graph: NirGraph
    version: str
    sha256: str
    contract: FileContract | None = None
    unreadable: bool = False

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, e.g. ``(1, 0, 4)``; empty where there is none."""
        found = re.match(r"v?(\d{1,9}(?:\.\d{1,9})*)", self.version)
        return tuple(int(part) for part in found[1].split(".")) if found else ()


def is_nir(path: Path) -> bool:
    """Whether a file is a NIR file, by its name or by what it begins with."""
    if path.suffix == ".nir":
        return True
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except (OSError, ValueError):
        return False


def read(path: Path, max_elements: int = MOST_ELEMENTS) -> NirFile:
    """Read and check a NIR file.

    Args:
        path: The file.
        max_elements: Numbers that one array may have.

    Raises:
        ModelError: It cannot be read or is no NIR file; every bad node is named.
        MissingDependencyError: h5py is not installed.
    """
    root = read_tree(path, max_elements)
    node, version = root.entries.get("node"), root.entries.get("version", "")
    if not isinstance(node, Group) or not _is_graph(node):
        raise ModelError(
            f"{path}: is an HDF5 file, but no NIR file: it has no graph",
            hint="give a file that was written with nir.write",
        )
    problems: list[Problem] = []
    graph = _graph(node, "", problems)
    if problems:
        listed = "\n".join(f"  - {problem.message}" for problem in problems)
        raise ModelError(f"{path}: is no NIR file that can be read:\n{listed}", problems=problems)
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    text = _contract_text(node)
    contract = None if text is None else parsed(text)
    return NirFile(
        graph,
        version if isinstance(version, str) else "",
        digest.hexdigest(),
        contract,
        unreadable=text is not None and contract is None,
    )


def _contract_text(graph: Group) -> str | None:
    metadata = graph.entries.get("metadata")
    found = metadata.entries.get(KEY) if isinstance(metadata, Group) else None
    return found if isinstance(found, str) else None


def _is_graph(group: Group) -> bool:
    kind = group.entries.get("type")
    return isinstance(kind, str) and kind == "NIRGraph"


def _graph(group: Group, prefix: str, problems: list[Problem]) -> NirGraph:
    nodes: dict[str, NirNode] = {}
    found = group.entries.get("nodes")
    if isinstance(found, Group):
        for name, entry in _named(found):
            if _is_graph(entry):
                nodes[name] = _graph(entry, f"{prefix}{name}/", problems)
            else:
                _read_node(entry, name, prefix, nodes, problems)
    edges = _edges(group, prefix, problems)
    if not nodes:
        problems.append(Problem(f"{prefix or 'the graph'}: has no nodes", "export it again"))
    return NirGraph(nodes=nodes, edges=edges)


def _named(group: Group, before: str = "") -> list[tuple[str, Group]]:
    """Return the nodes of a graph; a slash in a name has made a group of what stands before it."""
    found = []
    for name, entry in group.entries.items():
        if not isinstance(entry, Group):
            continue
        inside = [each for each in entry.entries.values() if isinstance(each, Group)]
        if inside and "type" not in entry.entries:
            found += _named(entry, f"{before}{name}/")
        else:
            found.append((f"{before}{name}", entry))
    return found


def _read_node(
    group: Group, name: str, prefix: str, nodes: dict[str, NirNode], problems: list[Problem]
) -> None:
    fields, where = Fields(group), f"{prefix}{name}"
    try:
        kind = fields.text("type")
        if kind not in READERS:
            hint = HINTS.get(kind, f"{suggestion(kind, READERS)}use one of: {', '.join(READERS)}")
            problems.append(Problem(f"{where}: NIR has no class {kind!r}", hint))
            return
        where = f"{where} ({kind})"
        nodes[name] = READERS[kind](fields)
    except FieldError as error:
        problems.append(Problem(f"{where}: {error}", "export the network again"))


def _edges(group: Group, prefix: str, problems: list[Problem]) -> tuple[tuple[str, str], ...]:
    found = group.entries.get("edges")
    if isinstance(found, np.ndarray) and not found.size:
        found = []
    if not isinstance(found, list) or len(found) % 2:
        problems.append(
            Problem(f"{prefix or 'the graph'}: its edges are no pairs of names", "export it again")
        )
        return ()
    pairs = zip(found[::2], found[1::2], strict=True)
    return tuple(dict.fromkeys(pairs))
