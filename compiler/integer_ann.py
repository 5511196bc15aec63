"""A quantised ANN in integers, computed fast: equal to ``ir.reference.evaluate``.

Only convolutions and matrix products are computed otherwise, in the float type that holds every
partial sum of theirs: float32 up to 2**24, float64 up to 2**53. What is too large for either, and
all other nodes, are computed by the reference itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from ..backends.numpy_sim.convolution import Multiplication, Precision
from ..backends.numpy_sim.kernels import product
from ..ir import Array, Conv, Graph, Input, Linear, Node, Product
from ..ir.bounds import payload_bounds
from ..ir.quantized import Previous
from ..ir.reference import batch_size, carried, elements, step


class IntegerANN:
    """A graph of integer signals, made ready to compute many samples.

    Args:
        graph: What the pass ``to_integer`` gives.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def evaluate(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all nodes but synapses and products.

        Args:
            samples: For each input, ``(samples, *shape)``, of a sequence
                ``(samples, elements, *shape)``.

        Returns:
            For each node's name, its value ``(samples, *shape)``, int64 (float64 at inputs and
            outputs); of a sequence, that of the last element.
        """
        values: dict[str, Array] = {}
        for element in elements(self.graph, samples):
            before, values = values, {}
            for node in self.graph:
                if isinstance(node, Input):
                    values[node.name] = element[node.name]
                elif isinstance(node, Previous):
                    size = batch_size(element)
                    values[node.name] = carried(node, before.get(node.source), size)
                else:
                    arguments = [values[name] for name in node.inputs]
                    values[node.name] = self.value(node, arguments)
        return {
            name: value
            for name, value in values.items()
            if not isinstance(self.graph[name], (Conv, Linear, Product))
        }

    def value(self, node: Node, arguments: list[Array]) -> Array:
        """Compute one node from the values of those it reads, ``(samples, *shape)``."""
        kept = self._products.get(node.name)
        if kept is None:
            return step(node, arguments, {}, 1)
        precision, multiply = kept
        assert isinstance(node, (Conv, Linear))
        return multiply(arguments[0].astype(precision)).astype(np.int64) * node.copies

    @cached_property
    def _products(self) -> dict[str, tuple[Precision, Multiplication]]:
        synapses = self.graph.of_type(Conv) + self.graph.of_type(Linear)
        held = ((node, self._holding(node)) for node in synapses)
        return {n.name: (precision, product(n, precision)) for n, precision in held if precision}

    def _holding(self, node: Conv | Linear) -> Precision | None:
        """Return the float type that holds every partial sum of a synapse, if any does."""
        low, high = payload_bounds(self.graph, node.inputs[0])
        rows = np.abs(node.weight.astype(np.int64)).reshape(len(node.weight), -1)
        largest = int(rows.sum(axis=1).max(initial=0)) * max(-low, high)
        if largest < 2**24:
            return np.float32
        return np.float64 if largest < 2**53 else None
