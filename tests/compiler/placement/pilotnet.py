"""PilotNet as Intel's compiler logged it in the lava-dl notebooks, and what it logged.

The logs give shapes, not windows: strides and padding are such that the shapes come out. They do
not give the width of the weights either: for each convolution the one here is a whole number of
bits that explains the logged words.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snnc.ir import IF, Conv, Encoder, Graph, Input, Linear, Node, Reshape, TensorType

CORES = {
    "input": (3168, 13),
    "conv1": (3072, 25),
    "conv2": (2160, 13),
    "conv3": (2688, 3),
    "conv4": (2048, 3),
    "conv5": (2048, 2),
    "fc2": (50, 1),
    "fc3": (10, 1),
    "fc4": (1, 1),
}
"""Neurons of the fullest core and number of cores; of ``fc1`` see the test."""

WORDS = {"input": 0, "conv1": 81, "conv2": 864, "conv3": 1620, "conv4": 2592, "conv5": 2880}
"""64-bit words of synaptic memory a core."""

DENSE_ROWS = (
    (2560, 100, 66_560),
    (2560, 100, 61_440),
    (2560, 17, 12_800),
    (2560, 9, 7_253),
    (100, 50, 1_500),
    (100, 50, 1_300),
    (50, 10, 150),
    (10, 1, 10),
    (200, 85, 5_400),
    (256, 100, 8_064),
    (784, 50, 9_408),
)
"""Dense maps of pilotnet, oxford and mnist: inputs, neurons on the core, words logged."""

BITS = {"conv1": 8, "conv2": 7, "conv3": 6, "conv4": 6, "conv5": 5}
"""Width of the weights; ``conv4`` of the spiking variant takes 2,160 words, which is 5 bits."""


def pilotnet(bits: Mapping[str, int] = BITS) -> Graph:
    """Return PilotNet as a spiking graph; the width of weights is 8 bits where none is given."""
    nodes: list[Node] = [Input(name="x", type=TensorType((3, 66, 200)))]
    nodes.append(Encoder(name="input", inputs=("x",), scale=1.0))
    channels = 3
    for name, out, stride, top in (
        ("conv1", 24, (2, 2), 0),
        ("conv2", 36, (2, 2), 0),
        ("conv3", 48, (2, 2), 0),
        ("conv4", 64, (2, 1), 1),
        ("conv5", 64, (1, 1), 0),
    ):
        synapse = Conv(
            name=f"{name}.synapse",
            inputs=(nodes[-1].name,),
            weight=weights((out, channels, 3, 3), bits[name]),
            stride=stride,
            padding=(top, 0, top, 0),
        )
        nodes += [synapse, neurons(name)]
        channels = out
    size = 64 * 2 * 20
    nodes.append(Reshape(name="flat", inputs=("conv5",), shape=(size,)))
    for name, out in (("fc1", 100), ("fc2", 50), ("fc3", 10), ("fc4", 1)):
        weight = weights((out, size), 8)
        synapse_ = Linear(name=f"{name}.synapse", inputs=(nodes[-1].name,), weight=weight)
        nodes += [synapse_, neurons(name)]
        size = out
    return Graph(nodes, {"y": "fc4"})


def weights(shape: tuple[int, ...], bits: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    """Return weights that need some bits."""
    weight = np.zeros(shape, np.int8)
    weight.flat[0] = -(2 ** (bits - 1))
    return weight


def neurons(name: str) -> IF:
    """Return a population behind the synapse of that name."""
    one = np.ones(1, np.int64)
    return IF(name=name, inputs=(f"{name}.synapse",), threshold=one, bias=0 * one, initial=0 * one)
