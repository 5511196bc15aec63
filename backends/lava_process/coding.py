"""Between samples and outputs in ANN units and the numbers that travel through Lava."""

from __future__ import annotations

import numpy as np

from ...ir import (
    MOVES,
    Array,
    Encoder,
    Graph,
    Integrator,
    Reshape,
)
from ...ir.reference import step
from .layout import to_lava


def encode(encoder: Encoder, batch: Array) -> Array:
    """Quantise samples.

    Args:
        encoder: The encoder of an input.
        batch: ``(samples, *shape)``, ANN units, channels first.

    Returns:
        Payloads ``(samples, *lava_shape)``.
    """
    return to_lava(step(encoder, [batch], {}, 1))


def decode(integrator: Integrator, total: Array, steps: int) -> Array:
    """Turn an integrator's sums into outputs.

    Args:
        integrator: The readout.
        total: Sums after ``steps`` steps of a sample, ``(..., *shape)``, channels first.
        steps: How many steps were summed.

    Returns:
        Outputs in ANN units, ``(..., *shape)``, float64.
    """
    divisor = steps if integrator.decoding == "mean" else 1
    return np.asarray(total * integrator.scale / divisor)


def viewed(graph: Graph, name: str, decoded: Array, leading: int) -> Array:
    """Return outputs under the shape and in the order that a view of their readout has.

    Args:
        graph: The network.
        name: An integrator, or changes of shape and order behind it.
        decoded: Outputs of the integrator, ``(..., *shape)``, channels first.
        leading: Number of axes before those of the shape.
    """
    node, grid = graph[name], decoded.shape[:leading]
    if isinstance(node, MOVES):
        return node.moved(viewed(graph, node.inputs[0], decoded, leading), leading=leading)
    if isinstance(node, Reshape):
        return viewed(graph, node.inputs[0], decoded, leading).reshape(*grid, *node.shape)
    return decoded
