"""A spiking graph as a torch module that the package ``neurobench`` can look into.

Synapses are torch layers in float64, which holds all sums exactly. Neurons are snnTorch neurons to
NeuroBench's hooks; they send the payloads that snnc's simulator recorded, and keep the membrane
that follows from them. What reaches a layer is thus what reached it in the simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import snntorch
import torch
from neurobench.models.neurobench_model import NeuroBenchModel

from snnc.compiler.cost.neurobench import BUFFERS, PARAMETERS
from snnc.ir import IF, Array, Conv, Encoder, Graph, Integrator, Linear, MaxPool
from snnc.ir.reference import step


class Neurons(snntorch.SpikingNeuron):  # type: ignore[misc]
    """Integrate-and-fire neurons that send what was recorded."""

    def __init__(self, node: IF, payloads: Array) -> None:
        super().__init__(init_hidden=True)
        self.node, self.payloads = node, torch.from_numpy(payloads.astype(np.float64))
        self.reset()

    def reset(self) -> None:
        self.mem, self.at = torch.from_numpy(self.node.initial.astype(np.float64)), 0

    def forward(self, current: Any) -> Any:
        sent = self.payloads[:, self.at]
        bias, threshold = (
            torch.from_numpy(part.astype(np.float64))
            for part in (self.node.bias, self.node.threshold)
        )
        assert self.node.clamp is None
        self.mem, self.at = self.mem + current + bias - sent * threshold, self.at + 1
        return sent


class Mirror(NeuroBenchModel):  # type: ignore[misc]
    """The graph and what it did, for one batch.

    Args:
        graph: A spiking graph of convolutions, matrices, max pools and ``IF`` neurons.
        payloads: For each population and max pool, ``(samples, steps, *shape)``.
        timesteps: T.
    """

    def __init__(self, graph: Graph, payloads: Mapping[str, Array], timesteps: int) -> None:
        super().__init__()
        self.graph, self.payloads, self.timesteps = graph, payloads, timesteps
        self.add_activation_module(snntorch.SpikingNeuron)
        self.net = torch.nn.ModuleDict()
        for node in graph:
            if isinstance(node, (Conv, Linear)):
                self.net[_key(node.name)] = _layer(graph, node)
            elif isinstance(node, IF):
                self.net[_key(node.name)] = Neurons(node, payloads[node.name])

    def __net__(self) -> Any:
        return self.net

    def __call__(self, batch: Mapping[str, Array]) -> None:
        with torch.no_grad():
            for t in range(self.timesteps):
                self._advance(batch, t)

    def _advance(self, batch: Mapping[str, Array], t: int) -> None:
        values: dict[str, Any] = {}
        for node in self.graph:
            before = [values[name] for name in node.inputs]
            if node.name in batch:
                values[node.name] = np.asarray(batch[node.name], np.float64)
            elif isinstance(node, Encoder):
                sent = step(node, before, {}, t + 1)
                values[node.name] = torch.from_numpy(sent.astype(np.float64))
            elif isinstance(node, (Conv, Linear)):
                values[node.name] = self.net[_key(node.name)](before[0]) * node.copies
            elif isinstance(node, IF):
                values[node.name] = self.net[_key(node.name)](sum(before[1:], before[0]))
            elif isinstance(node, MaxPool):
                recorded = self.payloads[node.name][:, t].astype(np.float64)
                values[node.name] = torch.from_numpy(recorded)
            elif not isinstance(node, Integrator):
                values[node.name] = before[0].reshape(len(before[0]), *node.shape)  # type: ignore[attr-defined]


class Arrays(torch.nn.Module):
    """All arrays of a graph in their own number types, as parameters and buffers."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        for node in graph:
            for each in fields(node):
                value = getattr(node, each.name)
                if not isinstance(value, np.ndarray):
                    continue
                tensor, name = torch.from_numpy(value.copy()), f"{_key(node.name)}_{each.name}"
                if each.name in PARAMETERS:
                    self.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))
                elif each.name in BUFFERS:
                    self.register_buffer(name, tensor)


def _key(name: str) -> str:
    return name.replace(".", "_")


def _layer(graph: Graph, node: Conv | Linear) -> Any:
    """Return the torch layer of a synapse; a padding that is not symmetric is refused."""
    out, into = node.weight.shape[:2]
    if isinstance(node, Linear):
        layer: Any = torch.nn.Linear(into, out, bias=False)
    else:
        top, left, bottom, right = node.padding
        assert (top, left) == (bottom, right)
        layer = torch.nn.Conv2d(
            into * node.groups,
            out,
            (node.weight.shape[2], node.weight.shape[3]),
            stride=node.stride,
            padding=(top, left),
            dilation=node.dilation,
            groups=node.groups,
            bias=False,
        )
    layer = layer.double()
    layer.weight.data = torch.from_numpy(node.weight.astype(np.float64))
    return layer
