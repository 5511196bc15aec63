"""What a host region may ask of the machine: ONNX Runtime gets its model from anywhere.

Sizes are inferred before anything runs; what depends on data is bounded while it runs. A model is
first opened, and run on one sample, in a child process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from math import prod

from onnx import GraphProto, ModelProto, ValueInfoProto

from ...backends.onnx_runtime import AnnSession
from ...ir import Array
from ...ir.extent import MOST_ELEMENTS
from .. import first_run
from ..onnx_import.light import without_weights
from ..onnx_import.shapes import infer_shapes
from ..onnx_import.values import RefusalError

MOST_NUMBERS = 1 << 30
"""Numbers of one tensor, as often as the file's batch asks for: 4 GiB."""

SECONDS_OF_LOOP = 60.0
"""Longest that a model with graphs inside its nodes, which may loop, may take for one sample."""

WORK_TO_LOOP = 4
"""How long a processor may work at that sample where a model may loop: sizes do not bound it."""


def most_numbers(max_elements: int, batch: int) -> int:
    """Return how many numbers one tensor of a host region may have.

    Args:
        max_elements: Numbers that one value of one sample may have.
        batch: The batch size that the region is fixed to.
    """
    return min(MOST_NUMBERS, max(max_elements, MOST_ELEMENTS) * batch)


def expect_room(model: ModelProto, shapes: Mapping[str, tuple[int, ...]], most: int) -> None:
    """Refuse a model some tensor of which would be too large, as far as that can be inferred.

    Args:
        model: The model of a host region.
        shapes: For each input its whole shape.
        most: Numbers that a tensor may have.

    Raises:
        RefusalError: A tensor would have more.
    """
    light = without_weights(model)
    for value in light.graph.input:
        if value.name in shapes:
            tensor = value.type.tensor_type
            tensor.ClearField("shape")
            tensor.shape.SetInParent()
            for size in shapes[value.name]:
                tensor.shape.dim.add().dim_value = size
    for value in light.graph.output:
        value.type.tensor_type.ClearField("shape")
    with suppress(Exception):  # of any class; what is not known is bounded while it runs
        light = infer_shapes(light)
    for value in _values(light.graph):
        dims = value.type.tensor_type.shape.dim
        size = prod(max(0, int(dim.dim_value)) if dim.HasField("dim_value") else 1 for dim in dims)
        if size > most:
            raise RefusalError(
                f"its tensor {value.name!r} would have {size} numbers, more than {most}",
                "use smaller inputs, or allow it with --max-elements",
            )


def _values(graph: GraphProto) -> Iterator[ValueInfoProto]:
    """Yield the tensors of a graph, and of the graphs inside its nodes."""
    yield from (*graph.input, *graph.value_info, *graph.output)
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _values(inner)


def seconds_for(model: bytes) -> float | None:
    """Return how long a host region may compute at one sample; None where it cannot loop."""
    return SECONDS_OF_LOOP if _may_loop(model) else None


def _may_loop(model: bytes) -> bool:
    nodes = ModelProto.FromString(model).graph.node
    return any(a.HasField("g") or a.graphs for node in nodes for a in node.attribute)


def expect_runs(model: bytes, sample: Mapping[str, Array]) -> None:
    """Refuse a model that ONNX Runtime does not open, or that crashes or hangs it.

    Args:
        model: The model.
        sample: For each input its tensor, as ``AnnSession.run_once`` takes them.

    Raises:
        ModelError: It does.
    """

    def opened() -> Callable[[], object]:
        return partial(AnnSession(model, threads=1, bounded=True).run_once, sample)

    loops = _may_loop(model)
    first_run.expect_runs(opened, len(model), work=WORK_TO_LOOP if loops else first_run.WORK_TO_RUN)
