"""How many bits an event carries."""

from __future__ import annotations

from ...ir import (
    IF,
    VIEWS,
    Concat,
    Delay,
    DifferentialIF,
    Encoder,
    Graph,
    MaxPool,
    Node,
    Population,
    RadixIF,
    TrackingIF,
)

REAL_BITS = 32
"""Of a payload, a weight or a membrane that is a real number."""


def payload_bits(graph: Graph, name: str) -> int:
    """Return the bits that tell the payloads on an edge apart, 0 (no event) among them.

    A spike of 0 or 1 has one bit, a ternary one two. A radix-encoded event has the bits of its
    digit: what the digit is worth is known from the step.
    """
    node = graph[name]
    if isinstance(node, (Delay, *VIEWS)):
        return payload_bits(graph, node.inputs[0])
    if isinstance(node, Concat):
        return max(payload_bits(graph, source) for source in node.inputs)
    values = _values(graph, node)
    return REAL_BITS if values is None else max(1, (values - 1).bit_length())


def _values(graph: Graph, node: Node) -> int | None:
    """Return how many payloads a node can send, 0 included; None for real ones."""
    if isinstance(node, RadixIF):
        return node.base
    if isinstance(node, DifferentialIF):
        return 2 * node.levels + 1
    if isinstance(node, TrackingIF) and node.digits:
        return node.base + (node.base - 1 if node.low < 0 else 0)
    if isinstance(node, IF) and node.select != "count":  # powers of two
        return 1 + node.max_positive.bit_length() + node.max_negative.bit_length()
    payload = graph.types[node.name].payload
    if payload is None:
        return None
    assert isinstance(node, (Encoder, MaxPool, Population)) or not node.inputs
    return payload[1] - payload[0] + 1
