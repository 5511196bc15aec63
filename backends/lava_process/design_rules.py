"""Design rules of Lava beyond those that its ``Target`` data express.

Those about widths in bits are about fixed point and look at integer graphs only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import networkx
import numpy as np

from ...ir import (
    Array,
    Conv,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    Population,
    Previous,
    Signal,
    TrackingIF,
)
from ...ir.bounds import accumulated_bounds, is_integer_node, is_quantized, value_bounds
from ...ir.depth import takes_a_step
from ...ir.errors import Problem
from ...ir.neurons import SATURATION
from ...ir.trained import looks_trained
from ..readouts import readout
from ..rules import Rule, decoded_outputs
from ..target import Target
from .alignment import closes

MOST_PARALLEL = 4
"""Into so many synapses of 8 bits one with wider weights is split at most."""

STATE = SATURATION
"""Largest magnitude of what a neuron keeps and of what an event carries: 24 bits with sign. The
models that simulate a neuron have 64 bits; what is refused here is what a chip could not hold."""


def one_arithmetic(graph: Graph, target: Target) -> Iterator[Problem]:
    """All processes run on models of one kind: in fixed point, or in float64.

    Samples may be quantised all the same where weights are real: their payloads are numbers too.
    """
    if is_quantized(graph):
        return
    for node in graph:
        if isinstance(node, (Conv, Linear, Population, Integrator)) and is_integer_node(node):
            yield Problem(
                f"{node.name}: is integer in a real-valued network, and Lava runs all of it in "
                "fixed point or all of it in floats",
                "quantise every node of the network, or none",
            )


def eight_bit_weights(graph: Graph, target: Target) -> Iterator[Problem]:
    """A synapse stores 8 bits with sign; Lava's processes clip what is beyond, silently.

    Where weights come from a model and not from this compiler, a few parallel synapses may make
    up wider ones: asymmetric weights reach 255.
    """
    if not is_quantized(graph):
        return
    given = bool(graph.of_type(TrackingIF)) or looks_trained(graph)
    parallel = MOST_PARALLEL if given else 1
    for node in graph.of_type(Conv) + graph.of_type(Linear):
        low, high = node.weight.min(initial=0), node.weight.max(initial=0)
        if low < -128 * parallel or high > 127 * parallel:
            several = f"{parallel} parallel Lava synapses hold" if given else "a Lava synapse holds"
            yield Problem(
                f"{node.name}: weights reach from {low} to {high}, and {several} "
                f"{-128 * parallel} to {127 * parallel}",
                "quantise the model's weights to int8 with zero point 0"
                if given
                else "compile with --weight-bits 8",
            )


def no_digits(graph: Graph, target: Target) -> Iterator[Problem]:
    """Every neuron sends at every step; none waits for those before it."""
    for node in graph.of_type(TrackingIF):
        if node.digits:
            yield Problem(
                f"{node.name}: sends its value digit by digit, which target {target.name} cannot",
                "compile with --code exact and without --radix",
            )


def carried_values(graph: Graph, target: Target) -> Iterator[Problem]:
    """What is carried passes a synapse on its way round, and its payload holds its sum."""
    for loop in _unweighted_loops(graph):
        yield Problem(
            f"{loop}: carries itself without a synapse, and Lava waits for ever in such a loop",
            "put a constant in its place",
        )
    for node in graph.of_type(Previous):
        low, high = node.type.payload or (0, 0)
        try:
            least, most = value_bounds(graph, node.source)
        except ValueError as error:
            yield Problem(
                f"{node.name}: carries a sum without bound, because {error}",
                "carry what tracking neurons send",
            )
            continue
        if least < low or most > high:
            yield Problem(
                f"{node.name}: carries a value between {least} and {most}, and its payload is "
                f"between {low} and {high}",
                "widen the bounds of its type",
            )


def _unweighted_loops(graph: Graph) -> Iterator[str]:
    """Yield the first node of all loops that hang together and in which nothing takes a step."""
    loops = with_feedback(graph)
    loops.remove_nodes_from([node.name for node in graph if takes_a_step(graph, node.name)])
    order = list(graph.nodes)
    for part in networkx.strongly_connected_components(loops):
        first = min(part, key=order.index)
        if len(part) > 1 or loops.has_edge(first, first):
            yield first


def with_feedback(graph: Graph) -> networkx.DiGraph[str]:
    """Return the graph with the edges that close its loops."""
    edges = graph.digraph()
    edges.add_edges_from((source, name) for name, source in graph.feedback.items())
    return edges


def late_values(graph: Graph, target: Target) -> Iterator[Problem]:
    """What comes late are events, and a loop takes as many steps in Lava as in the graph."""
    for node in graph:
        current = graph.types[node.name].signal is Signal.CURRENT
        if isinstance(node, (Delay, Feedback)) and current:
            yield Problem(
                f"{node.name}: a current comes late, and target {target.name} keeps events only",
                "put it in front of the synapse",
            )
    back = graph.of_type(Feedback)
    if back and (graph.carried or not closes(graph)):
        yield Problem(
            f"{back[0].name}: closes a loop with more synapses than steps, and every synapse of "
            "Lava takes one",
            "run the network on target numpy",
        )


def accumulators(graph: Graph, target: Target) -> Iterator[Problem]:
    """What a tracking neuron has received fits its state, for each of its synapses.

    A readout adds all that ends there, and its bias. Multipliers are not part of the sums: a
    neuron applies them to the sums at every step and does not keep the products.
    """
    if not is_quantized(graph):
        return
    tracking = graph.of_type(TrackingIF)
    for name in dict.fromkeys(name for node in tracking for name in node.inputs):
        yield from _beyond_state(graph, name, (name,), np.zeros(1, np.int64))
    if len(tracking) == len(graph.populations):
        for readout in graph.of_type(Integrator):
            if readout.decoding == "sum":
                yield from _beyond_state(graph, readout.name, readout.inputs, readout.bias)


def _beyond_state(
    graph: Graph, name: str, synapses: Iterable[str], bias: Array
) -> Iterator[Problem]:
    try:
        bounds = [accumulated_bounds(graph, synapse) for synapse in synapses]
    except ValueError as error:
        yield Problem(
            f"{name}: its currents add up without bound, because {error}",
            "send to tracking neurons from tracking neurons, and encode samples once",
        )
        return
    low, high = (sum(side) + bias.astype(np.int64) for side in zip(*bounds, strict=True))
    bound = int(max(-low.min(), high.max()))
    if bound > STATE:
        yield Problem(
            f"{name}: its currents can add up to {bound}, and 24 bits hold {STATE}",
            "quantise the model with fewer bits",
        )


def messages(graph: Graph, target: Target) -> Iterator[Problem]:
    """A payload fits the 24 bits of a message."""
    if not is_quantized(graph):
        return
    for node in graph:
        least, most = graph.types[node.name].payload or (0, 0)
        if graph.types[node.name].signal is Signal.SPIKES and max(-least, most) > STATE:
            yield Problem(
                f"{node.name}: an event may carry {max(-least, most)}, and 24 bits hold {STATE}",
                "lower --max-payload or --input-bits",
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


def connected(graph: Graph, target: Target) -> Iterator[Problem]:
    """Lava finds the processes to run by following connections from one of them."""
    processes = with_feedback(graph)
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
    one_arithmetic,
    eight_bit_weights,
    no_digits,
    carried_values,
    late_values,
    accumulators,
    messages,
    one_spiking_network,
    decoded_outputs,
    connected,
)
