"""Computes the equations of the file of a trained network, step by step, as its contract says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from ...ir import Array, Node
from ...ir import Delay as DelayNode
from ...ir.reference import State, step
from .file_contract import FileContract
from .linear_maps import linear_map
from .network import NirNetwork
from .neurons import discrete
from .nodes import Delay, Neuron, NirNode, Port, Threshold
from .stepping import Computed, stepped

Made = Node | Callable[[Array], Array]
"""A neuron or a delay of the IR, or a function of what comes in."""


def execute_trained(
    network: NirNetwork,
    inputs: Mapping[str, Array],
    timesteps: int,
    meant: FileContract,
    read: Mapping[str, Made] | None = None,
    sending: Collection[str] = (),
) -> dict[str, Array]:
    """Run samples from rest, in float64.

    Args:
        network: What was read from a file.
        inputs: For each input node, ``(samples, timesteps, *shape)``.
        timesteps: T.
        meant: What the file says of itself.
        read: What a reader computes for a node, where it is not that: a neuron or a delay of the
            IR, or a function of what comes in.
        sending: Linear maps of which is kept what they had, too.

    Returns:
        What each node but other linear maps had at each step, ``(samples, timesteps, *shape)``.
    """
    read = read or {}
    computed = {
        name: _computed(read[name] if name in read else _made(name, node, meant))
        for name, node in network.nodes.items()
    }
    kept: dict[str, list[Array]] = {
        name: []
        for name, node in network.nodes.items()
        if isinstance(node, (Port, Neuron, Threshold, Delay)) or name in sending
    }
    for now in stepped(network, computed, inputs, timesteps):
        for name, steps in kept.items():
            steps.append(now[name])
    return {name: np.stack(steps, axis=1) for name, steps in kept.items()}


def _made(name: str, node: NirNode, meant: FileContract) -> Made:
    """Return what computes a node."""
    if isinstance(node, Neuron):
        return discrete(node, meant.meaning(name), meant.step)
    if isinstance(node, Delay):
        steps = np.rint(node.delay / meant.step.dt).astype(np.int64)
        return DelayNode(name=name, inputs=("x",), steps=steps)
    if isinstance(node, Threshold):
        meaning = meant.meaning(name)
        above = np.greater if meaning is None or meaning.strict else np.greater_equal
        return lambda x: above(x, node.threshold)
    return linear_map(node)


def _computed(made: Made) -> Computed:
    """Return what computes a node at a step; a neuron or a delay has a state of its own."""
    if not isinstance(made, Node):
        return lambda x, t: made(x)
    state: State = {}
    return lambda x, t: step(made, [x], state, t)
