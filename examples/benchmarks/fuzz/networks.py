"""Small NIR networks whose structure is damaged before they are written as HDF5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from io import BytesIO
from random import Random
from typing import Any

import numpy as np

from .mutations import NUMBERS

Nodes = dict[str, dict[str, Any]]
Network = tuple[Nodes, list[list[str]]]
"""Each node is its class under ``type`` and its fields; edges are pairs of names."""

KINDS = (
    *("Affine", "AvgPool2d", "Conv1d", "Conv2d", "CubaLI", "CubaLIF", "Delay", "Flatten", "I"),
    *("IF", "Input", "LI", "LIF", "Linear", "NIRGraph", "Output", "Scale", "SumPool2d"),
    *("Threshold", "MaxPool2d", "", "\x1b[31m"),
)
FIELDS = (
    *("bias", "dilation", "delay", "end_dim", "groups", "input_shape", "kernel_size", "metadata"),
    *("padding", "r", "scale", "shape", "start_dim", "stride", "tau", "tau_mem", "tau_syn"),
    *("threshold", "type", "v_leak", "v_reset", "v_threshold", "w_in", "weight", "edges", "nodes"),
)
VALUES: tuple[Any, ...] = (
    *NUMBERS,
    *(float(word) for word in ("nan", "inf", "-1", "0", "1e-320", "1e38")),
    *("", "same", "valid", "a/../b", [], [[]], [1, 2, 3], ["a", "b"], True),
)


def networks() -> tuple[Network, ...]:
    """Return what is damaged: a convolutional, a recurrent and a nested network."""
    random = np.random.default_rng(5)
    two = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
    pool = {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]}
    lif = {"tau": 1e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.5, "v_reset": 0.0}
    cuba = {"tau_mem": 1e-3, "tau_syn": 2e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.5}

    def weights(*shape: int) -> Any:
        return random.normal(size=shape).astype(np.float32)

    def neuron(kind: str, shape: Sequence[int], fields: dict[str, float]) -> dict[str, Any]:
        return {"type": kind} | {n: np.full(shape, v, np.float32) for n, v in fields.items()}

    images: Nodes = {
        "input": {"type": "Input", "shape": np.array([1, 8, 8])},
        "conv": {"type": "Conv2d", "weight": weights(3, 1, 3, 3), "bias": weights(3), **two},
        "if": neuron("IF", (3, 8, 8), {"r": 1.0, "v_threshold": 1.0, "v_reset": 0.0}),
        "sum": {"type": "SumPool2d", **pool},
        "mean": {"type": "AvgPool2d", **pool},
        "flat": {
            "type": "Flatten",
            "input_shape": np.array([3, 2, 2]),
            "start_dim": 0,
            "end_dim": -1,
        },
        "affine": {"type": "Affine", "weight": weights(4, 12), "bias": weights(4)},
        "lif": neuron("LIF", (4,), lif),
        "scale": {"type": "Scale", "scale": weights(4)},
        "output": {"type": "Output", "shape": np.array([4])},
    }
    loops: Nodes = {
        "input": {"type": "Input", "shape": np.array([3])},
        "in": {"type": "Linear", "weight": weights(5, 3)},
        "cuba": neuron("CubaLIF", (5,), cuba | {"w_in": 1.0, "v_reset": 0.0}),
        "back": {"type": "Linear", "weight": weights(5, 5)},
        "late": {"type": "Delay", "delay": np.full(5, 2e-4, np.float32)},
        "out": {"type": "Linear", "weight": weights(2, 5)},
        "li": neuron("LI", (2,), {"tau": 1e-3, "r": 1.0, "v_leak": 0.0}),
        "output": {"type": "Output", "shape": np.array([2])},
    }
    ring = ["input", "in", "cuba", "late", "out", "li", "output"]
    inner: Nodes = {
        "input": {"type": "Input", "shape": np.array([2, 6])},
        "conv": {
            "type": "Conv1d",
            "weight": weights(2, 2, 3),
            "bias": weights(2),
            "groups": 1,
            "input_shape": 6,
            "stride": 1,
            "padding": "same",
            "dilation": 1,
        },
        "integrate": neuron("I", (2, 6), {"r": 1.0}),
        "threshold": neuron("Threshold", (2, 6), {"threshold": 1.0}),
        "output": {"type": "Output", "shape": np.array([2, 6])},
    }
    outer: Nodes = {
        "input": {"type": "Input", "shape": np.array([2, 6])},
        "part": {"type": "NIRGraph", "nodes": inner, "edges": _chain(list(inner))},
        "output": {"type": "Output", "shape": np.array([2, 6])},
    }
    return (
        (images, _chain(list(images))),
        (loops, [*_chain(ring), ["cuba", "back"], ["back", "cuba"]]),
        (outer, _chain(list(outer))),
    )


def _chain(names: list[str]) -> list[list[str]]:
    return [[names[index], names[index + 1]] for index in range(len(names) - 1)]


def damaged_network(network: Network, random: Random) -> bytes:
    """Return a network with nodes, edges or fields changed, as a file."""
    nodes, edges = deepcopy(network)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        random.choice(CHANGES)(nodes, edges, random)
    version = random.choice(("1.0.8", "1.0.8", "1.0.4", "", "v9" * 40, None, 7))
    return as_file(nodes, edges, version, random)


def as_file(nodes: Nodes, edges: list[list[str]], version: Any, random: Random) -> bytes:
    """Return a network as HDF5; what HDF5 cannot hold is left out."""
    import h5py

    content = BytesIO()
    with h5py.File(content, "w") as file:
        if version is not None:
            file["version"] = version
        _write(file.create_group("node"), nodes, edges, random)
    return content.getvalue()


def _write(group: Any, nodes: Nodes, edges: Any, random: Random) -> None:
    import h5py

    group["type"] = "NIRGraph"
    with suppress(TypeError, ValueError):
        group["edges"] = edges or np.zeros((0,))
    inside = group.create_group("nodes")
    for name, fields in nodes.items():
        try:
            made = inside.create_group(name)
        except ValueError:  # it is there, or is a path through something that is no group
            continue
        if isinstance(fields.get("nodes"), dict):
            _write(made, fields["nodes"], fields.get("edges"), random)
            continue
        for key, value in fields.items():
            with suppress(TypeError, ValueError, OverflowError):
                made[key] = value
        if fields and random.random() < 0.02:
            odd = random.choice(("link", "elsewhere", "loop", "claim", "packed"))
            key = random.choice(list(fields))
            made.pop(key, None)
            if odd == "link":
                made[key] = h5py.SoftLink("/node/edges")
            elif odd == "elsewhere":
                made[key] = h5py.ExternalLink("../other.h5", "/x")
            elif odd == "loop":
                made[key] = group
            else:
                size = random.choice(NUMBERS) if odd == "claim" else 2**16
                with suppress(TypeError, ValueError, OverflowError):
                    made.create_dataset(key, (max(size, 1),), chunks=(64,), compression="gzip")


def _node(nodes: Nodes, random: Random) -> str:
    return random.choice(list(nodes)) if nodes else ""


def _drop(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    nodes.pop(_node(nodes, random), None)


def _swap(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    first, second = _node(nodes, random), _node(nodes, random)
    if first and second:
        nodes[first], nodes[second] = nodes[second], nodes[first]


def _rename(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    name = random.choice(("a/b", "\x1b[2J", "x" * 5000, "é", "input", "output", ".", "a.b"))
    if nodes:
        nodes[name] = nodes.pop(_node(nodes, random))


def _kind(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    if nodes:
        nodes[_node(nodes, random)]["type"] = random.choice(KINDS)


def _edge(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    pairs = [edge for edge in edges if isinstance(edge, list)]  # others are damaged already
    what = random.randrange(4)
    if what == 0 and edges:
        del edges[random.randrange(len(edges))]
    elif what == 1 and pairs:
        random.choice(pairs)[random.randrange(2)] = random.choice((*nodes, "nowhere", ""))
    elif what == 2 and pairs:
        random.choice(pairs).reverse()
    else:
        edges.append([_node(nodes, random), _node(nodes, random)])


def _bypass(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    """Leave a node out, and let its readers read what it read."""
    name = _node(nodes, random)
    before = [source for source, target in edges if target == name]
    nodes.pop(name, None)
    for edge in edges:
        if edge[0] == name and before:
            edge[0] = before[0]
    edges[:] = [edge for edge in edges if name not in edge]


def _field(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    fields = nodes.get(_node(nodes, random), {})
    if not fields:
        return
    name = random.choice(list(fields))
    value, what = fields[name], random.randrange(6)
    if what == 0:
        del fields[name]
    elif what == 1 or not isinstance(value, np.ndarray) or not value.size:
        fields[name] = random.choice(VALUES)
    elif what == 2:
        fields[name] = value.reshape(-1)[: random.randrange(value.size + 1)]
    elif what == 3:
        changed = value.copy()
        number = random.choice(VALUES)
        with suppress(TypeError, ValueError, OverflowError):
            changed.flat[random.randrange(value.size)] = number
        fields[name] = changed
    elif what == 4:
        kinds = ("int8", "float64", "float16", "uint64", "bool", "S3", "complex64")
        with np.errstate(all="ignore"):
            fields[name] = value.astype(random.choice(kinds))
    else:
        fields[name] = value.T if random.random() < 0.5 else value[None]


def _add_field(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    if nodes:
        nodes[_node(nodes, random)][random.choice(FIELDS)] = random.choice(VALUES)


def _nest(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    """Put a node into a graph of its own, or the whole network."""
    if not nodes:
        return
    inner = deepcopy(nodes)
    if random.random() < 0.5:
        nodes.clear()
        nodes["all"] = {"type": "NIRGraph", "nodes": inner, "edges": deepcopy(edges)}
        edges[:] = [["input", "all"], ["all", "output"]]
    else:
        nodes[_node(nodes, random)] = {"type": "NIRGraph", "nodes": inner, "edges": deepcopy(edges)}


def _inside(nodes: Nodes, edges: list[list[str]], random: Random) -> None:
    """Change something within an inner graph."""
    for fields in nodes.values():
        if isinstance(fields.get("nodes"), dict) and isinstance(fields.get("edges"), list):
            random.choice(CHANGES)(fields["nodes"], fields["edges"], random)
            return


CHANGES: tuple[Callable[[Nodes, list[list[str]], Random], None], ...] = (
    *(_drop, _swap, _rename, _kind, _edge, _edge, _bypass, _field, _field, _field, _field),
    *(_add_field, _nest, _inside, _inside),
)
