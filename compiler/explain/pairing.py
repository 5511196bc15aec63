"""Finds the layers of a compiled network: the nodes, and what they are held against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...ir import (
    IF,
    MOVES,
    VIEWS,
    Encoder,
    Graph,
    Integrator,
    MaxPool,
    Node,
)
from ...ir.errors import ArtifactError, ConversionError
from ..passes.kinds import is_linear
from .afferents import afferents, exact_network, nearest, payload_units, rounded
from .layers import InputLayer, Layer, OutputLayer, PoolLayer, PopulationLayer
from .settings import Settings
from .split import Activation, Population, Versions


def layers(ann: Graph, graph: Graph, settings: Settings) -> tuple[Layer, ...]:
    """Return the layers of a compiled network, from the inputs to the outputs.

    Args:
        ann: The source model.
        graph: The compiled network.
        settings: What it was compiled with.

    Raises:
        ArtifactError: The network is not the source model's.
    """
    return _Layers(ann, graph, settings).found()


class _Layers:
    """The network beside its exact counterpart."""

    def __init__(self, ann: Graph, graph: Graph, settings: Settings) -> None:
        self.ann, self.graph, self.settings = ann, graph, settings
        self.exact = exact_network(ann, graph, settings.v_init)
        if {n.name: type(n) for n in self.exact} != {n.name: type(n) for n in graph}:
            raise ArtifactError(
                "the network has other nodes than the conversion of its source model",
                hint="compile the model again with this version of snnc",
            )
        self.units = payload_units(graph)

    def found(self) -> tuple[Layer, ...]:
        made = [layer for node in self.graph if (layer := self._layer(node)) is not None]
        return tuple(sorted(made, key=lambda layer: layer.kind == OutputLayer.kind))

    def _layer(self, node: Node) -> Layer | None:
        if isinstance(node, Encoder):
            return None if node.scale is None else InputLayer(node)
        if isinstance(node, IF):
            return self._population(node)
        if isinstance(node, MaxPool):
            return PoolLayer(node, self.units[node.name])
        return self._output(node) if isinstance(node, Integrator) else None

    def _population(self, node: IF) -> PopulationLayer | None:
        """Return the layer of one value; the second population of a pair is the negative half."""
        pair = [other for other in self.graph.of_type(IF) if other.represents == node.represents]
        if node is not pair[0]:
            return None
        source = self.ann[node.represents]
        activation = Activation(low=0.0) if len(pair) > 1 else Activation.of(source)
        members = [
            Population(made, self._versions(made), activation, sign)
            for made, sign in zip(map(self._at_once, pair), (1, -1), strict=False)
        ]
        return PopulationLayer(tuple(members), added=is_linear(source))

    def _at_once(self, node: IF) -> IF:
        """Return a population whose bias and initial membrane are apart, at rest as this one.

        A part of the initial membrane may be spread over all steps, as a bias; and what rounding
        a bias loses over all steps is made up for at the start.
        """
        exact, steps = self._exact(node), self.settings.timesteps
        assert isinstance(exact, IF)
        wanted = exact.bias * (node.threshold / node.unit)
        made = wanted + node.threshold * exact.initial / steps * self.settings.spread
        if self.settings.weight_bits is not None:
            made = nearest(made, node.bias)
        shift = made - wanted
        return replace(node, bias=node.bias - shift, initial=node.initial + steps * shift)

    def _output(self, node: Integrator) -> OutputLayer:
        output = _output_of(self.graph, node)
        shape, value = self.graph.types[node.name].shape, self.ann.outputs[output]
        return OutputLayer(node, output, value, shape, self._versions(node))

    def _versions(self, node: IF | Integrator) -> Versions:
        exact = afferents(self.exact, self._exact(node))
        actual = afferents(self.graph, node, np.float64)
        if self.settings.weight_bits is None:
            return Versions(exact, exact, actual)
        whole = rounded(exact, actual, self.settings.weight_limit)
        if isinstance(node, Integrator):  # what rounding its bias loses, nothing makes up for
            whole = replace(whole, bias=nearest(whole.bias, node.bias))
        return Versions(exact, whole, actual)

    def _exact(self, node: IF | Integrator) -> IF | Integrator:
        exact = self.exact[node.name]
        assert isinstance(exact, (IF, Integrator))
        return exact


def _output_of(graph: Graph, node: Integrator) -> str:
    """Return the first output that an integrator leads to."""
    for output, name in graph.outputs.items():
        source = name
        moved = False
        while isinstance(view := graph[source], VIEWS):
            moved |= isinstance(view, MOVES)
            (source,) = view.inputs
        if source == node.name and moved:
            raise ConversionError(
                f"{output}: its values are moved behind the last layer, which is not explained",
                hint="end the model before its last Transpose or DepthToSpace",
            )
        if source == node.name:
            return output
    raise AssertionError(f"{node.name} leads to no output")
