"""Random small spiking graphs: what every backend is compared on with the reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snnc.ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Reshape,
    TensorType,
)
from snnc.ir.neurons import SATURATION

TIMESTEPS = 6


def random_graph(seed: int, *, integer: bool = True) -> Graph:
    """Return a spiking graph with all kinds of synapses, joins and neuron settings.

    Real-valued graphs have dyadic parameters, so that float64 sums are exact in any order and
    a comparison spike for spike is fair.
    """
    return _Builder(np.random.default_rng(seed), integer).build()


def random_inputs(graph: Graph, seed: int, samples: int = 3) -> dict[str, Array]:
    """Return inputs on a dyadic grid, some of them beyond the range of an encoder."""
    rng = np.random.default_rng(seed)
    return {
        node.name: (rng.integers(-160, 160, (samples, *node.type.shape)) / 64).astype(np.float32)
        for node in graph.of_type(Input)
    }


@dataclass
class _Builder:
    rng: np.random.Generator
    integer: bool
    nodes: list[Node] = field(default_factory=list)

    def build(self) -> Graph:
        channels, height, width = (int(self.rng.integers(*r)) for r in ((1, 4), (5, 9), (5, 9)))
        image = self.add(Input(name="x", type=TensorType((channels, height, width))))
        scale = 1 / 64 if self.integer else None
        here = self.add(Encoder(name="x.encoder", inputs=(image,), scale=scale))
        for index in range(int(self.rng.integers(1, 4))):
            here = self.block(f"block{index}", here)
        flat = self.add(Reshape(name="flat", inputs=(here,), shape=(self.type(here).size,)))
        hidden = self.population("hidden", (self.linear("fc1", flat, 7),))
        out = self.linear("fc2", hidden, 5)
        readout = Integrator(
            name="out",
            inputs=(out,),
            bias=self.numbers(-40, 41, (5,)),
            scale=self.rng.integers(1, 9, 5) / 64,
            clamp=SATURATION if self.integer else None,
        )
        self.add(readout)
        return Graph(self.nodes, {"y": "out"})

    def block(self, name: str, source: str) -> str:
        kind = self.rng.choice(["plain", "pool", "residual"])
        first = self.population(f"{name}.n", (self.conv(f"{name}.c", source),))
        if kind == "plain":
            return first
        if kind == "pool":
            return self.pool(f"{name}.p", first)
        shape = self.type(first).shape
        inner = self.population(f"{name}.m", (self.same_conv(f"{name}.d", first, 3),))
        deep = self.same_conv(f"{name}.e", inner, 1)
        gain = self.numbers(1, 100, (shape[0], 1, 1, 1))
        copies = int(self.rng.choice([1, 2, 4])) if self.integer else 1
        shortcut = Conv(
            name=f"{name}.s", inputs=(first,), weight=gain, groups=shape[0], copies=copies
        )
        return self.population(f"{name}.o", (deep, self.add(shortcut)))

    def conv(self, name: str, source: str) -> str:
        rng, (channels, height, width) = self.rng, self.type(source).shape
        groups = channels if rng.random() < 0.3 else 1
        kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        out = groups * int(rng.integers(1, 4))
        weight = self.numbers(-127, 128, (out, channels // groups, *kernel))
        weight[rng.random(weight.shape) < 0.2] = 0
        top, left, bottom, right = (int(p) for p in rng.integers(1, 3, 4))
        node = Conv(
            name=name,
            inputs=(source,),
            weight=weight,
            stride=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
            padding=(top, left, bottom, right),
            # a dilated window must still fit into a small image
            dilation=(int(rng.integers(1, 3)) if height > 2 else 1, 2 if width > 4 else 1),
            groups=groups,
        )
        return self.add(node)

    def same_conv(self, name: str, source: str, kernel: int) -> str:
        channels, pad = self.type(source).shape[0], kernel // 2
        weight = self.numbers(-127, 128, (channels, channels, kernel, kernel))
        return self.add(
            Conv(name=name, inputs=(source,), weight=weight, padding=(pad, pad, pad, pad))
        )

    def linear(self, name: str, source: str, out: int) -> str:
        weight = self.numbers(-127, 128, (out, self.type(source).shape[0]))
        return self.add(Linear(name=name, inputs=(source,), weight=weight))

    def pool(self, name: str, source: str) -> str:
        _, height, width = self.type(source).shape
        kernel = (min(2, height), min(2, width))
        padding = (0, int(self.rng.integers(0, 2)), 0, 0)
        return self.add(
            MaxPool(name=name, inputs=(source,), kernel=kernel, stride=(2, 1), padding=padding)
        )

    def population(self, name: str, synapses: tuple[str, ...]) -> str:
        rng, shape = self.rng, self.type(synapses[0]).shape
        per_neuron = shape if rng.random() < 0.3 else (shape[0], *(1,) * (len(shape) - 1))
        threshold = self.numbers(60, 700, per_neuron)
        if not self.integer:  # a power of two: the division by it is exact
            threshold = 2.0 ** rng.integers(0, 4, per_neuron)
        settings: dict[str, Any] = {}
        payload = int(rng.choice([1, 1, 4]))
        settings["max_positive"] = payload
        if rng.random() < 0.7:
            settings["max_negative"] = payload
            settings["deadband"] = int(rng.integers(0, 2))
            settings["acc_min"] = 0 if rng.random() < 0.6 else None
        if rng.random() < 0.2:
            settings["acc_max"] = int(rng.integers(1, 6))
        if self.integer and rng.random() < 0.3:
            settings["clamp"] = int(rng.integers(300, 2000))
        node = IF(
            name=name,
            inputs=synapses,
            threshold=threshold,
            bias=self.numbers(-50, 51, per_neuron),
            initial=threshold // 2 if self.integer else threshold / 2,
            **settings,
        )
        return self.add(node)

    def numbers(self, low: int, high: int, shape: tuple[int, ...]) -> Array:
        values = self.rng.integers(low, high, shape)
        if not self.integer:
            return values / 64
        return values.astype(np.int8) if high <= 128 and low >= -128 else values

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name

    def type(self, name: str) -> TensorType:
        return Graph(self.nodes, {"": name}).types[name]
