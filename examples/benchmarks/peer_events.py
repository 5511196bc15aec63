"""Events of a network converted by SpikingJelly, and the synaptic operations they cause.

The definitions are those of ``snnc``: an event of a neuron, or of a max pool that reads events,
causes one operation for each nonzero synapse it reaches, borders as they are; an identity shortcut
is one synapse; what the image causes are multiplications and does not count. Average pooling and
the linear map behind it are one synapse, since no neuron stands between them.
"""

from __future__ import annotations

from typing import Any

import torch
from spikingjelly.activation_based.ann2snn.modules import ChannelVoltageScaler, VoltageScaler
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor, fx, nn
from torch.nn import functional

SCALERS = (VoltageScaler, ChannelVoltageScaler)


class FanOut(fx.Interpreter):
    """Finds how many synapses an event reaches, for every place it can come from.

    Every weight counts as 1 where it is not zero, every population sends ones into a sum of all
    currents: the derivative of that sum is the fan-out.
    """

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.sources: dict[str, Tensor] = {}
        self.total = torch.zeros(())
        self._carriers: set[fx.Node] = set()

    def find(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Return the fan-out ``(*shape,)`` of each module that sends events, by its name.

        Args:
            shape: Of one sample, without the batch axis.
        """
        output = self.run(torch.zeros(1, *shape))
        (self.total + output.sum()).backward()
        return {
            name: torch.zeros_like(ones[0]) if ones.grad is None else ones.grad[0]
            for name, ones in self.sources.items()
        }

    def run_node(self, n: fx.Node) -> Any:
        """Compute the number of paths through one node."""
        if n.op != "call_module":
            return super().run_node(n)
        module = self.fetch_attr(str(n.target))
        read: Any = self.map_nodes_to_values(n.args, n)
        x: Tensor = read[0]
        events = bool(n.all_input_nodes and n.all_input_nodes[0] in self._carriers)
        if isinstance(module, BaseNode):
            self.total = self.total + x.sum()
            return self._source(n, x)
        if isinstance(module, nn.MaxPool2d) and events:
            return self._source(n, module(x))
        if isinstance(module, nn.MaxPool2d):  # of currents: what reaches it reaches the neuron
            self.total = self.total + x.sum()
            return torch.zeros_like(module(x))
        if events and isinstance(module, (*SCALERS, nn.Flatten)):
            self._carriers.add(n)
        return _paths(module, x)

    def _source(self, node: fx.Node, like: Tensor) -> Tensor:
        self._carriers.add(node)
        self.sources[str(node.target)] = torch.ones_like(like, requires_grad=True)
        return self.sources[str(node.target)]


def _paths(module: Any, x: Any) -> Any:
    """Return what one module passes on where each of its synapses counts as 1."""
    if isinstance(module, SCALERS):
        return x
    if isinstance(module, nn.Conv2d):
        synapses = (module.weight != 0).float()
        return functional.conv2d(
            x, synapses, None, module.stride, module.padding, module.dilation, module.groups
        )
    if isinstance(module, nn.Linear):
        return functional.linear(x, (module.weight != 0).float())
    if isinstance(module, nn.AvgPool2d):
        return functional.avg_pool2d(
            x, module.kernel_size, module.stride, module.padding, divisor_override=1
        )
    if isinstance(module, nn.Flatten):
        return module(x)
    raise NotImplementedError(f"fan-out of {module}")


class EventCounter:
    """Counts what happens in a converted network while it runs in multi-step mode.

    Attributes:
        counts: Spikes and synaptic operations so far, summed over samples, ``(T, 2)``.
    """

    def __init__(self, network: fx.GraphModule, shape: tuple[int, ...], timesteps: int) -> None:
        self.counts = torch.zeros(timesteps, 2, dtype=torch.float64)
        self._begin = 0
        for name, fan_out in FanOut(network).find(shape).items():
            weights = torch.stack([torch.ones_like(fan_out), fan_out]).reshape(2, -1)
            network.get_submodule(name).register_forward_hook(self._hook(weights.T.contiguous()))

    def begin_at(self, step: int) -> None:
        """Say which time step is the first of the next call of the network."""
        self._begin = step

    def _hook(self, weights: Tensor) -> Any:
        def count(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            steps, samples = output.shape[:2]
            events = (output != 0).reshape(steps * samples, -1).float()
            found = (events @ weights).reshape(steps, samples, 2)  # whole numbers below 2**24
            self.counts[self._begin : self._begin + steps] += found.double().sum(dim=1)

        return count
