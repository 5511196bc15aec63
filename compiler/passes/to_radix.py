"""Radix-encoded spikes: every value is sent digit by digit, most significant first.

A network compiled for one step with payloads from 0 to ``base**T - 1`` computes a value in one
event. This pass lets each population send that event as T digits, one a step, and lets each
layer wait for the last digit of those it reads. Exact: the payloads of a population sum up to
the event of before, so every layer receives what it received before, and so do the outputs. A
value takes T steps; the sample takes ``1 + depth * (T - 1)``, because a layer cannot send its
most significant digit before it knows the least significant one of its inputs.

Wang et al., arXiv 2105.06943 (radix 2 and more); Datta et al., TMLR 2025 (the neuron).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir import IF, Encoder, Graph, Integrator, Node, RadixIF


@dataclass(frozen=True)
class ToRadix:
    """The pass.

    Attributes:
        base: The radix.
        digits: T.
    """

    base: int
    digits: int

    def __call__(self, graph: Graph) -> Graph:
        """Return the layer-synchronous network."""
        known: dict[str, int] = {}  # the step after which all of a value has been sent
        nodes: list[Node] = []
        for node in graph:
            ready = max((known[name] for name in node.inputs), default=1)
            if isinstance(node, IF):
                nodes.append(self._population(node, ready))
                ready += self.digits - 1
            elif isinstance(node, Encoder):
                nodes.append(replace(node, once=True))
            elif isinstance(node, Integrator):
                nodes.append(replace(node, decoding="sum"))
            else:
                nodes.append(node)
            known[node.name] = ready
        return Graph(nodes, graph.outputs)

    def _population(self, node: IF, start: int) -> RadixIF:
        return RadixIF(
            name=node.name,
            inputs=node.inputs,
            threshold=node.threshold,
            bias=node.bias,
            initial=node.initial,
            unit=node.unit,
            represents=node.represents,
            base=self.base,
            digits=self.digits,
            start=start,
        )
