"""Outputs in ANN units from what integrators have summed, for targets that sum elsewhere."""

from __future__ import annotations

import numpy as np

from ..ir import MOVES, VIEWS, Array, Graph, Integrator, Reshape


def readout(graph: Graph, name: str) -> str:
    """Return the node whose values an output shows, behind any change of shape and order."""
    while isinstance(node := graph[name], VIEWS):
        (name,) = node.inputs
    return name


def decoded_by_step(graph: Graph, name: str, total: Array) -> Array:
    """Turn the sums behind an output into its values after each step.

    Args:
        graph: The network.
        name: An integrator, or changes of shape and order behind it.
        total: Sums of the integrator, ``(samples, timesteps, *shape)``, channels first.

    Returns:
        Outputs in ANN units, ``(samples, timesteps, *shape)``, float64.
    """
    node = graph[readout(graph, name)]
    assert isinstance(node, Integrator)
    values = np.empty(total.shape)
    for t in range(1, total.shape[1] + 1):  # in the order of ``ir.reference``
        values[:, t - 1] = decode(node, total[:, t - 1], t)
    return viewed(graph, name, values, leading=2)


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


def viewed(graph: Graph, name: str, values: Array, leading: int) -> Array:
    """Return outputs under the shape and in the order that a view of their readout has.

    Args:
        graph: The network.
        name: An integrator, or changes of shape and order behind it.
        values: Outputs of the integrator, ``(..., *shape)``, channels first.
        leading: Number of axes before those of the shape.
    """
    node, grid = graph[name], values.shape[:leading]
    if isinstance(node, MOVES):
        return node.moved(viewed(graph, node.inputs[0], values, leading), leading=leading)
    if isinstance(node, Reshape):
        return viewed(graph, node.inputs[0], values, leading).reshape(*grid, *node.shape)
    return values
