"""Design rules of Lava beyond those that its ``Target`` data express."""

from __future__ import annotations

from collections.abc import Iterator

import networkx

from ...ir import Conv, Encoder, Graph, Input, Integrator, Linear, Reshape, Signal
from ...ir.errors import Problem
from ..rules import Rule
from ..target import Target


def readout(graph: Graph, name: str) -> str:
    """Return the node whose values an output shows, behind any change of shape."""
    while isinstance(node := graph[name], Reshape):
        (name,) = node.inputs
    return name


def eight_bit_weights(graph: Graph, target: Target) -> Iterator[Problem]:
    """A synapse stores 8 bits with sign; Lava's processes clip what is beyond, silently."""
    for node in graph.of_type(Conv) + graph.of_type(Linear):
        if node.weight.size and not (node.weight.min() >= -128 and node.weight.max() <= 127):
            low, high = int(node.weight.min()), int(node.weight.max())
            yield Problem(
                f"{node.name}: weights reach from {low} to {high}, and a Lava synapse holds -128 "
                "to 127",
                "compile with --weight-bits 8",
            )


def one_spiking_network(graph: Graph, target: Target) -> Iterator[Problem]:
    """Nothing is computed on real numbers before an encoder or after an integrator."""
    for node in graph:
        real = graph.types[node.name].signal is Signal.REAL
        decoded = isinstance(graph[readout(graph, node.name)], Integrator)
        if real and not isinstance(node, Input) and not decoded:
            yield Problem(
                f"{node.name}: computes real numbers, which no Lava process does",
                "put it outside of the spiking network",
            )
        if isinstance(node, Encoder) and not isinstance(graph[node.inputs[0]], Input):
            yield Problem(
                f"{node.name}: encodes {node.inputs[0]!r}, which is not an input of the graph",
                "encode graph inputs only",
            )


def decoded_outputs(graph: Graph, target: Target) -> Iterator[Problem]:
    """Every output is that of an integrator, at most under another shape."""
    for output, name in graph.outputs.items():
        if not isinstance(graph[readout(graph, name)], Integrator):
            yield Problem(
                f"{name}: output {output!r} is a {type(graph[name]).__name__}, not an integrator",
                "end the network with a synapse and an integrator",
            )


def connected(graph: Graph, target: Target) -> Iterator[Problem]:
    """Lava finds the processes to run by following connections from one of them."""
    processes = graph.digraph()
    processes.remove_nodes_from([node.name for node in graph.of_type(Input)])
    order = list(graph.nodes)
    parts = sorted(
        (min(part, key=order.index) for part in networkx.weakly_connected_components(processes)),
        key=order.index,
    )
    for name in parts[1:]:
        yield Problem(
            f"{name}: is not connected with {parts[0]!r}, and Lava runs connected networks only",
            "compile the parts one by one",
        )


RULES: tuple[Rule, ...] = (
    eight_bit_weights,
    one_spiking_network,
    decoded_outputs,
    connected,
)
