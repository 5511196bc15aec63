"""What a host region may ask of the machine: ONNX Runtime gets its model from anywhere.

Sizes are inferred before anything runs; what depends on data is bounded while it runs. ONNX Runtime
may crash or hang on a model: its inference of shapes computes chains of ``Concat``, whatever comes
out, and aborts on a ``Slice`` of a size below zero; a ``Loop`` reads a trip count without a number.
So a model is first opened, and run on one sample, in a child process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import prod
from typing import IO

from onnx import GraphProto, ModelProto, ValueInfoProto

from ...backends.onnx_runtime import AnnSession
from ...backends.onnx_runtime.library import load_onnxruntime
from ...ir import Array
from ...ir.errors import ExecutionError, ModelError
from ...ir.extent import MOST_ELEMENTS
from ..child import child, raise_limits
from ..onnx_import.light import without_weights
from ..onnx_import.shapes import infer_shapes
from ..onnx_import.values import RefusalError

MOST_NUMBERS = 1 << 30
"""Numbers of one tensor, as often as the file's batch asks for: 4 GiB."""

SECONDS_OF_LOOP = 60.0
"""Longest that a model with graphs inside its nodes, which may loop, may take for one sample."""

SECONDS, WORK_TO_OPEN, WORK_TO_RUN, MEMORY_TO_OPEN = 300.0, 8, 60, 1 << 31
"""Longest that a first run may take, how long a processor may work to open a model and then at one
sample, and bytes that opening it may take."""

WORK_TO_LOOP = 4
"""How long a processor may work at that sample where a model may loop: sizes do not bound it."""

BYTES_OF_WORK, COPIES = 1 << 26, 4
"""Bytes of a model that a processor opens in a second at least, and copies of them in memory."""

RAN = b"\0"
"""What a child process says of a model that it could open and run."""


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
    if not hasattr(os, "fork"):
        return
    load_onnxruntime()  # not by each child again

    def answer(pipe: IO[bytes]) -> None:
        try:
            session = AnnSession(model, threads=1, bounded=True)
        except ModelError as error:
            pipe.write(str(error.problems[0].message).encode())
            return
        raise_limits(WORK_TO_LOOP if _may_loop(model) else WORK_TO_RUN)
        with suppress(ExecutionError):  # it is raised again where it can be seen
            session.run_once(sample)
        pipe.write(RAN)

    work = WORK_TO_OPEN + len(model) // BYTES_OF_WORK
    memory = MEMORY_TO_OPEN + COPIES * len(model)
    with child(answer, SECONDS, work=work, memory=memory) as pipe:
        found = pipe.read()
    if found != RAN:
        crashed = "ONNX Runtime crashes on the model, or takes too long for it"
        raise ModelError(found.decode() or crashed, hint="export the model again")
