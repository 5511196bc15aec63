"""The file format: written with h5py alone, as lava-dl 0.6.0 (``lava/lib/dl/netx``) reads it.

    /layer/0/type            "input", with /layer/0/shape: it only says the shape
    /layer/<i>/type          "conv", "flatten" or "dense"
    /layer/<i>/shape         of the neurons, channels first
    /layer/<i>/weight        (out, in, height, width) or (out, in)
    /layer/<i>/bias          (out,), or of every neuron as width x height x channels
    /layer/<i>/stride, padding, dilation   (y, x); groups a number
    /layer/<i>/neuron        type "CUBA", iDecay 4096 and vDecay 0 (no leak), vThMant, ...
    /simulation              Ts, tSample: not read by lava-dl

The number of steps, the scales and a text on how to run the file are attributes of the root,
which lava-dl does not look at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...ir import Array
from ..hdf5_library import load_h5py
from .network import ConvLayer, DenseLayer, NetxNetwork

NO_LEAK = {"iDecay": 4096, "vDecay": 0}
"""lava-dl subtracts 1 from ``iDecay``: 4095 is a decay of the whole current in a step."""

USAGE = """Made by snnc. Load it with lava-dl:
    net = lava.lib.dl.netx.hdf5.Network(
        "network.net", input_message_bits={bits}, reset_interval={steps}, reset_offset=1)
Input: net.inp takes the sample as width x height x channels{flat}, the same payloads at each of its
{steps} steps: q = clip(round(x / {scale!r}), -{limit}, {limit}), ties to even; samples follow one
another without a gap. Output: sample i is answered by the membrane net.out_layer.neuron.v at the
end of time step {depth} + {steps} * (i + 1), {depth} being the number of layers: the output in the
model's units is v / 64 / {steps} * output_scale, the class its largest. The last layer never
spikes. The network computes in fixed point (select_tag="fixed_pt")."""


def save(network: NetxNetwork, path: Path) -> None:
    """Write a ``.net`` file.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    with library().File(path, "w") as file:
        write(network, file)


def library() -> Any:
    """Return the module h5py; see ``load_h5py``."""
    return load_h5py("target netx", extra="netx")


def write(network: NetxNetwork, file: Any) -> None:
    """Write a network into an open HDF5 file."""
    first = file.create_group("layer/0")
    first["type"] = _name("input")
    first["shape"] = np.array(network.shape)
    spatial = len(network.shape) > 1
    place = 1
    for index, layer in enumerate(network.layers):
        if isinstance(layer, DenseLayer) and spatial:
            if index:  # lava-dl flattens what a layer sends; an input comes flat already
                file.create_group(f"layer/{place}")["type"] = _name("flatten")
                place += 1
            spatial = False
        _write_layer(layer, file.create_group(f"layer/{place}"))
        place += 1
    file["simulation/Ts"], file["simulation/tSample"] = 1, network.timesteps
    file.attrs["timesteps"] = network.timesteps
    file.attrs["input_scale"] = network.input_scale
    file.attrs["input_limit"] = network.input_limit
    file.attrs["output_scale"] = network.output_scale
    file.attrs["usage"] = usage(network)


def usage(network: NetxNetwork) -> str:
    """Return how a file is loaded, fed and read."""
    flat = isinstance(network.layers[0], DenseLayer) and len(network.shape) > 1
    return USAGE.format(
        bits=network.input_limit.bit_length() + 1,
        steps=network.timesteps,
        scale=network.input_scale,
        limit=network.input_limit,
        depth=len(network.layers),
        flat=", here flattened channels first" if flat else "",
    )


def _write_layer(layer: ConvLayer | DenseLayer, group: Any) -> None:
    group["shape"] = np.array(layer.shape)
    group["weight"] = layer.weight
    if layer.bias.any():
        group["bias"] = layer.bias.transpose() if layer.bias.ndim > 1 else layer.bias
    if isinstance(layer, ConvLayer):
        group["type"] = _name("conv")
        for name in ("stride", "padding", "dilation", "groups"):
            group[name] = getattr(layer, name)
    else:
        group["type"] = _name("dense")
    neuron = group.create_group("neuron")
    neuron["type"] = _name("CUBA")
    for name, value in NO_LEAK.items():
        neuron[name] = value
    neuron["vThMant"] = layer.threshold
    neuron["refDelay"], neuron["gradedSpike"] = 1, False


def _name(text: str) -> Array:
    return np.array([text.encode("ascii")], "S10")


def read(file: Any) -> NetxNetwork:
    """Read what ``write`` wrote."""
    layers: list[ConvLayer | DenseLayer] = []
    shape: tuple[int, ...] = ()
    for place in range(len(file["layer"])):
        group = file[f"layer/{place}"]
        kind = group["type"][0].decode("ascii")
        if kind == "input":
            shape = tuple(map(int, group["shape"]))
        elif kind != "flatten":
            layers.append(_read_layer(group, conv=kind == "conv"))
    return NetxNetwork(
        shape=shape,
        layers=tuple(layers),
        timesteps=int(file.attrs["timesteps"]),
        input_scale=float(file.attrs["input_scale"]),
        input_limit=int(file.attrs["input_limit"]),
        output_scale=np.asarray(file.attrs["output_scale"]),
    )


def _read_layer(group: Any, *, conv: bool) -> ConvLayer | DenseLayer:
    shape, weight = tuple(map(int, group["shape"])), group["weight"][()]
    bias = group["bias"][()].transpose() if "bias" in group else np.zeros(shape[0], np.int32)
    threshold = int(group["neuron/vThMant"][()])
    if not conv:
        return DenseLayer(shape=shape, weight=weight, threshold=threshold, bias=bias)
    stride, padding, dilation = (
        (int(group[name][0]), int(group[name][1])) for name in ("stride", "padding", "dilation")
    )
    return ConvLayer(
        shape=shape,
        weight=weight,
        threshold=threshold,
        bias=bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=int(group["groups"][()]),
    )
