r"""From a quantised ANN in integers to the spiking network that is equal to it.

Every node has a counterpart: a quantised input is injected once as a graded payload, a
``Requantize`` becomes neurons that track its value, an output adds up what it receives. Synapses,
max pools, views and concatenations stay as they are. Exact, once all neurons are at rest: what a
neuron has received depends on the sums of the payloads alone, and it rests at the quantised value
of just that. By induction over the layers every neuron ends at the integer of the quantised ANN,
whatever was sent, taken back and delayed on the way.

BIF and RBIF neurons of CRNN-SNN (Su et al., arXiv 2408.09403), ST-BIF of SpikeZIP-TF (You et al.,
ICML 2024), here with payloads of up to ``cap`` units and with the model's own rounding rule.

With a radix, layers take turns instead: a population waits until all it reads has been sent, and
then sends the digits of its value, most significant first. Wang et al., arXiv 2105.06943; here
with signed digits, and as many as each population's range needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...ir import (
    Dequantize,
    Encoder,
    Graph,
    Integrator,
    Node,
    Previous,
    Quantize,
    Requantize,
    Signal,
    TensorType,
    TrackingIF,
)


@dataclass(frozen=True)
class ToExact:
    """The pass.

    Attributes:
        cap: Largest payload of an event, and largest magnitude of a negative one.
        base: The radix of digits, or 0 for neurons that send at every step.
    """

    cap: int = 15
    base: int = 0

    def __call__(self, graph: Graph) -> Graph:
        """Return the spiking network of an integer graph."""
        complete: dict[str, int] = {}  # the step at which the last of a value is sent
        nodes: list[Node] = []
        for node in graph:
            ready = max((complete[name] for name in node.inputs), default=1)
            made = self.counterpart(node, ready)
            if isinstance(made, TrackingIF) and made.digits:
                ready = made.start + made.digits - 1
            complete[node.name] = ready
            nodes.append(made)
        return Graph(nodes, graph.outputs)

    def counterpart(self, node: Node, ready: int) -> Node:
        """Return the spiking node for a node of the integer graph.

        Args:
            node: The node.
            ready: The step at which the last of what it reads is sent.
        """
        if isinstance(node, Quantize):
            return Encoder(
                name=node.name,
                inputs=node.inputs,
                scale=node.scale,
                bits=_bits(node.low, node.high),
                once=True,
                bounds=(node.low, node.high),
                gain=node.gain,
                shift=node.shift,
                rounding=node.rounding,
                offset=node.offset,
            )
        if isinstance(node, Requantize):
            return self.population(node, ready)
        if isinstance(node, Dequantize):
            return Integrator(
                name=node.name,
                inputs=node.inputs,
                bias=node.bias,
                scale=node.scale,
                decoding="sum",
            )
        if isinstance(node, Previous):
            return replace(node, type=TensorType(node.type.shape, Signal.SPIKES, node.type.payload))
        return node

    def population(self, node: Requantize, ready: int) -> TrackingIF:
        """Return the neurons that track a quantised value."""
        return TrackingIF(
            name=node.name,
            inputs=node.inputs,
            multiplier=node.multiplier,
            bias=node.bias,
            threshold=node.threshold,
            low=node.low,
            high=node.high,
            rounding=node.rounding,
            edges=node.edges,
            unit=node.unit,
            represents=node.represents,
            max_positive=self.cap,
            max_negative=self.cap,
            base=self.base or 2,
            digits=digits(max(node.high, -node.low), self.base) if self.base else 0,
            start=ready if self.base else 1,
        )


def digits(largest: int, base: int) -> int:
    """Return how many digits hold a magnitude.

    >>> digits(255, 2), digits(8, 3)
    (8, 2)
    """
    count = 1
    while base**count <= largest:
        count += 1
    return count


def _bits(low: int, high: int) -> int:
    """Return the width of a signed integer that holds both bounds."""
    return max(int(np.abs(low)).bit_length(), int(high).bit_length()) + 1
