"""Random small quantised ANNs: everything that the exact conversion knows, drawn from a seed.

Steps are powers of two in about half of the places, where ties are common, and arbitrary in the
others. A step fits the values it rounds, as a quantiser tool would choose it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from snnc.ir import (
    Add,
    Affine,
    Array,
    AveragePool,
    Concat,
    Conv,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Reshape,
    Staircase,
    TensorType,
)
from snnc.ir.reference import step

CALIBRATION = 6
"""Samples that steps are fitted to."""

REACH = 3.0
"""Standard deviations that the levels of a staircase reach."""


def quantized_graph(seed: int) -> Graph:
    """Return a quantised ANN with real values, its input ``x`` and its output ``y``."""
    return _Builder(np.random.default_rng(seed)).build()


def quantized_inputs(graph: Graph, seed: int, samples: int = 3) -> dict[str, Array]:
    """Return normally distributed samples; some of their values are beyond the input's levels."""
    rng = np.random.default_rng((seed, 1))
    return {
        node.name: (1.5 * rng.standard_normal((samples, *node.type.shape))).astype(np.float32)
        for node in graph.of_type(Input)
    }


@dataclass
class _Builder:
    """Appends nodes, and computes their values for a few samples at once."""

    rng: np.random.Generator
    nodes: list[Node] = field(default_factory=list)
    values: dict[str, Array] = field(default_factory=dict)

    def build(self) -> Graph:
        bits = int(self.rng.choice([2, 3, 4, 8], p=[0.15, 0.2, 0.4, 0.25]))
        self.levels = 2**bits
        here = self.head()
        blocks = (
            *(self.plain, self.depthwise, self.residual, self.branches),
            *(self.averaged, self.pooled, self.twice, self.per_channel),
        )
        for _ in range(int(self.rng.integers(1, 5))):
            here = blocks[int(self.rng.integers(len(blocks)))](here)
        return Graph(self.nodes, {"y": self.tail(here)})

    # -- parts of a network ----------------------------------------------------------------

    def head(self) -> str:
        shape = (int(self.rng.integers(1, 4)), *(int(n) for n in self.rng.integers(5, 9, 2)))
        self.nodes.append(Input(name="x", type=TensorType(shape)))
        self.values["x"] = 1.5 * self.rng.standard_normal((CALIBRATION, *shape))
        return self.quantised("x", signed=True)

    def tail(self, here: str) -> str:
        if self.maybe(0.3):
            here = self.mean(here, whole=True)
            here = self.quantised(here) if self.maybe(0.7) else here
        flat = self.add(Reshape, here, shape=(int(np.prod(self.shape(here))),))
        if not isinstance(self.node(here), AveragePool):
            if self.maybe(0.5):
                flat = self.quantised(self.linear(flat, int(self.rng.integers(3, 9))))
            flat = self.linear(flat, 4)
        return self.quantised(flat, signed=True) if self.maybe(0.3) else flat

    def plain(self, here: str) -> str:
        return self.quantised(self.normed(self.conv(here)))

    def depthwise(self, here: str) -> str:
        channels = self.shape(here)[0]
        return self.quantised(self.conv(here, groups=channels))

    def residual(self, here: str) -> str:
        channels = self.shape(here)[0]
        deep = self.quantised(self.conv(here, same=True))
        deep = self.conv(deep, out=channels, same=True)
        deep = self.quantised(deep, signed=True) if self.maybe(0.5) else deep
        short = self.conv(here, out=channels, same=True) if self.maybe(0.3) else here
        joined = self.add(Add, deep, short)
        return self.quantised(self.normed(joined))

    def branches(self, here: str) -> str:
        """Two branches with steps of their own, one behind the other."""
        first = self.quantised(self.conv(here, same=True))
        second = here if self.maybe(0.3) else self.quantised(self.conv(here, same=True))
        joined = self.add(Concat, first, second)
        if self.maybe(0.3) and min(self.shape(joined)[1:]) > 3:
            joined = self.pool(joined)
        return self.quantised(self.conv(joined)) if self.maybe(0.7) else self.quantised(joined)

    def averaged(self, here: str) -> str:
        return self.quantised(self.mean(here))

    def pooled(self, here: str) -> str:
        return self.pool(here)

    def twice(self, here: str) -> str:
        return self.quantised(here, signed=True)

    def per_channel(self, here: str) -> str:
        """A step for each channel, read by a map that keeps channels apart."""
        channels = self.shape(here)[0]
        here = self.quantised(self.conv(here, out=channels, same=True), per_channel=True)
        if self.maybe(0.5):
            return self.quantised(self.conv(here, groups=channels))
        return self.quantised(here)

    # -- layers ----------------------------------------------------------------------------

    def quantised(self, here: str, *, signed: bool | None = None, per_channel: bool = False) -> str:
        """Append a staircase whose levels reach as far as the values."""
        signed = self.maybe(0.3) if signed is None else signed
        x, function = self.values[here], "identity"
        if here != "x" and not per_channel and self.maybe(0.1):
            function = str(self.rng.choice(["tanh", "sigmoid"]))
        zero_point = int(self.rng.integers(1, self.levels)) if signed else 0
        low, high = -zero_point, self.levels - 1 - zero_point
        if high == 0:
            low, high = low + 1, 1
        axes = (0, 2, 3) if per_channel else None
        reach = REACH * np.sqrt(np.mean(x**2, axis=axes)) + 1e-3
        size = (
            reach / max(high, -low) if function == "identity" else np.float64(1 / max(high, -low))
        )
        size = np.reshape(size, (-1, 1, 1)) if per_channel else np.reshape(size, 1)
        rounding: Literal["half_even", "floor"] = "half_even"
        offset = 0.0
        if here != "x" and self.maybe(0.15):
            rounding, offset = "floor", float(self.rng.choice([0.0, 0.5]))
        return self.add(
            Staircase,
            here,
            step=self.scale(size),
            low=low,
            high=high,
            offset=offset,
            rounding=rounding,
            function=function,
        )

    def conv(self, here: str, *, out: int = 0, groups: int = 1, same: bool = False) -> str:
        """Append a convolution; ``same`` keeps height and width."""
        channels, height, width = self.shape(here)
        out = out or (groups * int(self.rng.integers(1, 3)) if groups > 1 else 0)
        out = out or int(self.rng.integers(2, 6))
        kernel = (
            (3, 3)
            if same
            else tuple(int(self.rng.integers(1, min(4, n + 1))) for n in (height, width))
        )
        dilation = (1, 1)
        if not same and min(height, width) > 4 and self.maybe(0.2):
            dilation = (2, 1)
        fields = {
            "stride": (1, 1)
            if same or min(height, width) < 4
            else (int(self.rng.integers(1, 3)), 1),
            "padding": (1, 1, 1, 1) if same else tuple(int(p) for p in self.rng.integers(0, 2, 4)),
            "dilation": dilation,
            "groups": groups,
        }
        return self.weighted(Conv, here, (out, channels // groups, *kernel), **fields)

    def linear(self, here: str, out: int) -> str:
        return self.weighted(Linear, here, (out, self.shape(here)[0]))

    def weighted(self, kind: type[Node], here: str, shape: tuple[int, ...], **fields: Any) -> str:
        """Append a layer whose weights are integers times a scale, for each channel or for all."""
        most = int(self.rng.choice([1, 7, 127]))
        whole = self.rng.integers(-most, most + 1, shape)
        fan_in = int(np.prod(shape[1:]))
        size = np.full(shape[0] if self.maybe(0.5) else 1, 1 / (most * np.sqrt(fan_in)))
        scale = self.scale(size * self.rng.uniform(0.5, 2, size.shape))
        bias = None
        if self.maybe(0.7):
            bias = 0.3 * self.rng.standard_normal(shape[0])
            unit = scale * self.smallest_step(here)
            bias = np.rint(bias / unit) * unit if self.maybe(0.7) else bias
        weight = whole * scale.reshape(-1, *(1,) * (len(shape) - 1))
        return self.add(kind, here, weight=weight, bias=bias, weight_scale=scale, **fields)

    def smallest_step(self, here: str) -> float:
        node = self.node(here)
        while not isinstance(node, Staircase):
            node = self.node(node.inputs[0])
        return float(node.step.min())

    def normed(self, here: str) -> str:
        """Append a factor and a shift for each channel, sometimes, or a constant for each place."""
        draw = self.rng.random()
        if draw < 0.2:
            size = (self.shape(here)[0], 1, 1)
            scale = self.rng.uniform(0.5, 1.5, size) * self.rng.choice([-1, 1], size)
            return self.add(Affine, here, scale=scale, shift=0.3 * self.rng.standard_normal(size))
        if draw < 0.3:
            shift = 0.3 * self.rng.standard_normal(self.shape(here))
            return self.add(Affine, here, scale=np.ones(1), shift=shift)
        return here

    def mean(self, here: str, *, whole: bool = False) -> str:
        height, width = self.shape(here)[1:]
        if whole:
            return self.add(AveragePool, here, kernel=(height, width))
        kernel = tuple(int(self.rng.integers(1, min(4, n + 1))) for n in (height, width))
        padding = tuple(min(int(self.rng.integers(0, 2)), k - 1) for k in (*kernel, *kernel))
        fields = {"padding": padding, "count_include_pad": self.maybe(0.5)}
        return self.add(AveragePool, here, kernel=kernel, stride=(1, 1), **fields)

    def pool(self, here: str) -> str:
        kernel = tuple(min(int(self.rng.integers(2, 4)), n) for n in self.shape(here)[1:])
        padding = tuple(int(self.rng.integers(0, 2)) for _ in range(4))
        return self.add(MaxPool, here, kernel=kernel, stride=(1, 1), padding=padding)

    # -- the graph -------------------------------------------------------------------------

    def add(self, kind: type[Node], *inputs: str, **fields: Any) -> str:
        node = kind(name=f"{kind.__name__.lower()}{len(self.nodes)}", inputs=inputs, **fields)
        self.nodes.append(node)
        self.values[node.name] = step(node, [self.values[name] for name in inputs], {}, 1)
        return node.name

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.values[name].shape[1:]

    def scale(self, size: Array) -> Array:
        """Return a step of about a size, as float32 holds it; half of them powers of two."""
        if self.maybe(0.5):
            return np.asarray(2.0 ** np.rint(np.log2(size)))
        return np.asarray(size, np.float32).astype(np.float64)

    def maybe(self, share: float) -> bool:
        return bool(self.rng.random() < share)
