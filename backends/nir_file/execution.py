"""Computes the equations of a NIR network step by step, with any reader's meaning of ``IF``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ...ir import Array
from .linear_maps import linear_map
from .network import NirNetwork
from .neuron_rules import NeuronRule
from .nodes import Neuron, Port
from .stepping import Computed, stepped


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
    held = {name: _held(x, timesteps) for name, x in inputs.items()}
    populations = {name: _Population(node, rule) for name, node in network.neurons.items()}
    computed: dict[str, Computed] = dict(populations)
    for name, node in network.nodes.items():
        if not isinstance(node, Neuron):
            read = [network.nodes[source] for source in network.sources(name)]
            same = all(isinstance(each, Port) for each in read)
            computed[name] = _Map(linear_map(node, ignored), same=same)
    spikes: dict[str, list[Array]] = {name: [] for name in populations if record}
    outputs: dict[str, list[Array]] = {
        name: [] for name, node in network.nodes.items() if isinstance(node, Port) and node.output
    }
    for now in stepped(network, computed, held, timesteps):
        for name, kept in (*spikes.items(), *outputs.items()):
            kept.append(now[name])
    return Execution(
        {name: np.stack(sent, axis=1) for name, sent in spikes.items()},
        {name: each.rate(timesteps) for name, each in populations.items()},
        {name: np.stack(received, axis=1) for name, received in outputs.items()},
    )


def _held(x: Array, timesteps: int) -> Array:
    """Return the same sample at every step, a view."""
    each = np.asarray(x, np.float64)[:, None]
    return np.broadcast_to(each, (len(x), timesteps, *each.shape[2:]))


class _Population:
    """Neurons of some rule, and how much they have sent."""

    def __init__(self, node: Neuron, rule: NeuronRule) -> None:
        assert node.v_threshold is not None
        self.node, self.rule, self.threshold = node, rule, node.v_threshold
        self.reset = np.zeros(1) if node.v_reset is None else node.v_reset
        self.membranes = np.zeros((1, *node.shape))
        self.sent = 0.0

    def __call__(self, x: Array, t: int) -> Array:
        sent, self.membranes = self.rule.step(
            self.membranes, self.node.r * x, self.threshold, self.reset
        )
        self.sent += float(sent.sum())
        return sent

    def rate(self, timesteps: int) -> float:
        """Return the mean number of spikes per neuron and step."""
        return self.sent / (self.membranes.size * timesteps)


class _Map:
    """A linear map; of what is the same at every step it is computed once."""

    def __init__(self, function: Callable[[Array], Array], *, same: bool) -> None:
        self.function, self.same = function, same
        self.found: Array | None = None

    def __call__(self, x: Array, t: int) -> Array:
        if self.found is None or not self.same:
            self.found = self.function(x)
        return self.found
