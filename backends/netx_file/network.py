"""What a ``.net`` file holds: a row of layers, each a synapse with the neurons behind it.

The neurons are those of Lava's ``LIF`` in fixed point (lava-nc 0.10.0, ``lava/proc/lif/models.py``)
without leak: in units of a weight, ``V <- V + I + bias`` within 17 bits, a spike where ``V`` is
*above* ``vThMant``, and ``V = 0`` behind it. Ours fire *at* the threshold, so in integers
``vThMant = threshold - 1``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...ir import IF, Array, Conv, Encoder, Graph, Input, Integrator, Linear, Reshape
from ...ir.shapes import Pair
from ..lava_process.legalize import with_equal_padding

MEMBRANE = 2**17 - 1
"""Largest magnitude of a membrane: Lava keeps 24 bits with sign, six of them below a weight's
unit. A membrane that leaves 24 bits saturates at 131071 and 63/64; those 63/64 never decide
whether it is above a whole number, so it is the same as to saturate at 131071."""

NEVER = MEMBRANE
"""A threshold (17 bits) that no membrane passes as long as it does not saturate: a readout's."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A synapse and the neurons behind it.

    Attributes:
        shape: Of the neurons, channels first.
        weight: Integers; ``(out, in)`` with ``in`` in the order channel, row, column, or
            ``(out, in, height, width)``, cross-correlated as in ONNX.
        threshold: ``vThMant``: a spike needs a membrane above it.
        bias: Added at every step; ``(out,)``, or where it differs within a channel ``shape``.
    """

    shape: tuple[int, ...]
    weight: Array
    threshold: int
    bias: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseLayer(Layer):
    """A fully connected layer; what it reads is flattened channels first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvLayer(Layer):
    """A convolution; pairs are (y, x), and borders of zeros are alike on both sides."""

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int


@dataclass(frozen=True, kw_only=True, eq=False)
class NetxNetwork:
    """A network as its file holds it.

    Attributes:
        shape: Of the input, channels first.
        layers: From the input to the readout, whose neurons never fire.
        timesteps: T: the steps of one sample, after which all membranes are reset.
        input_scale: ANN units of one payload unit of the input.
        input_limit: Largest magnitude of a payload.
        output_scale: ANN units of one unit of the readout's membrane, after division by T.
    """

    shape: tuple[int, ...]
    layers: tuple[ConvLayer | DenseLayer, ...]
    timesteps: int
    input_scale: float
    input_limit: int
    output_scale: Array


def from_graph(graph: Graph, timesteps: int) -> NetxNetwork:
    """Return a graph that keeps the design rules as a row of layers."""
    (given,), (encoder,) = graph.of_type(Input), graph.of_type(Encoder)
    (readout,) = graph.of_type(Integrator)
    assert encoder.scale is not None
    return NetxNetwork(
        shape=given.type.shape,
        layers=tuple(_layer(graph, node) for node in neurons(graph)),
        timesteps=timesteps,
        input_scale=encoder.scale,
        input_limit=encoder.limit,
        output_scale=np.broadcast_to(readout.scale, graph.types[readout.name].shape),
    )


def neurons(graph: Graph) -> Iterator[IF | Integrator]:
    """Yield what stands behind a synapse, in order."""
    for node in graph:
        if isinstance(node, (IF, Integrator)):
            yield node


def _layer(graph: Graph, node: IF | Integrator) -> ConvLayer | DenseLayer:
    synapse = graph[node.inputs[0]]
    shape = graph.types[node.name].shape
    threshold = int(node.threshold.max()) - 1 if isinstance(node, IF) else NEVER
    bias = _bias(node.bias, shape)
    if isinstance(synapse, Linear):
        weight = synapse.weight.astype(np.int32)
        return DenseLayer(shape=shape, weight=weight, threshold=threshold, bias=bias)
    assert isinstance(synapse, Conv)
    _, height, width = graph.types[synapse.inputs[0]].shape
    equal = with_equal_padding(synapse, (height, width))
    assert equal is not None
    return ConvLayer(
        shape=shape,
        weight=equal.weight.astype(np.int32),
        threshold=threshold,
        bias=bias,
        stride=equal.stride,
        padding=equal.padding[:2],
        dilation=equal.dilation,
        groups=equal.groups,
    )


def _bias(bias: Array, shape: tuple[int, ...]) -> Array:
    whole = np.broadcast_to(bias, shape).astype(np.int32)
    by_channel = whole.reshape(len(whole), -1)
    alike = bool(np.all(by_channel == by_channel[:, :1]))
    return by_channel[:, 0] if alike else whole


def flattens(graph: Graph, node: Reshape) -> bool:
    """Whether a reshape makes a vector, or changes nothing but axes of one."""
    return len(graph.types[node.name].shape) == 1
