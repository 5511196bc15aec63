"""What a ``.net`` file cannot hold, beyond what its ``Target`` data express."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...ir import IF, Conv, Encoder, Graph, Input, Integrator, Linear, Reshape
from ...ir.bounds import is_quantized, membrane_bound
from ...ir.errors import Problem
from ..lava_process import design_rules as lava
from ..lava_process.legalize import fits_lava_conv, with_equal_padding
from ..readouts import readout
from ..rules import Rule, decoded_outputs
from ..target import Target
from .network import MEMBRANE, flattens, neurons

BIAS = 2**12 - 1
"""Largest ``bias_mant``: 13 bits with sign (lava-nc 0.10.0, ``lava/proc/lif/models.py``)."""


def rules(timesteps: int) -> tuple[Rule, ...]:
    """Return the design rules for runs of some steps."""
    return (
        one_row,
        plain_input,
        only_flattened,
        same_threshold,
        start_at_zero,
        small_biases,
        partial(membranes, timesteps),
        loadable_synapses,
        lava.eight_bit_weights,
        lava.one_spiking_network,
        decoded_outputs,
    )


def one_row(graph: Graph, target: Target) -> Iterator[Problem]:
    """Layers stand in a row: no branch, no join, one input, one output."""
    for node in (*graph.of_type(Input)[1:], *graph.of_type(Integrator)[1:]):
        what = "input" if isinstance(node, Input) else "output"
        yield Problem(
            f"{node.name}: is a second {what}, and a .net file has one",
            "compile the parts one by one",
        )
    for node in graph:
        if len(graph.users[node.name]) > 1:
            read = ", ".join(user.name for user in graph.users[node.name])
            yield Problem(
                f"{node.name}: is read by several nodes ({read}), and a .net file is one row of "
                "layers",
                "remove branches and residual connections from the model",
            )
    for neuron in neurons(graph):
        if len(neuron.inputs) > 1:
            yield Problem(
                f"{neuron.name}: {len(neuron.inputs)} synapses meet here, and a .net file has one "
                "for each layer",
                "remove joins from the model; of values that may be negative, put a ReLU between "
                "two linear layers",
            )


def plain_input(graph: Graph, target: Target) -> Iterator[Problem]:
    """The input is a sample divided by one scale: what the user of a file can compute."""
    for given in graph.of_type(Input):
        if given.is_sequence:
            yield Problem(
                f"{given.name}: is a sequence, and the samples of a .net file have no such axis",
                "compile with --target numpy or lava",
            )
    for node in graph.of_type(Encoder):
        if node.bounds is not None or node.gain is not None or node.shift is not None:
            yield Problem(
                f"{node.name}: normalises or bounds its input as the model does, and a .net file "
                "has one scale",
                "normalise the samples before the model",
            )


def only_flattened(graph: Graph, target: Target) -> Iterator[Problem]:
    """Between layers an image may become a vector and nothing else."""
    for node in graph.of_type(Reshape):
        decoded = isinstance(graph[readout(graph, node.name)], Integrator)
        if not decoded and not flattens(graph, node):
            yield Problem(
                f"{node.name}: makes {node.shape} of its input, and a .net file can flatten only",
                "leave Reshape out in front of convolutions",
            )


def same_threshold(graph: Graph, target: Target) -> Iterator[Problem]:
    """A layer has one threshold, of 17 bits."""
    for node in graph.of_type(IF):
        low, high = int(node.threshold.min()), int(node.threshold.max())
        if low != high:
            yield Problem(
                f"{node.name}: has thresholds from {low} to {high}, and a layer of a .net file one",
                f"compile with --target {target.name}: it then quantises layer by layer",
            )
        if high > MEMBRANE:
            yield Problem(
                f"{node.name}: has a threshold of {high}, and 17 bits hold {MEMBRANE}",
                "lower --weight-bits",
            )


def start_at_zero(graph: Graph, target: Target) -> Iterator[Problem]:
    """Lava resets a membrane to 0 and to nothing else."""
    for node in graph.of_type(IF):
        if node.initial.any():
            yield Problem(
                f"{node.name}: starts a sample with a membrane of {int(np.abs(node.initial).max())}"
                ", and Lava resets membranes to 0",
                "compile with --shift step, which spreads it over the steps, or --v-init 0",
            )


def small_biases(graph: Graph, target: Target) -> Iterator[Problem]:
    """A bias fits its register."""
    for node in neurons(graph):
        if (largest := int(np.abs(node.bias).max())) > BIAS:
            yield Problem(
                f"{node.name}: has a bias of {largest}, and 13 bits with sign hold {BIAS}",
                "lower --weight-bits",
            )


def membranes(timesteps: int, graph: Graph, target: Target) -> Iterator[Problem]:
    """A membrane saturates where Lava's does; a readout never does, or it would fire."""
    if not is_quantized(graph):
        return
    for node in neurons(graph):
        if len(node.inputs) > 1 or not isinstance(graph[node.inputs[0]], (Conv, Linear)):
            continue
        bound = membrane_bound(graph, node, timesteps)
        if node.clamp not in (None, MEMBRANE) and node.clamp < bound:
            yield Problem(
                f"{node.name}: saturates at {node.clamp}, and Lava's membranes at {MEMBRANE}",
                f"compile with --target {target.name}, which lets it saturate there",
            )
        elif isinstance(node, Integrator) and bound > MEMBRANE:
            yield Problem(
                f"{node.name}: its sum can reach {bound} in {timesteps} steps, and 17 bits hold "
                f"{MEMBRANE}",
                "lower --timesteps or --weight-bits",
            )
        elif node.clamp is None and bound > MEMBRANE:
            yield Problem(
                f"{node.name}: its membrane can reach {bound} in {timesteps} steps, and Lava's "
                f"saturates at {MEMBRANE}",
                f"compile with --target {target.name}, which lets it saturate there",
            )


def loadable_synapses(graph: Graph, target: Target) -> Iterator[Problem]:
    """lava-dl reads the synapse as it is, and Lava computes it without error."""
    for node in graph.of_type(Conv) + graph.of_type(Linear):
        if node.copies > 1:
            yield Problem(
                f"{node.name}: consists of {node.copies} parallel copies, and a layer has one",
                "remove joins from the model",
            )
        if isinstance(node, Linear) and node.weight.max() <= 0:
            yield Problem(
                f"{node.name}: has no weight above 0, and lava-dl scales such a matrix beyond the "
                "range in which Lava keeps it",
                "retrain the layer, or leave it out",
            )
        if isinstance(node, Conv):
            _, height, width = graph.types[node.inputs[0]].shape
            equal = with_equal_padding(node, (height, width))
            if equal is None or not fits_lava_conv(equal):
                yield Problem(
                    f"{node.name}: has borders {node.padding}, {node.groups} groups and a kernel "
                    f"of {node.weight.shape[2:]}; Lava's convolution needs borders alike on both "
                    "sides, and 127 at most of everything",
                    "pad both sides alike, or use fewer groups",
                )
