"""An imported ANN as a torch module, so that peers convert exactly the network that snnc converts.

Batch normalisations are already folded into the convolutions of the ONNX file. Every ReLU becomes
an ``nn.ReLU`` of its own, which is what SpikingJelly looks for; arithmetic with constants (the
normalisation of the input) becomes a depthwise 1x1 convolution, which is exact.
"""

from __future__ import annotations

from math import inf

import numpy as np
import torch
from torch import Tensor, fx, nn

from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import (
    Add,
    Affine,
    Array,
    AveragePool,
    Clip,
    Conv,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Reshape,
)

TOLERANCE = 1e-4
"""Largest difference of a logit between the two; float32 rounding gives about 1e-5."""


def torch_network(graph: Graph) -> fx.GraphModule:
    """Return an imported ANN with one input and one output as a torch module in ``eval`` mode.

    Raises:
        NotImplementedError: A node has no module that the peers know.
    """
    modules = nn.ModuleDict()
    copy = fx.Graph()
    values: dict[str, fx.Node] = {}
    for node in graph:
        read = [values[name] for name in node.inputs]
        if isinstance(node, Input):
            values[node.name] = copy.placeholder("x")
        elif isinstance(node, Add):
            values[node.name] = copy.call_function(torch.add, tuple(read))
        else:
            name = f"{type(node).__name__.lower()}_{len(modules)}"
            modules[name] = _module(node, graph)
            values[node.name] = copy.call_module(name, tuple(read))
    (output,) = graph.outputs.values()
    copy.output(values[output])
    return fx.GraphModule(modules, copy).eval()


def _module(node: Node, graph: Graph) -> nn.Module:
    """Return what computes one node that reads one other."""
    shape = graph.types[node.inputs[0]].shape
    if isinstance(node, Clip) and (node.low, node.high) == (0, inf):
        return nn.ReLU()
    if isinstance(node, Reshape) and node.shape == (int(np.prod(shape)),):
        return nn.Flatten()
    if isinstance(node, Affine) and len(shape) == 3:
        depthwise = nn.Conv2d(shape[0], shape[0], 1, groups=shape[0])
        scale = _for_channels(node.scale, shape[0]).reshape(-1, 1, 1, 1)
        return _with(depthwise, scale, _for_channels(node.shift, shape[0]))
    if isinstance(node, Linear):
        outputs, inputs = node.weight.shape
        return _with(nn.Linear(inputs, outputs, node.bias is not None), node.weight, node.bias)
    if isinstance(node, (Conv, AveragePool, MaxPool)):
        top, left, bottom, right = node.padding
        if (top, left) == (bottom, right):
            return _window(node, shape[0], (top, left))
    raise NotImplementedError(f"{node.name}: no module of torch for {node}")


def _window(
    node: Conv | AveragePool | MaxPool, channels: int, padding: tuple[int, int]
) -> nn.Module:
    if isinstance(node, AveragePool):
        inner = node.count_include_pad
        return nn.AvgPool2d(node.kernel, node.stride, padding, count_include_pad=inner)
    if isinstance(node, MaxPool):
        return nn.MaxPool2d(node.kernel, node.stride, padding, node.dilation)
    conv = nn.Conv2d(
        channels,
        len(node.weight),
        (node.weight.shape[2], node.weight.shape[3]),
        node.stride,
        padding,
        node.dilation,
        node.groups,
        bias=node.bias is not None,
    )
    return _with(conv, node.weight, node.bias)


def _for_channels(values: Array, channels: int) -> Array:
    """Return constants that broadcast over ``(channels, height, width)`` as one a channel."""
    return np.broadcast_to(np.asarray(values).reshape(-1), channels)


def _with(module: nn.Conv2d | nn.Linear, weight: Array, bias: Array | None) -> nn.Module:
    """Return a module that has been given its parameters."""
    with torch.no_grad():
        module.weight.copy_(torch.tensor(np.ascontiguousarray(weight), dtype=torch.float32))
        if bias is not None and module.bias is not None:
            module.bias.copy_(torch.tensor(np.ascontiguousarray(bias), dtype=torch.float32))
    return module


def check_equal(network: nn.Module, model: bytes, x: Array) -> float:
    """Return the largest difference between a torch network and an ONNX file in ONNX Runtime.

    Args:
        network: The torch network.
        model: Content of the ONNX file.
        x: Samples, ``(samples, *shape)``.

    Raises:
        AssertionError: The difference is larger than ``TOLERANCE``.
    """
    session = AnnSession(model)
    ((name, _),) = session.inputs.items()
    (expected,) = session.run({name: x}).values()
    with torch.no_grad():
        found: Tensor = network(torch.from_numpy(x))
    difference = float(np.abs(found.numpy() - expected).max())
    if difference > TOLERANCE:
        raise AssertionError(f"torch and ONNX Runtime differ by {difference}")
    return difference
