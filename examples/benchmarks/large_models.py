"""ONNX files as large as the networks people have, with random weights.

- ``resnet50``: bottleneck blocks at 224 x 224, batch normalisation, 25.6 million parameters
  (He et al., CVPR 2016).
- ``vit``: a vision transformer of base size, patches of 16 (Dosovitskiy et al., ICLR 2021),
  86.6 million parameters: LayerNormalization, softmax attention, GELU. No spike code expresses it
  as a whole today: it is there to be refused.
- ``mixer``: of the same size, with the same projections (768 to 2304, 2304 to 768, 768 to 3072 and
  back, twelve blocks), of operators that convert: batch normalisation, ReLU, and depthwise
  convolutions that mix the patches in place of attention. 86.7 million parameters.

Weights are drawn so that activations keep their size from layer to layer; what the networks
answer means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from snnc.ir import Array

IMAGE = (3, 224, 224)
CLASSES = 1000
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
"""Blocks, and channels inside of them, of each stage of ResNet-50."""

PATCH, WIDTH, HIDDEN, DEPTH, HEADS = 16, 768, 3072, 12, 12
"""Of ViT-B/16."""

OPSET = 17


def resnet50(stages: tuple[tuple[int, int], ...] = STAGES, image: int = IMAGE[1]) -> ModelProto:
    """Return a residual network of bottleneck blocks.

    Args:
        stages: Blocks and inner channels of each stage.
        image: Height and width of the input.
    """
    make = _Builder()
    here = make.normed(make.conv("image", 3, stages[0][1], 7, stride=2))
    here = make.add("Relu", [here])
    here = make.add("MaxPool", [here], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = stages[0][1]
    for stage, (blocks, inner) in enumerate(stages):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            deep = make.add("Relu", [make.normed(make.conv(here, channels, inner, 1))])
            deep = make.normed(make.conv(deep, inner, inner, 3, stride=stride))
            deep = make.conv(make.add("Relu", [deep]), inner, 4 * inner, 1)
            deep = make.normed(deep, gain=0.3)  # else the variance doubles with every block
            if not block:
                here = make.normed(make.conv(here, channels, 4 * inner, 1, stride=stride))
            here = make.add("Relu", [make.add("Add", [deep, here])])
            channels = 4 * inner
    here = make.add("Flatten", [make.add("GlobalAveragePool", [here])], axis=1)
    return make.model(make.gemm(here, channels, CLASSES), (3, image, image))


def mixer(width: int = WIDTH, depth: int = DEPTH, image: int = IMAGE[1]) -> ModelProto:
    """Return a network of the size and the projections of a vision transformer; see above.

    Args:
        width: Features of a patch.
        depth: Blocks.
        image: Height and width of the input.
    """
    make = _Builder()
    here = make.conv("image", 3, width, PATCH, stride=PATCH, padding=0)
    for _ in range(depth):
        mixed = make.add("Relu", [make.conv(make.normed(here), width, 3 * width, 1)])
        mixed = make.conv(mixed, 3 * width, 3 * width, 3, groups=3 * width)
        mixed = make.conv(make.add("Relu", [mixed]), 3 * width, width, 1, groups=3, gain=0.3)
        here = make.add("Add", [here, mixed])
        deep = make.add("Relu", [make.conv(make.normed(here), width, 4 * width, 1)])
        here = make.add("Add", [here, make.conv(deep, 4 * width, width, 1, gain=0.3)])
    here = make.add("Relu", [make.normed(here)])
    here = make.add("Flatten", [make.add("GlobalAveragePool", [here])], axis=1)
    return make.model(make.gemm(here, width, CLASSES), (3, image, image))


def vit(width: int = WIDTH, depth: int = DEPTH, heads: int = HEADS) -> ModelProto:
    """Return a vision transformer as torch exports it, with GELU as five operators.

    Args:
        width: Features of a patch.
        depth: Blocks.
        heads: Of each attention.
    """
    make = _Builder()
    patches = (IMAGE[1] // PATCH) ** 2
    here = make.conv("image", 3, width, PATCH, stride=PATCH, padding=0)
    here = make.add("Reshape", [here, make.integers(0, width, patches)])
    here = make.add("Transpose", [here], perm=[0, 2, 1])
    token = make.normal((1, 1, width), 0.02)
    batch = make.add("Gather", [make.add("Shape", ["image"]), make.integers(0)], axis=0)
    sizes = make.add("Concat", [batch, make.integers(1, width)], axis=0)
    here = make.add("Concat", [make.add("Expand", [token, sizes]), here], axis=1)
    here = make.add("Add", [here, make.normal((1, patches + 1, width), 0.02)])
    for _ in range(depth):
        attended = _attention(make, make.layer_norm(here, width), width, heads)
        here = make.add("Add", [here, attended])
        deep = _gelu(make, make.dense(make.layer_norm(here, width), width, 4 * width))
        here = make.add("Add", [here, make.dense(deep, 4 * width, width)])
    here = make.layer_norm(here, width)
    here = make.add("Gather", [here, make.constant(np.array(0))], axis=1)
    return make.model(make.gemm(here, width, CLASSES), IMAGE)


MAKERS: dict[str, Callable[[], ModelProto]] = {"resnet50": resnet50, "mixer": mixer, "vit": vit}


def write(name: str, folder: Path) -> Path:
    """Write one of the files of ``MAKERS`` into a folder, unless it is there; return its path."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        model = MAKERS[name]()
        onnx.checker.check_model(model)
        onnx.save(model, path)
    return path


def parameters(model: ModelProto) -> int:
    """Return how many trained numbers a model has."""
    real = (TensorProto.FLOAT, TensorProto.DOUBLE)
    return sum(prod(t.dims) for t in model.graph.initializer if t.data_type in real)


def _attention(make: _Builder, here: str, width: int, heads: int) -> str:
    """Append attention of several heads."""
    split = make.integers(0, -1, heads, width // heads)
    parts = [
        make.add("Reshape", [make.dense(here, width, width), split]) for _ in ("query", "key", "v")
    ]
    orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    query, key, value = (
        make.add("Transpose", [part], perm=order) for part, order in zip(parts, orders, strict=True)
    )
    scores = make.add("MatMul", [query, key])
    scores = make.add("Mul", [scores, make.constant(np.float32((width // heads) ** -0.5))])
    mixed = make.add("MatMul", [make.add("Softmax", [scores], axis=-1), value])
    mixed = make.add("Transpose", [mixed], perm=[0, 2, 1, 3])
    return make.dense(make.add("Reshape", [mixed, make.integers(0, -1, width)]), width, width)


def _gelu(make: _Builder, here: str) -> str:
    erf = make.add("Erf", [make.add("Div", [here, make.constant(np.float32(2**0.5))])])
    gate = make.add("Add", [erf, make.constant(np.float32(1))])
    return make.add("Mul", [make.add("Mul", [here, gate]), make.constant(np.float32(0.5))])


@dataclass
class _Builder:
    """Appends ONNX nodes one after the other; most methods return the name of a new tensor."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)

    def model(self, output: str, image: tuple[int, int, int]) -> ModelProto:
        """Return the model, from ``image`` to one output."""
        graph = helper.make_graph(
            self.nodes,
            "large",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *image])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", CLASSES])],
            self.weights,
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)

    def conv(
        self,
        here: str,
        channels: int,
        out: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        gain: float = 1.0,
    ) -> str:
        """Append a convolution; without ``padding`` the windows are centred."""
        shape = (out, channels // groups, kernel, kernel)
        weight = self.normal(shape, gain * (2 / prod(shape[1:])) ** 0.5)
        bias = self.normal((out,), 0.1)
        pads = [kernel // 2 if padding is None else padding] * 4
        fields = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads}
        return self.add("Conv", [here, weight, bias], group=groups, **fields)

    def normed(self, here: str, gain: float = 1.0) -> str:
        """Append a batch normalisation of as many channels as the last layer has biases."""
        channels = self._channels(here)
        parameters = (
            gain * self.rng.uniform(0.9, 1.1, channels),
            0.1 * self.rng.standard_normal(channels),
            0.1 * self.rng.standard_normal(channels),
            self.rng.uniform(0.8, 1.2, channels),
        )
        return self.add("BatchNormalization", [here, *map(self.real, parameters)])

    def _channels(self, here: str) -> int:
        made = {node.output[0]: node for node in self.nodes}
        sizes = {tensor.name: tensor.dims for tensor in self.weights}
        while made[here].op_type != "Conv":
            here = made[here].input[0]
        return int(sizes[made[here].input[1]][0])

    def layer_norm(self, here: str, width: int) -> str:
        parameters = [self.real(np.ones(width)), self.real(np.zeros(width))]
        return self.add("LayerNormalization", [here, *parameters], axis=-1)

    def dense(self, here: str, width: int, out: int) -> str:
        """Append a linear layer over the last axis, as torch exports it: MatMul and Add."""
        weight = self.normal((width, out), width**-0.5)
        return self.add("Add", [self.add("MatMul", [here, weight]), self.normal((out,), 0.02)])

    def gemm(self, here: str, width: int, out: int) -> str:
        weight = self.normal((out, width), width**-0.5)
        return self.add("Gemm", [here, weight, self.normal((out,), 0.02)], transB=1)

    def normal(self, shape: tuple[int, ...], deviation: float) -> str:
        values = self.rng.standard_normal(shape, np.float32)
        values *= np.float32(deviation)
        return self.constant(values)

    def real(self, values: Array) -> str:
        return self.constant(values.astype(np.float32))

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def constant(self, values: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, operator: str, inputs: list[str], **fields: Any) -> str:
        """Append a node."""
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **fields))
        return name
