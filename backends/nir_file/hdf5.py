"""The file format, written with h5py alone.

Not with the package ``nir``: one version of it writes files of one version, and readers are split
between ``nir <= 1.0.4`` and ``nir >= 1.0.7``, which cannot be installed together. The layout is
that of ``nir/serialization.py``::

    /version                  text
    /node/type                "NIRGraph"
    /node/edges               (n, 2), names
    /node/nodes/<name>/type   "Conv2d", ..., and a data set for each of its fields
    /node/metadata/<key>      texts; of the graph only: Conv2d of nir 1.0.4 takes none

Nodes stand in the order of the network, by name as well as by creation: readers build their
modules in the order in which HDF5 hands the nodes out, which is that of their names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...ir.errors import ArtifactError
from ..hdf5_library import load_h5py
from .network import NirNetwork
from .nodes import (
    NEURONS,
    Affine,
    Conv2d,
    Delay,
    Flatten,
    Neuron,
    NirNode,
    Port,
    Threshold,
    tau_field,
)

SOFT_RESET = "1.0.4"
"""Files of this version have no ``v_reset``: a spike takes one threshold off the membrane."""


def library() -> Any:
    """Return the module h5py; see ``load_h5py``."""
    return load_h5py("target nir", extra="nir")


def save(network: NirNetwork, path: Path) -> None:
    """Write a ``.nir`` file.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    with library().File(path, "w") as file:
        write(network, file)


def passed_through(network: NirNetwork) -> NirNetwork:
    """Return what a reader finds in the file of a network; nothing is left on the disk."""
    with library().File("network.nir", "w", driver="core", backing_store=False) as file:
        write(network, file)
        return read(file)


def write(network: NirNetwork, file: Any) -> None:
    """Write a network into an open HDF5 file."""
    file["version"] = network.version
    graph = file.create_group("node")
    graph["type"] = "NIRGraph"
    graph["edges"] = np.array(network.edges, dtype=library().string_dtype())
    nodes = graph.create_group("nodes", track_order=True)
    for name, node in network.nodes.items():
        _write_node(node, nodes.create_group(name))
    metadata = graph.create_group("metadata")
    for key, text in network.metadata.items():
        metadata[key] = text


def _write_node(node: NirNode, group: Any) -> None:
    if isinstance(node, Port):
        group["type"] = "Output" if node.output else "Input"
        group["shape"] = np.array(node.shape)
    elif isinstance(node, Affine):
        group["type"] = "Affine"
        group["weight"], group["bias"] = node.weight, node.bias
    elif isinstance(node, Conv2d):
        group["type"] = "Conv2d"
        group["input_shape"], group["groups"] = np.array(node.size), 1
        group["weight"], group["bias"] = node.weight, node.bias
        for name in ("stride", "padding", "dilation"):
            group[name] = np.array(getattr(node, name))
    elif isinstance(node, Flatten):
        group["type"] = "Flatten"
        group["input_type"] = np.array(node.source)
        # Counted from the end: snnTorch and norse count with the batch axis, which NIR has not.
        group["start_dim"], group["end_dim"] = -len(node.source), -1
    else:
        group["type"] = node.kind
        for name, parameter in node.fields().items():
            group[name] = parameter


def read(file: Any) -> NirNetwork:
    """Read what ``write`` wrote.

    Raises:
        ArtifactError: It holds something else.
    """
    graph = file["node"]
    try:
        return NirNetwork(
            nodes={name: _read_node(group) for name, group in graph["nodes"].items()},
            edges=tuple((_text(a), _text(b)) for a, b in graph["edges"][()]),
            metadata={key: _text(value[()]) for key, value in graph["metadata"].items()},
            version=_text(file["version"][()]),
        )
    except (KeyError, ValueError) as error:
        raise ArtifactError(
            f"network.nir was not written by this snnc: {error}", hint="compile the model again"
        ) from error


def _read_node(group: Any) -> NirNode:
    kind = _text(group["type"][()])
    if kind in ("Input", "Output"):
        return Port(shape=_whole(group["shape"]), output=kind == "Output")
    if kind == "Affine":
        return Affine(weight=group["weight"][()], bias=group["bias"][()])
    if kind == "Conv2d":
        size, *pairs = (_pair(group[n]) for n in ("input_shape", "stride", "padding", "dilation"))
        weight, bias = group["weight"][()], group["bias"][()]
        stride, padding, dilation = pairs
        return Conv2d(
            size=size, weight=weight, bias=bias, stride=stride, padding=padding, dilation=dilation
        )
    if kind == "Flatten":
        return Flatten(source=_whole(group["input_type"]))
    if kind == "Delay":
        return Delay(delay=group["delay"][()])
    if kind == "Threshold":
        return Threshold(threshold=group["threshold"][()])
    if kind not in NEURONS:
        raise ValueError(f"a node of type {kind!r}")
    names = ("v_leak", "v_threshold", "v_reset", "tau_syn", "w_in")
    given = {name: group[name][()] for name in names if name in group}
    tau = tau_field(kind)
    return Neuron(
        kind=kind, r=group["r"][()], tau=group[tau][()] if tau in group else None, **given
    )


def _whole(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values[()])


def _pair(values: Any) -> tuple[int, int]:
    first, second = _whole(values)
    return first, second


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
