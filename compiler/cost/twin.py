"""The fair rival: the same network as a quantised ANN that can tell as many values apart.

Activations of the twin have as many levels as the payloads of a neuron can sum up to,
``b = ceil(log2(T * max_payload + 1))`` bits (Yan, Bai, Tang, Wong, arXiv 2409.08290, for payloads
of 0 and 1). Its weights have the width of those of the spiking network.
"""

from __future__ import annotations

from math import ceil, log2

from ...ir import Conv, Graph, Linear, Population, RadixIF, TrackingIF
from ...ir.bounds import is_quantized
from ..placement.layers import bits_of
from .dense import Widths
from .hardware import Arithmetic
from .payloads import REAL_BITS

FP32 = Arithmetic("fp32_mac", "fp32_add")
INT8 = Arithmetic("int8_mac", "int32_add")
INT32 = Arithmetic("int32_mac", "int32_add")

FP32_WIDTHS = Widths(activations=32, weights=32)
INT8_WIDTHS = Widths(activations=8, weights=8)


def spiking_arithmetic(graph: Graph) -> Arithmetic:
    """Return in which numbers a spiking network computes."""
    return INT8 if is_quantized(graph) else FP32


def twin_bits(graph: Graph, timesteps: int) -> int:
    """Return the width of the activations of the twin of a spiking network."""
    levels = max((_levels(node, timesteps) for node in graph.populations), default=1)
    return ceil(log2(levels + 1))


def twin_arithmetic(graph: Graph, bits: int) -> Arithmetic:
    """Return in which numbers the twin computes; no energy below 8 bits is published."""
    if not is_quantized(graph):
        return FP32
    return INT8 if bits <= 8 else INT32


def weight_bits(graph: Graph) -> int:
    """Return the width of the weights of a spiking network."""
    weights = [node.weight for node in graph if isinstance(node, (Conv, Linear))]
    widths = [bits_of(weight) or REAL_BITS for weight in weights]
    return max(widths, default=REAL_BITS)


def _levels(node: Population, timesteps: int) -> int:
    """Return how many levels above 0 a population can express."""
    if isinstance(node, TrackingIF):
        return node.high - node.low
    if isinstance(node, RadixIF):
        return int(node.base**node.digits) - 1
    return timesteps * node.payload[1]
