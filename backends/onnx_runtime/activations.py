"""Looks at the activations of an ANN while ONNX Runtime computes it.

A whole activation that becomes an output is written to memory of its own, and read from there. So
of a large one the graph hands out a part only, and the largest values of each channel: pooling
finds these while a cache still holds the activation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper

from ...ir import Array, Clip, Graph
from ..base import Rows
from .ann_export import BATCH, to_onnx
from .ann_session import AnnSession

MOST_AXES = 3
"""Of space, that pooling knows in ONNX Runtime."""


class Part(NamedTuple):
    """What is seen of an activation.

    Attributes:
        values: ``(samples, channels, *places)``, float32: those on the grid.
        largest: ``(samples, channels)``, float32: the largest magnitudes of all values. None
            where ``values`` holds all of them.
    """

    values: Array
    largest: Array | None


class Activations:
    """An ANN loaded into ONNX Runtime, of which some activations are looked at.

    Args:
        graph: The ANN.
        grids: For each node to watch, the strides of the places that are seen, one for each axis
            behind the channels.
        workers: How many threads compute samples of their own.

    Attributes:
        sample_bytes: Memory of what is seen of one sample.

    Raises:
        ModelError: ONNX Runtime does not accept the model.
    """

    def __init__(
        self, graph: Graph, grids: Mapping[str, tuple[int, ...]], *, workers: int = 1
    ) -> None:
        thinned = {n: s for n, s in grids.items() if max(s, default=1) > 1 and len(s) <= MOST_AXES}
        apart: dict[str, Array] = {}
        model = to_onnx(graph, extra=grids, apart=apart)
        whole = [v for v in model.graph.output if v.name in graph.outputs or v.name not in thinned]
        del model.graph.output[:]
        model.graph.output.extend(whole)
        self._taken = {name for node in model.graph.node for name in node.output}
        self._taken |= {v.name for v in (*model.graph.input, *model.graph.initializer)}
        self._parts: dict[str, tuple[str, tuple[str, ...]]] = {name: (name, ()) for name in grids}
        added: list[NodeProto] = []
        for name, strides in thinned.items():
            self._parts[name] = self._thin(model.graph, added, graph, name, strides)
        _put_behind(model.graph, added)
        self._outputs = tuple(graph.outputs)
        self._session = AnnSession(model, alone=False, workers=workers, apart=apart)
        shapes = [v.type.tensor_type.shape.dim[1:] for v in model.graph.output]
        self.sample_bytes = sum(4 * prod(dim.dim_value for dim in shape) for shape in shapes)

    def stream(
        self, inputs: Mapping[str, Rows], *, batch: int
    ) -> Iterator[tuple[dict[str, Part], dict[str, Array]]]:
        """Run the ANN, ``batch`` samples at a time, in memory that the next batch overwrites.

        Args:
            inputs: For each input's name, samples ``(samples, *shape)``.
            batch: How many samples to compute at once.

        Yields:
            What is seen of each watched node, and each output, ``(<= batch, *shape)``, float32.

        Raises:
            DataError: An input is missing, or does not fit the model.
            ExecutionError: ONNX Runtime failed.
        """
        for found in self._session.look(inputs, batch=batch):
            seen = {
                name: Part(found[part], _largest([found[output] for output in extremes]))
                for name, (part, extremes) in self._parts.items()
            }
            yield seen, {name: found[name] for name in self._outputs}

    def _thin(
        self,
        proto: GraphProto,
        added: list[NodeProto],
        graph: Graph,
        name: str,
        strides: tuple[int, ...],
    ) -> tuple[str, tuple[str, ...]]:
        """Let a model hand out a part of an activation, and the extremes of its channels."""
        channels, *sizes = graph.types[name].shape

        def add(operator: str, source: str, shape: list[int] | None, **attributes: Any) -> str:
            result = self._fresh(f"{name}.{operator}")
            added.append(helper.make_node(operator, [source], [result], **attributes))
            if shape is not None:
                sized = helper.make_tensor_value_info(result, TensorProto.FLOAT, [BATCH, *shape])
                proto.output.append(sized)
            return result

        kept = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
        ones = [1] * len(sizes)
        grid = {"kernel_shape": ones, "strides": list(strides)}
        part = add("MaxPool", name, [channels, *kept], **grid)
        extremes = [add("GlobalMaxPool", name, [channels, *ones])]
        node = graph.nodes[name]
        if not (isinstance(node, Clip) and node.low >= 0):
            negative = add("Neg", name, None)
            extremes.append(add("GlobalMaxPool", negative, [channels, *ones]))
        return part, tuple(extremes)

    def _fresh(self, name: str) -> str:
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return name


def _put_behind(proto: GraphProto, added: Iterable[NodeProto]) -> None:
    """Put nodes of one input right behind the node they read: in that order they are computed."""
    readers: dict[str, list[NodeProto]] = {}
    for node in added:
        readers.setdefault(node.input[0], []).append(node)
    ordered: list[NodeProto] = []
    waiting = list(reversed(proto.node))
    while waiting:
        node = waiting.pop()
        ordered.append(node)
        for name in node.output:
            waiting.extend(reversed(readers.pop(name, ())))
    of_inputs = [node for nodes in readers.values() for node in nodes]
    kept = GraphProto(node=[*of_inputs, *ordered])
    proto.ClearField("node")
    proto.node.extend(kept.node)


def _largest(extremes: list[Array]) -> Array | None:
    """Return the largest magnitudes of channels, of the largest values of either sign."""
    if not extremes:
        return None
    samples, channels = extremes[0].shape[:2]
    return np.asarray(np.abs(np.maximum.reduce(extremes))).reshape(samples, channels)
