"""The target ``onnx``: what its graphs can hold, and how a network becomes one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...ir import (
    IF,
    LI,
    LIF,
    VIEWS,
    Concat,
    Conv,
    CubaLI,
    CubaLIF,
    Delay,
    DifferentialIF,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    MaxPool,
    Previous,
    Product,
    RadixIF,
    TrackingIF,
    TwoPhaseIF,
    latency,
)
from ...ir.bounds import drive_bounds, is_quantized
from ...ir.errors import Problem
from ...ir.neurons import RESETS
from ..onnx_runtime.library import load_onnxruntime
from ..rules import check
from ..target import Target
from .number import DOUBLE_EXACT, INT64_EXACT, largest_state, largest_sum
from .program import OnnxProgram

TARGET = Target(
    name="onnx",
    summary=(
        "ONNX graph of standard operators for ONNX Runtime, whole runs and single steps; equal "
        "to the simulator"
    ),
    supports=frozenset(
        [
            *(Input, Encoder, Concat, Conv, Linear, MaxPool, *VIEWS),
            *(IF, Integrator),
            *(DifferentialIF, Previous, Product, RadixIF, TrackingIF, TwoPhaseIF),
            *(LIF, CubaLIF, LI, CubaLI, LoihiLIF, Delay, Feedback),
        ]
    ),
    stepwise_inputs=True,
    resets=RESETS,
    source="ONNX operators of opset 17; onnxruntime 1.20: docs/OperatorKernels.md",
)


class OnnxBackend:
    """Turns spiking networks into ONNX models."""

    target = TARGET

    def lower(self, graph: Graph, timesteps: int) -> OnnxProgram:
        """Check a graph and wrap it; see ``Backend.lower``."""
        check(graph, self.target, [partial(exact_sums, timesteps)])
        return OnnxProgram(graph, timesteps)

    def availability(self) -> str:
        """Return the version of ONNX Runtime."""
        return str(load_onnxruntime().__version__)


def exact_sums(timesteps: int, graph: Graph, target: Target) -> Iterator[Problem]:
    """Every sum of integers is exact in a type that ONNX Runtime multiplies or adds in."""
    if not is_quantized(graph):
        return
    for synapse in graph.of_type(Conv) + graph.of_type(Linear):
        if (bound := largest_sum(graph, synapse)) >= DOUBLE_EXACT:
            yield Problem(
                f"{synapse.name}: its current can reach {bound} in a step, and float64, in which "
                "ONNX Runtime multiplies, holds 53 bits",
                "lower --weight-bits, --input-bits or --max-payload",
            )
    for node in graph:
        if isinstance(node, TrackingIF):
            bound = max(int(abs(end).max()) for end in drive_bounds(graph, node))
        elif isinstance(node, (IF, RadixIF, Integrator)):
            bound = largest_state(graph, node, timesteps + latency(graph))
        else:
            continue
        if bound >= INT64_EXACT // 4:  # rounding computes with a few times as much
            yield Problem(
                f"{node.name}: its sums can reach {bound}, and integers of ONNX have 64 bits",
                "lower --timesteps or --weight-bits",
            )
