"""What a chip cannot hold whatever the partition: weights, payloads, neurons, numbers of chips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from ...backends.chips import Chip
from ...ir import IF, Encoder, Graph, Integrator, MaxPool, Previous
from ...ir.errors import Problem
from .layers import Layer
from .partition import Core, partition, with_weight_bits
from .registers import registers


def numbers(graph: Graph, layers: Sequence[Layer], chip: Chip) -> Iterator[Problem]:
    """Weights, payloads, neurons and their parameters are such as the chip has."""
    for layer in layers:
        yield from _weights(layer, chip)
        yield from _payloads(graph, layer, chip)
        yield from _neuron(layer, chip)
        yield from registers(layer, chip)


def _weights(layer: Layer, chip: Chip) -> Iterator[Problem]:
    most = int(chip.weight_bits.value)
    for projection in layer.projections:
        if not projection.weight_bits:
            yield Problem(
                f"{projection.name}: has real weights, and {chip.title} holds integers of up to "
                f"{most} bits",
                "compile with --weight-bits 8",
            )
        elif projection.weight_bits > most:
            yield Problem(
                f"{projection.name}: has weights of {projection.weight_bits} bits, and "
                f"{chip.title} holds up to {most}",
                f"compile with --weight-bits {min(most, 8)}",
            )


def _payloads(graph: Graph, layer: Layer, chip: Chip) -> Iterator[Problem]:
    if isinstance(layer.node, Integrator):
        return
    elsewhere = "choose --chip loihi2" if not chip.signed_payloads else "lower --timesteps"
    payload = graph.types[layer.name].payload
    if payload is None:
        yield Problem(
            f"{layer.name}: injects real numbers, and {chip.title} carries integers",
            "compile with --weight-bits 8",
        )
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


def _neuron(layer: Layer, chip: Chip) -> Iterator[Problem]:
    fixed = isinstance(layer.node, (IF, Integrator, Encoder, Previous))
    if not chip.programmable and not fixed:
        kind = type(layer.node).__name__
        yield Problem(
            f"{layer.name}: {'a max pool of events' if kind == 'MaxPool' else kind} is no neuron "
            f"of {chip.title}, whose neuron is fixed",
            "choose --chip loihi2"
            + ("; or train with average pooling" if isinstance(layer.node, MaxPool) else ""),
        )


def too_many_chips(
    layers: Sequence[Layer], cores: Sequence[Core], chip: Chip, chips: int
) -> Iterator[Problem]:
    """No more chips are needed than there are.

    Args:
        layers: The layers.
        cores: Their partition.
        chip: The chip.
        chips: How many there are.
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
    for bits in range(7, 1, -1):
        fewer, _ = partition([with_weight_bits(layer, bits) for layer in layers], chip)
        if ceil(len(fewer) / each) <= chips:
            cure = f"compile with --weight-bits {bits}, for {len(fewer):,} cores; or {cure}"
            break
    yield Problem(
        f"the network takes {len(cores):,} cores, and {chips} chip{'s' if chips > 1 else ''} of "
        f"{chip.title} have {chips * each:,}",
        cure,
    )
