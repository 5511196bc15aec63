"""Writes NIR files with h5py alone, as ``nir.write`` lays them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from snnc.ir import Array

Nodes = Mapping[str, Mapping[str, Any]]
Edges = Sequence[tuple[str, str]]

NEW, OLD = "1.0.8", "1.0.4"
"""Releases of nir: spikes set the membrane, and spikes subtract the threshold."""


def write(path: Path, nodes: Nodes, edges: Edges, version: str | None = NEW) -> Path:
    """Write a file; a node is its class under ``type`` and its fields."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        if version is not None:
            file["version"] = version
        _graph(file.create_group("node"), nodes, edges)
    return path


def _graph(group: Any, nodes: Nodes, edges: Edges) -> None:
    group["type"] = "NIRGraph"
    group["edges"] = [list(edge) for edge in edges] or np.zeros((0,))
    inside = group.create_group("nodes")
    for name, fields in nodes.items():
        made = inside.create_group(name)
        if fields.get("type") == "NIRGraph":
            _graph(made, fields["nodes"], fields["edges"])
            continue
        for key, value in fields.items():
            made[key] = value


def chain(path: Path, *middle: Mapping[str, Any], shape: Sequence[int], **more: Any) -> Path:
    """Write a file whose nodes follow one another: ``input``, ``0``, ``1``, ..., ``output``."""
    nodes: dict[str, Mapping[str, Any]] = {"input": port("Input", shape)}
    nodes |= {str(index): node for index, node in enumerate(middle)}
    nodes["output"] = port("Output", shape)
    names = list(nodes)
    return write(path, nodes, pairs(names), **more)


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the edges of a chain."""
    return [(names[index], names[index + 1]) for index in range(len(names) - 1)]


def port(kind: str, shape: Sequence[int]) -> dict[str, Any]:
    return {"type": kind, "shape": np.array(shape)}


def affine(weight: ArrayLike, bias: ArrayLike) -> dict[str, Any]:
    return {"type": "Affine", "weight": weight, "bias": bias}


def linear(weight: ArrayLike) -> dict[str, Any]:
    return {"type": "Linear", "weight": weight}


def conv(weight: Array, bias: ArrayLike, **more: Any) -> dict[str, Any]:
    axes = weight.ndim - 2
    plain = {"stride": [1] * axes, "padding": [0] * axes, "dilation": [1] * axes, "groups": 1}
    return {"type": f"Conv{axes}d", "weight": weight, "bias": bias, **plain, **more}


def pool(kind: str, size: int) -> dict[str, Any]:
    return {"type": kind, "kernel_size": [size] * 2, "stride": [size] * 2, "padding": [0, 0]}


def neuron(kind: str, shape: Sequence[int] = (1,), **parameters: ArrayLike) -> dict[str, Any]:
    """Return a neuron; parameters of one number are spread over the shape."""
    return {"type": kind} | {
        name: np.broadcast_to(np.asarray(value, np.float32), shape)
        for name, value in parameters.items()
    }


def lif(shape: Sequence[int] = (1,), **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"tau": 1e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.5}
    return neuron("LIF", shape, **(plain | more))
