"""What a chip cannot hold whatever the partition: weights, payloads, neurons, numbers of chips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np

from ...backends.chips import Chip
from ...ir import IF, Conv, Encoder, Graph, Integrator, Linear, MaxPool, Node, Previous
from ...ir.errors import Problem
from ...ir.leaky import LEAKY, LeakyIntegrator
from ...ir.trained import looks_trained
from ..observed_inputs import has_a_value_each_step
from .layers import Layer
from .leaky_neurons import leaky
from .partition import Core, partition, with_weight_bits
from .registers import registers


def numbers(graph: Graph, layers: Sequence[Layer], chip: Chip) -> Iterator[Problem]:
    """Weights, payloads, neurons and their parameters are such as the chip has."""
    for layer in layers:
        yield from _weights(graph, layer, chip)
        yield from _payloads(graph, layer, chip)
        yield from _neuron(layer, chip)
        yield from leaky(layer, chip)
        yield from registers(layer, chip)


def _weights(graph: Graph, layer: Layer, chip: Chip) -> Iterator[Problem]:
    trained = looks_trained(graph)
    quantise = "quantise the weights where the network is trained, and export it again"
    most = int(chip.weight_bits.value)
    for projection in layer.projections:
        if trained and _is_plain(graph[projection.name]):
            continue
        if not projection.weight_bits:
            yield Problem(
                f"{projection.name}: has real weights, and {chip.title} holds integers of up to "
                f"{most} bits",
                quantise if trained else "compile with --weight-bits 8",
            )
        elif projection.weight_bits > most:
            yield Problem(
                f"{projection.name}: has weights of {projection.weight_bits} bits, and "
                f"{chip.title} holds up to {most}",
                quantise if trained else f"compile with --weight-bits {min(most, 8)}",
            )


def _is_plain(node: Node) -> bool:
    """Whether all weights of a synapse are 0 or 1, in whatever numbers: a sum, or an identity."""
    return isinstance(node, (Conv, Linear)) and bool(np.isin(node.weight, (0, 1)).all())


def _payloads(graph: Graph, layer: Layer, chip: Chip) -> Iterator[Problem]:
    if isinstance(layer.node, Integrator):
        return
    elsewhere = "choose --chip loihi2" if not chip.signed_payloads else "lower --timesteps"
    payload = graph.types[layer.name].payload
    if payload is None:
        yield from _real_numbers(graph, layer, chip)
        return
    least, most = payload
    widest = max(-least, most)
    bits = widest.bit_length() + (1 if least < 0 else 0)
    if least < 0 and not chip.signed_payloads:
        what = "injects" if isinstance(layer.node, Encoder) else "sends"
        yield Problem(
            f"{layer.name}: {what} negative events, which {chip.title} has not",
            elsewhere
            if isinstance(layer.node, Encoder)
            else f"compile with --code rate; or {elsewhere}",
        )
    elif bits > chip.payload_bits.value:
        yield Problem(
            f"{layer.name}: events carry {bits} bits, and on {chip.title} they carry "
            f"{chip.payload_bits.value:.0f}",
            elsewhere,
        )


def _real_numbers(graph: Graph, layer: Layer, chip: Chip) -> Iterator[Problem]:
    """Return what is in the way of an input of real numbers, or of membranes that are sent."""
    node, carries = layer.node, f"and {chip.title} carries integers"
    if isinstance(node, LeakyIntegrator):
        if graph.users[node.name]:
            yield Problem(
                f"{layer.name}: sends its membrane, a real number, at every step, {carries}",
                "train with spiking neurons there, or with a stride instead of a pool",
            )
        return
    if isinstance(node, Encoder) and has_a_value_each_step(graph, node):
        cure = "feed it events: where all that --data holds is 0 or 1, it is carried as spikes"
    elif looks_trained(graph):
        cure = "train on an input of events, or of integers"
    else:
        cure = "compile with --weight-bits 8"
    yield Problem(f"{layer.name}: injects real numbers, {carries}", cure)


def _neuron(layer: Layer, chip: Chip) -> Iterator[Problem]:
    fixed = isinstance(layer.node, (IF, Integrator, Encoder, Previous, *LEAKY))
    if not chip.programmable and not fixed:
        kind = type(layer.node).__name__
        yield Problem(
            f"{layer.name}: {'a max pool of events' if kind == 'MaxPool' else kind} is no neuron "
            f"of {chip.title}, whose neuron is fixed",
            "choose --chip loihi2"
            + ("; or train with average pooling" if isinstance(layer.node, MaxPool) else ""),
        )


def too_many_chips(
    layers: Sequence[Layer], cores: Sequence[Core], chip: Chip, chips: int, trained: bool = False
) -> Iterator[Problem]:
    """No more chips are needed than there are.

    Args:
        layers: The layers.
        cores: Their partition.
        chip: The chip.
        chips: How many there are.
        trained: Whether the network has the weights it was trained with.
    """
    each = int(chip.cores.value)
    if ceil(len(cores) / each) <= chips:
        return
    counts = [0] * len(layers)
    for core in cores:
        counts[core.layer] += 1
    largest = max(range(len(layers)), key=lambda index: counts[index])
    cure = (
        f"make {layers[largest].name} smaller, which takes {counts[largest]:,} cores; or give "
        f"--chips {ceil(len(cores) / each)}"
    )
    for bits in () if trained else range(7, 1, -1):
        fewer, _ = partition([with_weight_bits(layer, bits) for layer in layers], chip)
        if ceil(len(fewer) / each) <= chips:
            cure = f"compile with --weight-bits {bits}, for {len(fewer):,} cores; or {cure}"
            break
    yield Problem(
        f"the network takes {len(cores):,} cores, and {chips} chip{'s' if chips > 1 else ''} of "
        f"{chip.title} have {chips * each:,}",
        cure,
    )
