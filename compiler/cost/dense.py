"""What the nodes of an ANN do: all of its operations, whatever its activations are.

Multiplications with the zeros of a border are not counted, as they are not for the spiking
network. Biases, average pools, joins, ReLUs and max pools are additions and comparisons. Memory
and addresses follow Lemaire et al. 2022 (arXiv 2210.13107): a convolution reads an input and a
weight for each MAC, a matrix each input once; an activation is computed before its input is
written, so that it takes no memory of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ...ir import (
    Add,
    Affine,
    AveragePool,
    Clip,
    Conv,
    Curve,
    Graph,
    Linear,
    MaxPool,
    Node,
    Product,
    Staircase,
)
from .connections import connections, taps_inside
from .counts import Buffer, Counts, Layer

BIAS_BITS = 32


@dataclass(frozen=True)
class Widths:
    """Bits of the numbers of an ANN.

    Attributes:
        activations: Of an activation.
        weights: Of a weight.
    """

    activations: int
    weights: int


def dense_layers(graph: Graph, widths: Widths, elements: int = 1) -> tuple[Layer, ...]:
    """Return what all nodes of an ANN do for one sample.

    Args:
        graph: The ANN.
        widths: Of its numbers.
        elements: Elements of a sample that is a sequence.
    """
    found = []
    for node in graph:
        counts = dense_counts(graph, node, widths.activations)
        if counts is not None:
            buffers = _buffers(graph, node, widths)
            found.append(Layer(node.name, type(node).__name__, counts.times(elements), buffers))
    return tuple(found)


def dense_counts(graph: Graph, node: Node, bits: int) -> Counts | None:
    """Return what a node of an ANN does, or None for one without operations.

    Args:
        graph: The ANN.
        node: The node.
        bits: Of an activation.
    """
    size = graph.types[node.name].size
    if isinstance(node, (Conv, Linear)):
        return _linear_map(graph, node, bits)
    if isinstance(node, (AveragePool, MaxPool)):
        dilation = node.dilation if isinstance(node, MaxPool) else (1, 1)
        channels = graph.types[node.name].shape[0]
        taps = channels * int(taps_inside(graph, node, node.kernel, dilation).sum())
        return Counts(acs=float(taps), input_reads=float(taps), output_writes=float(size))
    if isinstance(node, Add):
        branches = len(node.inputs)
        return Counts(
            acs=float(size * (branches - 1)),
            input_reads=float(size * branches),
            output_writes=float(size),
        )
    if isinstance(node, Clip):
        return Counts(acs=float(size))
    if isinstance(node, (Affine, Curve, Product, Staircase)):  # a staircase scales and rounds
        return Counts(macs=float(size), mac_planes=float(size * bits))
    return None


def _linear_map(graph: Graph, node: Conv | Linear, bits: int) -> Counts:
    """Return what a convolution or a matrix does: the ANN columns of Lemaire et al. 2022."""
    macs, size = connections(graph, node, zeros=True), graph.types[node.name].size
    source = graph.types[node.inputs[0]].size
    biases = size if node.bias is not None else 0
    if isinstance(node, Conv):
        reads, addresses = macs, source + size + len(node.weight) * prod(node.weight.shape[2:])
    else:
        reads, addresses = source, macs
    return Counts(
        macs=float(macs),
        acs=float(biases),
        mac_planes=float(macs * bits),
        address_acs=float(addresses),
        events_in=float(source),
        payload_bits_in=float(source * bits),
        input_reads=float(reads),
        weight_reads=float(macs),
        bias_reads=float(biases),
        output_writes=float(size),
    )


def _buffers(graph: Graph, node: Node, widths: Widths) -> dict[str, Buffer]:
    buffers = {
        "inputs": Buffer(graph.types[node.inputs[0]].size, widths.activations),
        "outputs": Buffer(graph.types[node.name].size, widths.activations),
    }
    if isinstance(node, (Conv, Linear)):
        buffers["weights"] = Buffer(node.weight.size, widths.weights)
        biases = 0 if node.bias is None else node.bias.size
        buffers["biases"] = Buffer(biases, BIAS_BITS)
    return buffers
