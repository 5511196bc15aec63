"""Makes the whole spiking graph of an unrolled network: layers, and what its outputs read."""

from __future__ import annotations

import numpy as np

from ...ir import LI, Array, Conv, CubaLI, Graph, Integrator, Linear, Node
from .build import Layers, parameter, per_channel
from .readouts import Integration
from .recognise import Readout
from .refusal import NotRecognisedError


class Builder(Layers):
    """Builds the graph; its arguments are those of ``Layers``."""

    def result(self) -> Graph:
        for number in self.order():
            self.neurons(number)
        outputs = {name: self.output(name, r) for name, r in self.unrolled.readouts.items()}
        if self.problems:
            raise NotRecognisedError(next(iter(self.problems.values())).message)
        return Graph(_in_order(self.nodes), outputs).without_dead_nodes()

    def output(self, name: str, readout: Readout) -> str:
        """Return the node that an output is."""
        if readout.integration is not None:
            return self.integrated(name, readout.integration)
        assert readout.layer is not None
        edge = (
            self.names[readout.layer]
            if readout.spikes
            else self.membrane(name, readout.layer, readout.after_reset)
        )
        if readout.over != "sum":
            return edge
        return self.summed(name, edge, self.shapes[readout.layer], readout.factor)

    def summed(self, name: str, edge: str, shape: tuple[int, ...], factor: float) -> str:
        """Sum up what an edge carries, over all steps."""
        synapse = self.one_to_one(f"{name}.identity", edge, shape, np.ones(1))
        mean = np.isclose(factor * self.unrolled.steps, 1, rtol=1e-6, atol=0)
        readout = Integrator(
            name=self.free(f"{name}.readout"),
            inputs=(synapse,),
            bias=np.zeros(1),
            scale=np.ones(1) if mean else np.full(1, factor),
            decoding="mean" if mean else "sum",
        )
        self.emit(readout)
        return readout.name

    def one_to_one(self, name: str, edge: str, shape: tuple[int, ...], weight: Array) -> str:
        """Make a synapse from each neuron to one; ``weight`` is one number or one a channel."""
        free = self.free(name)
        factors = np.broadcast_to(weight.reshape(-1), shape[:1]) if len(shape) else weight
        node: Node
        if len(shape) == 3:
            kernel = factors.reshape(-1, 1, 1, 1).astype(np.float64)
            node = Conv(name=free, inputs=(edge,), weight=kernel, groups=shape[0])
        elif len(shape) == 1:
            node = Linear(name=free, inputs=(edge,), weight=np.diag(factors).astype(np.float64))
        else:
            raise NotRecognisedError(f"{name}: no population can have the shape {shape}")
        self.emit(node)
        return free

    def membrane(self, name: str, number: int, after_reset: bool) -> str:
        """Return an integrator with the membrane of a layer: neurons send only spikes.

        It reads what the neurons read, and their spikes as what those subtract.
        """
        found, firing = self.unrolled.dynamics[number], self.unrolled.layers[number].firing
        if (number, after_reset) in self.membranes:
            return self.membranes[number, after_reset]
        shape = self.shapes[number]
        if found.reset == "value":
            raise NotRecognisedError(
                f"output {name}: reads a membrane that is reset to a value; read spikes, or let "
                "the last layer have no reset"
            )
        synapses, gain, bias = self.drive(found.sources, name, shape, found.current_decay)
        common = {
            "decay": parameter(found.decay, shape),
            "bias": parameter(found.bias, shape) + bias,
            "initial": parameter(found.initial, shape),
        }
        node = self.free(f"{name}.membrane")
        if found.current_decay is not None:
            if found.reset != "none":
                raise NotRecognisedError(
                    f"output {name}: reads the membrane of neurons with a synaptic current and a "
                    "reset; read spikes, or let the last layer have no reset"
                )
            decay = parameter(found.current_decay, shape)
            self.emit(CubaLI(name=node, inputs=synapses, gain=gain, current_decay=decay, **common))
        else:
            if found.reset == "subtract":
                theta = parameter(firing.threshold, shape)
                before = not after_reset
                factor = theta if after_reset or found.reset_delayed else theta * common["decay"]
                edge = self.earlier(number, 1) if before else self.names[number]
                weight = per_channel(-factor / gain, shape)
                synapses += (self.one_to_one(f"{name}.reset", edge, shape, weight),)
            self.emit(LI(name=node, inputs=synapses, gain=gain, **common))
        self.membranes[number, after_reset] = node
        return node

    def integrated(self, name: str, found: Integration) -> str:
        """Make the integrators of a layer without threshold."""
        shape = self.ann.types[self.value(found.sources[0])].shape
        node = self.free(f"{name}.membrane")
        synapses, gain, bias = self.drive(found.sources, node, shape, found.current_decay)
        decay = parameter(found.decay, shape)
        if found.current_decay is None:
            self.emit(LI(name=node, inputs=synapses, gain=gain, bias=bias, decay=decay))
        else:
            current = parameter(found.current_decay, shape)
            self.emit(
                CubaLI(name=node, inputs=synapses, gain=gain, decay=decay, current_decay=current)
            )
        return node


def _in_order(nodes: list[Node]) -> list[Node]:
    """Return nodes each after those it reads."""
    left = {node.name: node for node in nodes}
    found: dict[str, Node] = {}
    while left:
        ready = [n for n in left.values() if all(name in found for name in n.inputs)]
        found |= {node.name: node for node in ready}
        left = {name: node for name, node in left.items() if name not in found}
    return list(found.values())
