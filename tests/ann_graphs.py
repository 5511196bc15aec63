"""Random small ANNs for the exact passes and the conversion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
    TensorType,
)


@dataclass
class AnnBuilder:
    """Appends nodes one after the other; each method returns the new node's name."""

    rng: np.random.Generator
    nodes: list[Node] = field(default_factory=list)

    def add(self, kind: type[Node], source: str, **fields: Any) -> str:
        """Append a node that reads ``source``."""
        name = f"{kind.__name__.lower()}{len(self.nodes)}"
        self.nodes.append(kind(name=name, inputs=(source,), **fields))
        return name

    def input(self, *shape: int) -> str:
        """Append the input ``x``."""
        self.nodes.append(Input(name="x", type=TensorType(shape)))
        return "x"

    def conv(self, source: str, out: int, kernel: int = 3, **fields: Any) -> str:
        """Append a convolution with random weights and bias."""
        channels = self.shape(source)[0] // fields.get("groups", 1)
        weight = self.normal(out, channels, kernel, kernel) / np.sqrt(channels * kernel**2)
        return self.add(Conv, source, weight=weight, bias=self.normal(out) * 0.2, **fields)

    def linear(self, source: str, out: int) -> str:
        """Append a fully connected map with random weights and bias."""
        (size,) = self.shape(source)
        weight = self.normal(out, size) / np.sqrt(size)
        return self.add(Linear, source, weight=weight, bias=self.normal(out) * 0.2)

    def relu(self, source: str, **bounds: float) -> str:
        """Append a ReLU, or a clip."""
        return self.add(Clip, source, **bounds)

    def norm(self, source: str) -> str:
        """Append a per-channel scale and shift, as BatchNormalization leaves them."""
        shape = self.shape(source)
        size = (shape[0], *(1,) * (len(shape) - 1))
        scale = self.rng.uniform(0.5, 1.5, size)
        return self.add(Affine, source, scale=scale, shift=self.normal(*size) * 0.2)

    def pool(self, source: str, kind: type[AveragePool | MaxPool] = AveragePool) -> str:
        """Append a 2x2 pool."""
        return self.add(kind, source, kernel=(2, 2), stride=(2, 2))

    def flat(self, source: str) -> str:
        """Append a flatten."""
        return self.add(Reshape, source, shape=(int(np.prod(self.shape(source))),))

    def join(self, *sources: str) -> str:
        """Append a residual addition."""
        name = f"add{len(self.nodes)}"
        self.nodes.append(Add(name=name, inputs=sources))
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a node."""
        return Graph(self.nodes, {"": name}).types[name].shape

    def normal(self, *shape: int) -> Array:
        """Return standard normal numbers."""
        return self.rng.standard_normal(shape)

    def graph(self, output: str) -> Graph:
        """Return the graph, its output named ``y``."""
        return Graph(self.nodes, {"y": output})


def random_ann(seed: int) -> Graph:
    """Return a network of every construct the conversion knows."""
    rng = np.random.default_rng(seed)
    net = AnnBuilder(rng)
    here = net.input(int(rng.integers(1, 4)), 8, 8)
    if rng.random() < 0.3:
        here = net.norm(here)
    pads = (1, 1, 1, 1)
    here = net.relu(net.norm(net.conv(here, 4, padding=pads)))
    if rng.random() < 0.5:
        here = net.norm(here)  # an activation that is normalised before a padded convolution
    if rng.random() < 0.5:
        deep = net.conv(net.relu(net.conv(here, 4, padding=pads)), 4, padding=pads)
        here = net.norm(net.join(net.norm(deep), here))
        here = net.relu(here, high=float(rng.choice([np.inf, 2.0])))
    if rng.random() < 0.5:
        here = net.relu(net.pool(net.conv(here, 4, padding=pads), MaxPool))
    else:
        here = net.pool(here)
    if rng.random() < 0.3:
        here = net.conv(net.conv(here, 4), 3, kernel=1)  # two linear maps in a row
        here = net.relu(here)
    here = net.flat(here)
    here = net.relu(net.linear(here, 10))
    if rng.random() < 0.3:
        here = net.linear(here, 6)
    return net.graph(net.linear(here, 5))
