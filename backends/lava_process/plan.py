"""What a graph becomes in Lava, as data: one record for each process, without Lava."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...ir import (
    IF,
    LI,
    LIF,
    Array,
    CubaLI,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Integrator,
    LoihiLIF,
    MaxPool,
    Previous,
    TrackingIF,
)
from ...ir.shapes import Pair

Arithmetic = Literal["integer", "real"]
"""What processes compute in: fixed point, or float64."""


@dataclass(frozen=True)
class Wire:
    """One connection into a process.

    Attributes:
        source: Name of the process that sends.
        shape: The shape, channels first, under which the reader sees what is sent.
        flat: Whether the reader takes the values in the order in which Lava keeps the source
            (its matrix has its columns permuted), instead of under ``shape``.
        port: Which port of the reader it ends at.
    """

    source: str
    shape: tuple[int, ...]
    flat: bool = False
    port: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ProcessPlan:
    """One Lava process.

    Attributes:
        name: Unique in its plan.
        wires: What it reads; several wires into a port add up.
        shape: Shape of what it sends, channels first; Lava sees it reversed.
        depth: Steps by which what it sends is later than the samples.
    """

    name: str
    wires: tuple[Wire, ...]
    shape: tuple[int, ...]
    depth: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SourcePlan(ProcessPlan):
    """Injects samples, quantised or real.

    Attributes:
        stepwise: Whether a sample has a value for every step.
    """

    encoder: Encoder
    stepwise: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvPlan(ProcessPlan):
    """A stock ``Conv``; pairs are in its order, width first.

    Attributes:
        weight: ``(out_channels, kernel_w, kernel_h, in_channels / groups)``, flipped: Lava's
            Conv convolves where ONNX correlates.
        input_shape: Width, height, channels.
        stride: Step of the window.
        padding: Zeros on both sides.
        dilation: Distance of kernel elements.
        groups: Number of independent channel groups.
    """

    weight: Array
    input_shape: tuple[int, int, int]
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DensePlan(ProcessPlan):
    """A stock ``Dense``.

    Attributes:
        weight: ``(out, in)``, columns in the order in which Lava keeps the source.
    """

    weight: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class SparsePlan(ProcessPlan):
    """A stock ``Sparse``: the matrix of a convolution, rows and columns in Lava's order.

    Attributes:
        rows: Row of each nonzero weight.
        columns: Column of each.
        weight: The weights.
        inputs: Number of columns.
    """

    rows: Array
    columns: Array
    weight: Array
    inputs: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DelayPlan(ProcessPlan):
    """Sends what it received some steps ago: keeps branches of unequal depth in step."""

    steps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPoolPlan(ProcessPlan):
    """A max pool over accumulated payloads.

    Attributes:
        payload: The smallest and the largest payload, or None for real ones.
    """

    node: MaxPool
    payload: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ConcatPlan(ProcessPlan):
    """Joins what arrives at its ports along the channels, in the step in which it arrives.

    Attributes:
        order: For each place of what is sent, flat in Lava's order, its place among the joined;
            None where nothing is rearranged.
    """

    order: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationPlan(ProcessPlan):
    """A population of neurons.

    Those of a ``TrackingIF`` read each of its synapses at a port of its own.
    """

    node: IF | TrackingIF


@dataclass(frozen=True, kw_only=True, eq=False)
class PreviousPlan(ProcessPlan):
    """Delivers what a process sent at the element before; its wire closes a loop.

    Attributes:
        source_depth: Depth of that process.
    """

    node: Previous
    source_depth: int


@dataclass(frozen=True, kw_only=True, eq=False)
class StatefulPlan(ProcessPlan):
    """A node of a trained network that keeps state within a sample."""

    node: CubaLI | CubaLIF | Delay | LI | LIF | LoihiLIF


@dataclass(frozen=True, kw_only=True, eq=False)
class FeedbackPlan(ProcessPlan):
    """Brings back what a process sent; its wire closes a loop.

    Attributes:
        wait: Steps it keeps that beyond the one that the next synapse takes.
    """

    node: Feedback
    wait: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadoutPlan(ProcessPlan):
    """An integrator."""

    node: Integrator


@dataclass(frozen=True)
class Listener:
    """A synapse or max pool, seen from the population whose events it reads.

    Attributes:
        name: The node.
        reach: Fan-out of each place of the population, flat in Lava's order, int64.
    """

    name: str
    reach: Array


@dataclass(frozen=True)
class Plan:
    """All processes of a graph.

    Attributes:
        processes: In topological order, but for wires that close a loop.
        depth_latency: Depth of the deepest process.
        listeners: For each process that sends events, the nodes that read them.
        arithmetic: That of the graph.
        idle: Steps between two elements of a sequence in which nothing happens, so that what
            is carried arrives in time; see ``alignment``.
    """

    processes: tuple[ProcessPlan, ...]
    depth_latency: int
    listeners: Mapping[str, tuple[Listener, ...]]
    arithmetic: Arithmetic = "integer"
    idle: int = 0

    def steps(self, elements: int, timesteps: int) -> int:
        """Return the steps until the last of some elements has passed all processes.

        Args:
            elements: Of one sequence after the other; a sample that is no sequence is one.
            timesteps: Steps of one element.
        """
        return elements * (timesteps + self.idle) - self.idle + self.depth_latency
