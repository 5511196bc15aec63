"""A spiking graph as a chip sees it: layers of neurons, and projections into them.

Views (reshape, concatenation) are no layers: they only say which neuron sends to which place of
the image or the vector that a projection reads. Delays and loops are none either: whose events
come late, or come back, is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from ...backends.chips import Chip
from ...ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Previous,
    RadixIF,
    Signal,
)
from ...ir.leaky import LEAKY, LeakyIntegrator
from ..leaky_updates import kept_numbers, subtracts
from .senders import Senders

Shape = tuple[int, int, int]
"""Channels, height, width; a vector is an image of one pixel."""

MEMBRANE_BITS = 24
DRIVE_BITS = 64
"""The drive of a tracking neuron is a 64-bit integer in the reference."""


@dataclass(frozen=True)
class Axis:
    """How a window slides along the height or the width.

    Attributes:
        size: Number of inputs.
        kernel: Elements of the window.
        stride: Step of the window.
        before: Zeros in front of the inputs.
        dilation: Distance of the window's elements.
    """

    size: int
    kernel: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1

    def reads(self, start: int, stop: int) -> Array:
        """Return how many outputs of a range read each input, int64 ``(size,)``."""
        outputs = np.arange(start, stop)[:, None] * self.stride - self.before
        taps = (outputs + np.arange(self.kernel) * self.dilation).ravel()
        inside = taps[(taps >= 0) & (taps < self.size)]
        return np.bincount(inside, minlength=self.size)


@dataclass(frozen=True)
class Projection:
    """The synapses of one node of the graph, as they enter a layer.

    Attributes:
        name: The node.
        source: For each place it reads, the number of the neuron that sends there, int32
            ``(channels, height, width)``.
        rows: How its window slides along the height.
        columns: How it slides along the width.
        groups: Independent channel groups.
        weight_bits: Width of its weights with their sign; 0 where they are no integers.
        copies: Parallel synapses between the same neurons.
        dense: Whether it is a matrix, and no convolution.
    """

    name: str
    source: Array
    rows: Axis
    columns: Axis
    groups: int
    weight_bits: int
    copies: int = 1
    dense: bool = False

    @property
    def inputs_per_group(self) -> int:
        """Input channels of one group."""
        return int(self.source.shape[0]) // self.groups

    @property
    def fan_in(self) -> int:
        """Synapses of one neuron, away from borders; zeros count."""
        return self.inputs_per_group * self.rows.kernel * self.columns.kernel * self.copies


@dataclass(frozen=True)
class Layer:
    """Neurons that live on cores: a population, a readout, a max pool, or an input.

    Attributes:
        node: The node of the graph.
        shape: Its neurons.
        first: Number of its first neuron; they are counted through the graph in row-major order.
        projections: What it receives; nothing for an input.
        weight: Neurons of the chip's limit that one of its neurons counts as.
    """

    node: Node
    shape: Shape
    first: int
    projections: tuple[Projection, ...]
    weight: int

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.node.name

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def fan_in(self) -> int:
        """Synapses of one neuron, away from borders; zeros count."""
        return sum(projection.fan_in for projection in self.projections)

    @property
    def synapses(self) -> int:
        """Synapses of all its neurons, zero weights included, borders left out."""
        channels = self.shape[0]
        total = 0
        for projection in self.projections:
            height, width = self.shape[1:]
            windows = int(projection.rows.reads(0, height).sum())
            windows *= int(projection.columns.reads(0, width).sum())
            total += windows * channels * projection.inputs_per_group * projection.copies
        return total


def layers(graph: Graph, chip: Chip) -> tuple[Layer, ...]:
    """Return the layers of a spiking graph in order.

    Args:
        graph: A spiking graph.
        chip: Says how much state counts as one neuron.

    Raises:
        ConversionError: A loop has no neurons.
    """
    first: dict[str, int] = {}
    count = 0
    for node in graph:
        if _has_neurons(graph, node):
            first[node.name] = count
            count += graph.types[node.name].size
    senders = Senders(graph, first)
    return tuple(
        Layer(
            node=graph[name],
            shape=as_image(graph.types[name].shape),
            first=start,
            projections=tuple(_projections(graph, graph[name], senders)),
            weight=neuron_weight(graph[name], chip),
        )
        for name, start in first.items()
    )


def as_image(shape: tuple[int, ...]) -> Shape:
    """Return a shape as channels, height and width.

    >>> as_image((10,)), as_image((3, 32, 32))
    ((10, 1, 1), (3, 32, 32))
    """
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return int(np.prod(shape, dtype=np.int64)), 1, 1


def _has_neurons(graph: Graph, node: Node) -> bool:
    if isinstance(node, MaxPool):
        return graph.types[node.name].signal is Signal.SPIKES
    if isinstance(node, Previous):
        return node.type.signal is Signal.SPIKES
    return isinstance(node, (Encoder, Population, Integrator, LeakyIntegrator))


def neuron_weight(node: Node, chip: Chip) -> int:
    """Return how many neurons of a chip's limit one neuron of a node counts as.

    A neuron has its membrane and the number of units sent, an integrator its sum, a max pool a
    sum for each element of its window, and an input has none. A leaky neuron has membrane and
    current, whether it needs both or not, and what else it keeps.
    """
    if isinstance(node, (Encoder, Previous)):
        return 1
    if isinstance(node, MaxPool):
        bits = MEMBRANE_BITS * (node.kernel[0] * node.kernel[1] + 1)
    elif isinstance(node, LEAKY):
        bits = MEMBRANE_BITS * max(2, kept_numbers(node))
    elif isinstance(node, (IF, RadixIF, Integrator)):
        bits = 2 * MEMBRANE_BITS
    else:  # a tracking neuron, or one that keeps real numbers or a correction beside
        bits = DRIVE_BITS + MEMBRANE_BITS
    reset = int(chip.soft_reset.value) if _resets_softly(node) else 1
    return max(ceil(bits / chip.state_bits.value), reset)


def _resets_softly(node: Node) -> bool:
    if isinstance(node, LEAKY):
        return subtracts(node)
    return isinstance(node, Population) and not (isinstance(node, IF) and node.reset == "zero")


def _projections(graph: Graph, node: Node, senders: Senders) -> list[Projection]:
    """Return what enters a layer: its synapses, or the window of a max pool."""
    if isinstance(node, (Encoder, Previous)):
        return []
    if isinstance(node, MaxPool):
        return [_window(node, senders.of(node.inputs[0]), node.kernel, groups=0, weight_bits=2)]
    found = []
    for name in node.inputs:
        synapse = senders.synapse(name)
        if isinstance(synapse, Conv):
            kernel = (synapse.weight.shape[2], synapse.weight.shape[3])
            image = senders.of(synapse.inputs[0])
            found.append(_window(synapse, image, kernel, synapse.groups, bits_of(synapse.weight)))
        elif isinstance(synapse, Linear):
            vector = senders.of(synapse.inputs[0]).reshape(-1, 1, 1)
            found.append(
                Projection(
                    name=synapse.name,
                    source=vector,
                    rows=Axis(1),
                    columns=Axis(1),
                    groups=1,
                    weight_bits=bits_of(synapse.weight),
                    copies=synapse.copies,
                    dense=True,
                )
            )
    return found


def _window(
    node: Conv | MaxPool, image: Array, kernel: tuple[int, int], groups: int, weight_bits: int
) -> Projection:
    """Return the projection of a sliding window; no groups mean one for each channel."""
    rows, columns = (
        Axis(
            image.shape[1 + axis],
            kernel[axis],
            node.stride[axis],
            node.padding[axis],
            node.dilation[axis],
        )
        for axis in (0, 1)
    )
    copies = node.copies if isinstance(node, Conv) else 1
    groups = groups or image.shape[0]
    return Projection(node.name, image, rows, columns, groups, weight_bits, copies)


def bits_of(weight: Array) -> int:
    """Return the width that holds all weights with their sign, or 0 where they are real.

    >>> bits_of(np.array([-128, 127])), bits_of(np.array([-16, 16])), bits_of(np.array([0.5]))
    (8, 6, 0)
    """
    if not np.issubdtype(weight.dtype, np.integer):
        return 0
    if not weight.size:
        return 1
    low, high = int(weight.min()), int(weight.max())
    return 1 + max(high, -low - 1, 0).bit_length()
