"""Computes the equations of a NIR network step by step, with any reader's meaning of ``IF``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ...ir import Array
from .network import Affine, Conv2d, Flatten, IntegrateAndFire, NirNetwork, NirNode, Port
from .neuron_rules import NeuronRule


@dataclass(frozen=True)
class Execution:
    """What a network did.

    Attributes:
        spikes: For each population, what it sent, ``(samples, timesteps, *shape)``, float64; empty
            unless it was asked for.
        rates: For each population, its mean number of spikes per neuron and step.
        outputs: For each output node, what it received, ``(samples, timesteps, *shape)``.
    """

    spikes: Mapping[str, Array]
    rates: Mapping[str, float]
    outputs: Mapping[str, Array]


def execute(
    network: NirNetwork,
    inputs: Mapping[str, Array],
    timesteps: int,
    rule: NeuronRule,
    *,
    record: bool = True,
    ignored: Collection[str] = (),
) -> Execution:
    """Run samples from rest, each presented at every step, in float64.

    Args:
        network: What was read from a file.
        inputs: For each input node, ``(samples, *shape)``.
        timesteps: T.
        rule: What an ``IF`` node does.
        record: Whether to keep all spikes.
        ignored: What the reader leaves out: ``Conv2d.bias``.
    """
    order = {name: place for place, name in enumerate(network.nodes)}
    read = {name: network.sources(name) for name in network.nodes}
    samples = len(next(iter(inputs.values())))
    maps = {n: linear_map(node, ignored) for n, node in network.nodes.items()}
    membranes = {n: np.zeros((samples, *node.shape)) for n, node in network.neurons.items()}
    counts = dict.fromkeys(membranes, 0.0)
    spikes: dict[str, list[Array]] = {name: [] for name in membranes}
    outputs: dict[str, list[Array]] = {n: [] for n in network.nodes if _is_output(network, n)}
    before: dict[str, Array] = {}
    constant: dict[str, Array] = {}
    for _ in range(timesteps):
        values: dict[str, Array] = {}
        for name, node in network.nodes.items():
            arriving = [
                (values if order[source] < order[name] else before).get(source, np.zeros(()))
                for source in read[name]
            ]
            if isinstance(node, IntegrateAndFire):
                current = node.r * np.asarray(sum(arriving))
                sent, membranes[name] = rule.step(
                    membranes[name], current, node.threshold, node.reset
                )
                values[name] = sent
                counts[name] += float(sent.sum())
                if record:
                    spikes[name].append(sent)
            elif not read[name]:
                values[name] = np.asarray(inputs[name], np.float64)
            elif all(isinstance(network.nodes[source], Port) for source in read[name]):
                if name not in constant:  # the same sample at every step
                    constant[name] = maps[name](arriving[0])
                values[name] = constant[name]
            else:
                values[name] = maps[name](np.asarray(sum(arriving[1:], arriving[0])))
            if name in outputs:
                outputs[name].append(values[name])
        before = values
    return Execution(
        {name: np.stack(sent, axis=1) for name, sent in spikes.items() if sent},
        {name: counts[name] / (membranes[name].size * timesteps) for name in membranes},
        {name: np.stack(steps, axis=1) for name, steps in outputs.items()},
    )


def _is_output(network: NirNetwork, name: str) -> bool:
    node = network.nodes[name]
    return isinstance(node, Port) and node.output


def linear_map(node: NirNode, ignored: Collection[str]) -> Callable[[Array], Array]:
    """Return what a node without state computes of a batch."""
    if isinstance(node, Affine):
        weight, offset = node.weight.astype(np.float64).T, node.bias.astype(np.float64)
        return lambda x: np.asarray(x @ weight + offset)
    if isinstance(node, Conv2d):
        bias = np.zeros(()) if "Conv2d.bias" in ignored else node.bias[:, None, None]
        return lambda x: convolved(node, x) + bias
    if isinstance(node, Flatten):
        return lambda x: x.reshape(len(x), -1)
    return lambda x: x


def convolved(node: Conv2d, x: Array) -> Array:
    """Return a convolution of ``(batch, in, height, width)`` without bias, float64."""
    rows, columns = node.padding
    grid = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    side = node.weight.shape[2]
    _, height, width = node.shape
    result = np.zeros((len(x), height, width, len(node.weight)))
    for i, j in _taps(side):
        if node.weight[:, :, i, j].any():  # zeros stand where a kernel was made square
            top, left = i * node.dilation[0], j * node.dilation[1]
            tap = grid[
                :,
                :,
                top : top + (height - 1) * node.stride[0] + 1 : node.stride[0],
                left : left + (width - 1) * node.stride[1] + 1 : node.stride[1],
            ]
            result += np.tensordot(tap, node.weight[:, :, i, j].astype(np.float64), ((1,), (1,)))
    return result.transpose(0, 3, 1, 2)


def _taps(side: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(side) for j in range(side))
