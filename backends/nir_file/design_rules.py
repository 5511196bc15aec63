"""What a ``.nir`` file cannot hold, beyond what its ``Target`` data express."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...ir import IF, Conv, Graph, Input, Integrator, Linear, Population
from ...ir.errors import Problem
from ..rules import Rule, decoded_outputs
from ..target import Target
from .from_graph import is_pair, sending, varies
from .kernels import plain
from .places import Places

RATE = "compile with --code rate"


def rules(*, strict: bool, meaning: str) -> tuple[Rule, ...]:
    """Return the design rules.

    Args:
        strict: Whether the file may say nothing but what NIR itself means.
        meaning: What a spike does to a membrane in NIR of the version written.
    """
    own: tuple[Rule, ...] = (partial(resets_as_nir, meaning),) if strict else ()
    return (
        *own,
        no_sequences,
        pairs,
        no_bounds,
        start_at_zero,
        alike_in_channels,
        readable_synapses,
        decoded_outputs,
    )


def resets_as_nir(meaning: str, graph: Graph, target: Target) -> Iterator[Problem]:
    """A spike does to its membrane what NIR of that version says."""
    ways = {
        "zero": "compile with --reset zero, or --nir-flavour subtractive",
        "subtract": "compile with --reset subtract, or --nir-flavour subtractive",
    }
    words = {"subtract": "by subtraction", "zero": "to zero"}
    for node in graph.of_type(IF):
        if node.reset != meaning:
            yield Problem(
                f"{node.name}: resets {words[node.reset]}, and this version of NIR {words[meaning]}"
                " (--nir-flavour strict)",
                ways[meaning],
            )


def no_sequences(graph: Graph, target: Target) -> Iterator[Problem]:
    """A sample is one value for each input."""
    for given in graph.of_type(Input):
        if given.is_sequence:
            yield Problem(
                f"{given.name}: is a sequence, and NIR has no axis beside that of time steps",
                "compile with --target numpy or lava",
            )


def pairs(graph: Graph, target: Target) -> Iterator[Problem]:
    """Signed spikes need the same threshold on both sides, and no memory of what was sent."""
    for node in graph.of_type(IF):
        if is_pair(node) and node.deadband == 0:
            yield Problem(
                f"{node.name}: takes back a spike at any negative membrane (--deadband 0), and "
                "NIR's neurons have one threshold, above 0",
                "compile with --deadband 1, or with --code rate",
            )
        if is_pair(node) and node.reset != "subtract":
            yield Problem(f"{node.name}: signed spikes need a reset by subtraction", RATE)


def no_bounds(graph: Graph, target: Target) -> Iterator[Problem]:
    """NIR's neurons do not remember what they have sent."""
    for node in graph.of_type(IF):
        if node.acc_min is not None or node.acc_max is not None:
            yield Problem(
                f"{node.name}: bounds the units it has sent (--guard), and NIR's neurons do not "
                "remember them",
                "compile with --no-guard, or with --code rate",
            )


def start_at_zero(graph: Graph, target: Target) -> Iterator[Problem]:
    """NIR has no initial membrane: readers begin at 0."""
    for node in graph.of_type(IF):
        if node.initial.any():
            largest = float(np.abs(node.initial).max())
            yield Problem(
                f"{node.name}: starts a sample with a membrane of {largest:g}, and NIR has no "
                "initial membrane",
                "compile with --shift step, which spreads it over the steps, or --v-init 0",
            )


def alike_in_channels(graph: Graph, target: Target) -> Iterator[Problem]:
    """A convolution of NIR has one bias for each channel, and so has a threshold folded into it."""
    for node in graph:
        if isinstance(node, (Integrator, Population)):
            inverse = node.scale if isinstance(node, Integrator) else 1 / node.threshold
            shape = graph.types[node.name].shape
            values = {"threshold": np.ones(1), "bias": node.bias}
            different = [name for name, value in values.items() if varies(value, inverse, shape)]
            if different:
                yield Problem(
                    f"{node.name}: has a {different[0]} that differs within a channel, and Conv2d "
                    "of NIR has one bias for each channel",
                    "leave out what shifts values before a border of zeros, e.g. a normalisation "
                    "in front of a padded convolution",
                )


def readable_synapses(graph: Graph, target: Target) -> Iterator[Problem]:
    """A convolution reads whole channels as they were sent, with borders that NIR can say."""
    if any(_foreign(graph, target)):
        return
    places = Places(graph, sending(graph))
    for node in graph.of_type(Conv):
        _, height, width = graph.types[node.inputs[0]].shape
        if plain(node, (height, width)) is None:
            yield Problem(
                f"{node.name}: has a kernel of {node.weight.shape[2:]} and borders {node.padding}, "
                "which no square kernel with borders alike on both sides can stand for; nir 1.0.8 "
                "misreads all others",
                "pad both sides alike, and use kernels whose sides are both even or both odd",
            )
        if places.channels(node.inputs[0]) is None:
            yield Problem(
                f"{node.name}: reads values that were moved within an image or are of another "
                "shape, and NIR can flatten only",
                "leave Reshape, Transpose, Pad and Resize out in front of convolutions",
            )
    for linear in graph.of_type(Linear):
        if not list(places.columns(linear.inputs[0])):
            yield Problem(f"{linear.name}: reads no population", "leave the layer out")


def _foreign(graph: Graph, target: Target) -> Iterator[str]:
    """Yield the nodes that the target does not have: what is read from them has no source."""
    return (node.name for node in graph if not isinstance(node, tuple(target.supports)))
