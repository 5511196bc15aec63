"""Random small spiking graphs: what every backend is compared on with the reference."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from snnc.ir import (
    IF,
    Array,
    Conv,
    DifferentialIF,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    RadixIF,
    Reshape,
    TensorType,
    TwoPhaseIF,
)
from snnc.ir.neurons import SATURATION

TIMESTEPS = 6

SCHEDULES = ("multithreshold", "late", "radix", "differential", "two-phase")
"""What a rate-coded target refuses: kinds of ``scheduled_graph``."""


def random_graph(seed: int, *, integer: bool = True) -> Graph:
    """Return a spiking graph with all kinds of synapses, joins and neuron settings.

    Real-valued graphs have dyadic parameters, so that float64 sums are exact in any order and
    a comparison spike for spike is fair.
    """
    return Builder(np.random.default_rng(seed), integer).build()


def scheduled_graph(seed: int, kind: str, *, integer: bool = True) -> Graph:
    """Return a graph like those of ``random_graph`` with neurons or a readout of one kind.

    Start and stage of a neuron are drawn, so that events also arrive when a compiled network
    would send none: the semantics say what happens then as well.

    Args:
        seed: Of everything random.
        kind: One of ``SCHEDULES``; ``late`` changes the readout only.
        integer: Whether all parameters are integers; ``differential`` needs real ones.
    """
    return _ScheduledBuilder(np.random.default_rng(seed), integer, kind=kind).build()


def hard_reset_graph(seed: int, *, integer: bool = True) -> Graph:
    """Return a graph like those of ``random_graph`` whose neurons reset to zero."""
    return _HardResetBuilder(np.random.default_rng(seed), integer).build()


def vector_graph(seed: int, *, integer: bool = True) -> Graph:
    """Return a graph most of whose populations have one position, of all sizes, read all ways."""
    return _VectorBuilder(np.random.default_rng(seed), integer).build()


def random_inputs(graph: Graph, seed: int, samples: int = 3) -> dict[str, Array]:
    """Return inputs on a dyadic grid, some of them beyond the range of an encoder."""
    rng = np.random.default_rng(seed)
    return {
        node.name: (rng.integers(-160, 160, (samples, *node.type.shape)) / 64).astype(np.float32)
        for node in graph.of_type(Input)
    }


@dataclass
class Builder:
    """A graph under construction; the kinds of graphs differ in some of its methods."""

    rng: np.random.Generator
    integer: bool
    nodes: list[Node] = field(default_factory=list)

    def build(self) -> Graph:
        channels, height, width = (int(self.rng.integers(*r)) for r in ((1, 4), (5, 9), (5, 9)))
        image = self.add(Input(name="x", type=TensorType((channels, height, width))))
        here = self.encoder(image)
        for index in range(int(self.rng.integers(1, 4))):
            here = self.block(f"block{index}", here)
        flat = self.add(Reshape(name="flat", inputs=(here,), shape=(self.type(here).size,)))
        hidden = self.population("hidden", (self.linear("fc1", flat, 7),))
        out = self.linear("fc2", hidden, 5)
        self.readout(out)
        return Graph(self.nodes, {"y": "out"})

    def encoder(self, image: str, **settings: Any) -> str:
        scale = 1 / 64 if self.integer else None
        return self.add(Encoder(name="x.encoder", inputs=(image,), scale=scale, **settings))

    def readout(self, source: str, **settings: Any) -> str:
        readout = Integrator(
            name="out",
            inputs=(source,),
            bias=self.numbers(-40, 41, (5,)),
            scale=self.rng.integers(1, 9, 5) / 64,
            clamp=SATURATION if self.integer else None,
            **settings,
        )
        return self.add(readout)

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
        left = min(int(self.rng.integers(0, 2)), kernel[1] - 1)  # no window lies in the border
        padding = (0, left, 0, 0)
        return self.add(
            MaxPool(name=name, inputs=(source,), kernel=kernel, stride=(2, 1), padding=padding)
        )

    def population(self, name: str, synapses: tuple[str, ...]) -> str:
        shape = self.type(synapses[0]).shape
        per_neuron = shape if self.rng.random() < 0.3 else (shape[0], *(1,) * (len(shape) - 1))
        threshold = self.numbers(60, 700, per_neuron)
        if not self.integer:  # a power of two: the division by it is exact
            threshold = 2.0 ** self.rng.integers(0, 4, per_neuron)
        settings = self.settings()
        common = {
            "name": name,
            "inputs": synapses,
            "threshold": threshold,
            "bias": self.numbers(-50, 51, per_neuron),
            "initial": threshold // 2 if self.integer else threshold / 2,
        }
        return self.add(self.neurons(common, settings))

    def neurons(self, common: dict[str, Any], settings: dict[str, Any]) -> Population:
        return IF(**common, **settings)

    def settings(self) -> dict[str, Any]:
        rng = self.rng
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
        return settings

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


class _HardResetBuilder(Builder):
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"reset": "zero"}
        if self.integer and self.rng.random() < 0.3:
            settings["clamp"] = int(self.rng.integers(300, 2000))
        return settings


class _VectorBuilder(Builder):
    def build(self) -> Graph:
        rng = self.rng
        sides = (2 * int(rng.integers(1, 4)), *(int(side) for side in rng.integers(4, 8, 2)))
        image = self.add(Input(name="x", type=TensorType(sides)))
        moving = self.population("moving", (self.same_conv("c", self.encoder(image), 3),))
        few = 2 * int(rng.choice([1, 3, 32, 35]))
        windows = (self.window("w1", moving, few), self.window("w2", moving, few))
        point = self.population("point", windows)
        gain = Conv(
            name="gain", inputs=(point,), weight=self.numbers(1, 100, (few, 1, 1, 1)), groups=few
        )
        second = self.population("second", (self.same_conv("mix", point, 1), self.add(gain)))
        many = int(rng.choice([1, 65, 400]))
        mixed = (
            self.linear("f1", self.flat(second), many),
            self.linear("f2", self.flat(moving), many),
        )
        self.population("wide", mixed)
        if rng.random() < 0.6:  # all its neurons send at most steps
            wide = self.nodes[-1]
            assert isinstance(wide, IF)
            self.nodes[-1] = replace(wide, bias=wide.threshold, max_positive=1)
        last = self.population("last", (self.linear("f3", "wide", 70),))
        self.readout(self.linear("f4", last, 5))
        return Graph(self.nodes, {"y": "out"})

    def flat(self, source: str) -> str:
        return self.add(
            Reshape(name=f"{source}.flat", inputs=(source,), shape=(self.type(source).size,))
        )

    def window(self, name: str, source: str, out: int) -> str:
        """Add a convolution with a single window."""
        channels, *sides = self.type(source).shape
        dilation = [int(d) for d in self.rng.integers(1, 3, 2)]
        kernel = [-(-side // d) for side, d in zip(sides, dilation, strict=True)]
        missing = [
            d * (k - 1) + 1 - side for k, d, side in zip(kernel, dilation, sides, strict=True)
        ]
        groups = int(self.rng.choice([1, 2]))
        node = Conv(
            name=name,
            inputs=(source,),
            weight=self.numbers(-127, 128, (out, channels // groups, *kernel)),
            padding=(max(0, missing[0]), max(0, missing[1]), 0, 0),
            stride=(2, 2),
            dilation=(dilation[0], dilation[1]),
            groups=groups,
        )
        return self.add(node)


@dataclass
class _ScheduledBuilder(Builder):
    kind: str = "late"

    def encoder(self, image: str, **settings: Any) -> str:
        once = self.kind in ("radix", "differential")
        return super().encoder(image, once=once, **settings)

    def readout(self, source: str, **settings: Any) -> str:
        decoding = {"radix": "sum", "differential": "harmonic"}.get(self.kind, "mean")
        late = self.kind in ("late", "two-phase")
        return super().readout(source, decoding=decoding, start=4 if late else 1, **settings)

    def neurons(self, common: dict[str, Any], settings: dict[str, Any]) -> Population:
        rng = self.rng
        if self.kind == "radix":
            base, start = int(rng.integers(2, 5)), int(rng.integers(1, 5))
            return RadixIF(**common, base=base, digits=int(rng.integers(1, 4)), start=start)
        if self.kind == "two-phase":
            rule, stages = str(rng.choice(["offset", "residual"])), 2
            stage = int(rng.integers(1, stages + 1))
            return TwoPhaseIF(**common, rule=rule, rehearsal=3, stage=stage, stages=stages)
        rule = str(rng.choice(["nearest", "greedy"]))
        if self.kind == "differential":
            levels = int(rng.integers(1, 4))
            rule = "count" if levels == 1 else rule
            guard = bool(rng.integers(0, 2))
            return DifferentialIF(**common, levels=levels, guard=guard, select=rule)
        if self.kind == "multithreshold":
            settings |= {"select": rule, "deadband": 0, "max_positive": 2 ** int(rng.integers(4))}
        return IF(**common, **settings)
