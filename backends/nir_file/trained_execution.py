"""Computes the equations of the file of a trained network, step by step, as its contract says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ...ir import Array, Node
from ...ir import Delay as DelayNode
from ...ir.reference import State, step
from .execution import linear_map
from .file_contract import FileContract
from .network import NirNetwork, NirNode, Port
from .stateful import Late, Neuron, Threshold, discrete


def execute_trained(
    network: NirNetwork,
    inputs: Mapping[str, Array],
    timesteps: int,
    meant: FileContract,
    read: Mapping[str, Any] | None = None,
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
    place = {name: number for number, name in enumerate(network.nodes)}
    sources = {name: network.sources(name) for name in network.nodes}
    samples = len(next(iter(inputs.values())))
    read = read or {}
    made = {
        name: read[name] if name in read else _made(name, node, meant)
        for name, node in network.nodes.items()
    }
    state: dict[str, State] = {name: {} for name in network.nodes}
    before = {name: np.zeros((samples, *node.shape)) for name, node in network.nodes.items()}
    kept: dict[str, list[Array]] = {
        name: []
        for name, node in network.nodes.items()
        if isinstance(node, (Port, Neuron, Threshold, Late)) or name in sending
    }
    for t in range(timesteps):
        now: dict[str, Array] = {}
        for name in network.nodes:
            if not sources[name]:
                now[name] = np.asarray(inputs[name][:, t], np.float64)
            else:
                arriving = [
                    (now if place[source] < place[name] else before)[source]
                    for source in sources[name]
                ]
                x = np.asarray(sum(arriving[1:], arriving[0]), np.float64)
                now[name] = _value(made[name], x, state[name], t)
            if name in kept:
                kept[name].append(now[name])
        before = now
    return {name: np.stack(steps, axis=1) for name, steps in kept.items()}


def _made(name: str, node: NirNode, meant: FileContract) -> Any:
    """Return what computes a node: a neuron or a delay of the IR, or a function."""
    if isinstance(node, Neuron):
        return discrete(node, meant.meaning(name), meant.step)
    if isinstance(node, Late):
        steps = np.rint(node.delay / meant.step.dt).astype(np.int64)
        return DelayNode(name=name, inputs=("x",), steps=steps)
    if isinstance(node, Threshold):
        meaning = meant.meaning(name)
        above = np.greater if meaning is None or meaning.strict else np.greater_equal
        return lambda x: above(x, node.threshold)
    return linear_map(node, ())


def _value(made: Any, x: Array, state: State, t: int) -> Array:
    if isinstance(made, Node):
        return np.asarray(step(made, [x], state, t), np.float64)
    return np.asarray(made(x), np.float64)
