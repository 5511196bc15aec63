"""Random small ONNX models of everything the importer takes, drawn from a seed.

Branches of unequal depth that join by Add and by Concat; grouped and depthwise convolution, now
and then with more groups than 8 bits count; dilation, strides, padding that differs from side to
side; average and max pooling, global pooling; flattening of images and of vectors, reshapes;
several inputs and outputs; Transpose, DepthToSpace, Resize and Clip. With ``quantized`` every
tensor goes through a quantiser of 8 bits and weights are integers, as code ``exact`` wants them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from snnc.ir import Array

Shape = tuple[int, ...]
Extents = tuple[int, int]

MANY_GROUPS = (128, 200)
"""Lava's convolution keeps the number of groups in 8 bits with sign."""


def random_model(seed: int, *, quantized: bool = False) -> ModelProto:
    """Return a model; the same one for each seed."""
    return _Builder(np.random.default_rng(seed), quantized).model()


def random_inputs(model: ModelProto, seed: int, samples: int) -> dict[str, Array]:
    """Return normally distributed samples for each input of a model."""
    rng = np.random.default_rng((seed, samples))
    return {
        value.name: rng.normal(0.2, 0.8, (samples, *_sizes(value)[1:])).astype(np.float32)
        for value in model.graph.input
    }


def _sizes(value: ValueInfoProto) -> Shape:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def windows(size: int, kernel: int, stride: int, dilation: int, zeros: int) -> int:
    """Return how many windows fit along an axis."""
    return (size + zeros - dilation * (kernel - 1) - 1) // stride + 1


@dataclass
class _Builder:
    """Appends ONNX nodes one after the other; most methods return the name of a new tensor."""

    rng: np.random.Generator
    quantized: bool
    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)
    inputs: list[ValueInfoProto] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    def model(self) -> ModelProto:
        here = self.entry()
        blocks: tuple[Callable[[str], str], ...] = (
            *(self.plain, self.plain, self.grouped, self.residual, self.branches),
            *(self.dense_branches, self.average_pool, self.max_pool, self.max_pool, self.reshaped),
            self.moved,
        )
        for _ in range(int(self.rng.integers(1, 5))):
            here = blocks[int(self.rng.integers(len(blocks)))](here)
        if self.maybe(0.15):
            here = self.many_groups(here)
        if self.maybe(0.2):
            self.outputs.append(self.head(here))
        self.outputs.append(self.head(here))
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *self.shapes[name]])
            for name in self.outputs
        ]
        graph = helper.make_graph(self.nodes, "random", self.inputs, outputs, self.weights)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8)

    # -- begin and end ---------------------------------------------------------------------

    def entry(self) -> str:
        shape = (self.between(1, 3), self.between(4, 8), self.between(4, 8))
        here = self.input("x", shape)
        if self.maybe(0.12):
            side = (self.between(1, 3), *shape[1:])
            return self.joined("Concat", [here, self.input("z", side)])
        if self.maybe(0.12):
            other = self.gemm(self.input("z", (self.between(2, 5),)), prod(shape))
            image = self.reshape(self.active(other), shape)
            return self.active(self.joined("Add", [self.conv(here, shape[0], same=True), image]))
        return here

    def input(self, name: str, shape: Shape) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]))
        self.shapes[name] = shape
        return self.rounded(name, "int8", 2.5)

    def head(self, here: str) -> str:
        if self.maybe(0.15):  # an image comes out
            return self.conv(here, self.between(1, 3))
        if self.maybe(0.35):
            kind = "GlobalMaxPool" if self.maybe(0.3) else "GlobalAveragePool"
            here = self.add(kind, [here], (self.shapes[here][0], 1, 1))
            if kind == "GlobalAveragePool" and self.maybe(0.2) and not self.quantized:
                return self.flattened(here)
            here = self.rounded(here)
        here = self.flattened(here)
        if self.maybe(0.4):
            here = self.active(self.gemm(here, self.between(3, 9)))
            here = self.flattened(here) if self.maybe(0.3) else here  # of one axis
        return self.gemm(here, self.between(2, 6))

    # -- blocks: from an activation to another one -------------------------------------------

    def plain(self, here: str) -> str:
        return self.active(self.normed(self.conv(here)))

    def grouped(self, here: str) -> str:
        channels = self.shapes[here][0]
        groups = int(self.rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
        groups = channels if self.maybe(0.5) else groups
        return self.active(self.normed(self.conv(here, groups * self.between(1, 2), groups=groups)))

    def many_groups(self, here: str) -> str:
        """A depthwise convolution of very many channels, on a tiny image."""
        groups = int(self.rng.choice(MANY_GROUPS))
        while prod(self.shapes[here][1:]) > 6:
            here = self.max_pool(here, least=2)
        here = self.active(self.conv(here, groups, kernel=(1, 1)))
        here = self.active(self.conv(here, groups, groups=groups, same=True))
        return self.active(self.conv(here, self.between(1, 4), kernel=(1, 1)))

    def residual(self, here: str) -> str:
        channels = self.between(1, 4)
        deep = here
        for _ in range(self.between(0, 2)):
            deep = self.active(self.conv(deep, same=True))
        deep = self.normed(self.conv(deep, channels, same=True))
        if channels == self.shapes[here][0] and self.maybe(0.7):
            short = here
        else:
            short = self.conv(here, channels, kernel=(1, 1))
        return self.active(self.joined("Add", [deep, short]))

    def branches(self, here: str) -> str:
        """Two or three branches, up to two layers deep, side by side."""
        ends = []
        for _ in range(self.between(2, 3)):
            end = here
            for _ in range(self.between(0, 2)):
                end = self.active(self.conv(end, self.between(1, 3), same=True))
            ends.append(end)
        joined = self.joined("Concat", ends)
        return self.active(self.conv(joined)) if self.quantized or self.maybe(0.6) else joined

    def dense_branches(self, here: str) -> str:
        """A layer's input beside its output, and once more."""
        for _ in range(self.between(1, 2)):
            more = self.active(self.conv(here, self.between(1, 2), same=True))
            here = self.joined("Concat", [here, more])
        return self.active(self.conv(here)) if self.quantized else here

    def average_pool(self, here: str) -> str:
        fields, shape = self.window(here, 2, most_dilation=1, inside=True)
        fields["count_include_pad"] = self.between(0, 1)
        return self.rounded(self.add("AveragePool", [here], shape, **fields))

    def max_pool(self, here: str, least: int = 1) -> str:
        fields, shape = self.window(here, 2, inside=True, least_stride=least)
        return self.add("MaxPool", [here], shape, **fields)

    def reshaped(self, here: str) -> str:
        """Through a vector, to an image of other sizes where there is one."""
        flat = self.flattened(here)
        if self.maybe(0.5):
            flat = self.active(self.gemm(flat, 2 * self.between(2, 6)))
        size = prod(self.shapes[flat])
        divisors = [n for n in range(1, 5) if size % n == 0]
        channels = int(self.rng.choice(divisors))
        rows = int(self.rng.choice([n for n in range(1, 5) if size // channels % n == 0]))
        return self.reshape(flat, (channels, rows, size // channels // rows))

    def moved(self, here: str) -> str:
        """Turned, with space from channels, or enlarged."""
        channels, height, width = self.shapes[here]
        shape: Shape
        if channels % 4 == 0 and self.maybe(0.5):
            shape = (channels // 4, 2 * height, 2 * width)
            return self.add("DepthToSpace", [here], shape, blocksize=2)
        if height * width < 17 and self.maybe(0.4):
            factors = self.constant(np.array([1, 1, 2, 2], np.float32))
            shape = (channels, 2 * height, 2 * width)
            fields = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
            return self.add("Resize", [here, "", factors], shape, nearest_mode="floor", **fields)
        order = [1 + int(axis) for axis in self.rng.permutation(3)]
        shape = tuple(self.shapes[here][axis - 1] for axis in order)
        return self.add("Transpose", [here], shape, perm=[0, *order])

    # -- layers ------------------------------------------------------------------------------

    def conv(
        self,
        here: str,
        out: int = 0,
        *,
        kernel: Extents | None = None,
        groups: int = 1,
        same: bool = False,
    ) -> str:
        """Append a convolution; ``same`` keeps height and width."""
        out = out or self.between(1, 4)
        fields: dict[str, Any]
        shape: Shape
        if kernel:
            fields, shape = {"kernel_shape": kernel}, self.shapes[here][1:]
        elif same:
            kernel = (3, 3)
            fields, shape = {"kernel_shape": kernel, "pads": (1, 1, 1, 1)}, self.shapes[here][1:]
        else:
            fields, (_, *rest) = self.window(here, 3)
            kernel, shape = fields["kernel_shape"], tuple(rest)
        channels = self.shapes[here][0] // groups
        weight = self.parameter((out, channels, *kernel))
        inputs = [here, weight, *self.bias(out)]
        return self.add("Conv", inputs, (out, *shape), group=groups, **fields)

    def gemm(self, here: str, out: int) -> str:
        """Append a fully connected layer."""
        weight = self.parameter((out, *self.shapes[here]))
        return self.add("Gemm", [here, weight, *self.bias(out)], (out,), transB=1)

    def window(
        self,
        here: str,
        largest: int,
        *,
        most_dilation: int = 2,
        inside: bool = False,
        least_stride: int = 1,
    ) -> tuple[dict[str, Any], Shape]:
        """Draw a window and return its attributes and the shape of what it makes of a tensor."""
        channels, *sizes = self.shapes[here]
        kernel, stride, dilation, begins, ends, shape = [], [], [], [], [], [channels]
        for size in sizes:
            k = self.between(1, min(largest, size))
            d = self.between(1, most_dilation) if self.maybe(0.3) else 1
            d = d if d * (k - 1) < size else 1
            zeros = [self.between(0, k - 1 if inside else 2) for _ in range(2)]
            zeros = zeros if self.maybe(0.6) else [0, 0]
            s = max(least_stride, self.between(1, 2) if self.maybe(0.4) else 1)
            kernel.append(k)
            stride.append(s)
            dilation.append(d)
            begins.append(zeros[0])
            ends.append(zeros[1])
            shape.append(windows(size, k, s, d, sum(zeros)))
        fields = {"kernel_shape": tuple(kernel), "strides": stride, "pads": begins + ends}
        if most_dilation > 1:
            fields["dilations"] = dilation
        return fields, tuple(shape)

    def normed(self, here: str) -> str:
        """Append a batch normalisation, sometimes."""
        if self.quantized or self.maybe(0.5):
            return here
        channels = self.shapes[here][0]
        names = [
            self.constant(values)
            for values in (
                self.rng.uniform(0.5, 1.5, channels),
                *(0.3 * self.rng.standard_normal((2, channels))),
                self.rng.uniform(0.5, 1.5, channels),
            )
        ]
        return self.add("BatchNormalization", [here, *names], self.shapes[here])

    def active(self, here: str) -> str:
        """Append a ReLU or a Clip, and a quantiser."""
        if self.maybe(0.75):
            return self.rounded(self.add("Relu", [here], self.shapes[here]))
        bounds = [self.constant(np.float32(value)) for value in (0, self.rng.uniform(0.5, 2))]
        return self.rounded(self.add("Clip", [here, *bounds], self.shapes[here]))

    def joined(self, operator: str, inputs: list[str]) -> str:
        """Append an addition, or a concatenation along the channels."""
        channels, *rest = self.shapes[inputs[0]]
        if operator == "Add":
            return self.add(operator, inputs, (channels, *rest))
        channels = sum(self.shapes[name][0] for name in inputs)
        return self.add(operator, inputs, (channels, *rest), axis=1)

    def flattened(self, here: str) -> str:
        """Append a flattening in one of the ways in which models do it."""
        size = prod(self.shapes[here])
        if self.maybe(0.6):
            return self.add("Flatten", [here], (size,), axis=1)
        return self.reshape(here, (size,))

    def reshape(self, here: str, shape: Shape) -> str:
        """Append a reshape."""
        sizes = self.constant(np.array([-1, *shape], np.int64))
        return self.add("Reshape", [here, sizes], shape)

    # -- quantisers and constants --------------------------------------------------------------

    def rounded(self, here: str, kind: str = "uint8", reach: float = 2.0) -> str:
        """Append a quantiser and its inverse, where the model has quantisers."""
        if not self.quantized:
            return here
        step = reach / np.iinfo(kind).max
        step = float(2.0 ** np.rint(np.log2(step))) if self.maybe(0.5) else step
        grid = [self.constant(np.float32(step)), self.constant(np.array(0, kind))]
        shape = self.shapes[here]
        whole = self.add("QuantizeLinear", [here, *grid], shape)
        return self.add("DequantizeLinear", [whole, *grid], shape)

    def parameter(self, shape: Shape) -> str:
        """Return random weights that keep the size of what they are applied to."""
        size = 1 / np.sqrt(prod(shape[1:]))
        if not self.quantized:
            return self.constant(size * self.rng.standard_normal(shape))
        whole = self.constant(self.rng.integers(-127, 128, shape).astype(np.int8))
        grid = [self.constant(np.float32(size / 64)), self.constant(np.int8(0))]
        return self.add("DequantizeLinear", [whole, *grid], shape)

    def bias(self, size: int) -> list[str]:
        """Return a bias, sometimes."""
        return [self.constant(0.3 * self.rng.standard_normal(size))] if self.maybe(0.7) else []

    def constant(self, value: Any) -> str:
        """Store an array; real numbers as float32."""
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, inputs: list[str], shape: Shape, **fields: Any) -> str:
        """Append a node."""
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **fields))
        self.shapes[name] = shape
        return name

    # -- dice ----------------------------------------------------------------------------------

    def between(self, low: int, high: int) -> int:
        """Return a whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def maybe(self, share: float) -> bool:
        """Whether it is so this time."""
        return bool(self.rng.random() < share)
