"""Random small networks of leaky neurons, delays and loops, and inputs for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snnc.ir import (
    IF,
    LI,
    LIF,
    Array,
    Conv,
    CubaLI,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    Node,
    Reshape,
    Signal,
    TensorType,
)

STEPS = 7


def leaky_graph(seed: int, *, decoded: bool = False) -> Graph:
    """Return a network of real leaky neurons, some of them in loops.

    All parameters are dyadic and few steps are taken: float64 sums are then exact in any order,
    and a comparison spike for spike is fair.

    Args:
        seed: Of everything random.
        decoded: Whether the only output is that of an integrator.
    """
    return _Maker(np.random.default_rng(seed), decoded=decoded).leaky()


def loihi_graph(seed: int, *, decoded: bool = False) -> Graph:
    """Return an integer network of neurons in Loihi's fixed point, some of them in loops."""
    return _Maker(np.random.default_rng(seed), integer=True, decoded=decoded).loihi()


def leaky_inputs(graph: Graph, seed: int, samples: int = 3, steps: int = STEPS) -> dict[str, Array]:
    """Return inputs on a dyadic grid, with values for every step where the graph asks for them."""
    rng = np.random.default_rng(seed)
    return {
        node.name: rng.integers(
            -8, 9, (samples, *((steps,) if node.stepwise else ()), *node.type.shape)
        )
        / 8
        for node in graph.of_type(Input)
    }


def loops_of_currents() -> Graph:
    """Return a current that comes late twice, and an edge back that closes no loop."""
    nodes = [
        Input(name="x", type=TensorType((2,)), stepwise=True),
        Feedback(name="before", source="w", type=TensorType((2,), Signal.CURRENT)),
        Encoder(name="e", inputs=("x",)),
        Linear(name="w", inputs=("e",), weight=np.eye(2)),
        LIF(name="n", inputs=("before",), decay=np.ones(1), threshold=np.full(1, 2.0)),
        Feedback(name="self", source="m", type=TensorType((2,), Signal.SPIKES, (0, 1))),
        Linear(name="u", inputs=("self",), weight=-np.eye(2)),
        Delay(name="late", inputs=("u",), steps=np.array([0, 2])),
        Feedback(name="again", source="late", type=TensorType((2,), Signal.CURRENT)),
        LIF(name="m", inputs=("w", "again"), decay=np.ones(1), threshold=np.ones(1)),
        LI(name="v", inputs=("again",), decay=np.full(1, 0.5)),
        Feedback(name="v.back", source="v", type=TensorType((2,), Signal.SPIKES)),
        Linear(name="read", inputs=("v.back",), weight=np.ones((3, 2))),
        LI(name="y", inputs=("read",), decay=np.zeros(1)),
    ]
    return Graph(nodes, {"n": "n", "m": "m", "w": "w", "y": "y", "late": "late"})


@dataclass
class _Maker:
    rng: np.random.Generator
    integer: bool = False
    decoded: bool = False
    nodes: list[Node] = field(default_factory=list)

    def leaky(self) -> Graph:
        rng = self.rng
        source = self.entry((2, 5, 5))
        image = self.conv("c", source, 3)
        first = self.neurons("n1", self.loop("r1", image))
        late = self.delayed("d1", first)
        flat = self.add(Reshape(name="flat", inputs=(late,), shape=(self.type(late).size,)))
        drive = [self.linear("f2", flat, 6)]
        if rng.random() < 0.7:
            drive.append(self.recurrent("n2", 6))
        second = self.neurons("n2", tuple(drive))
        membrane = self.membrane("m", (self.linear("f3", second, 4),))
        outputs = {"membrane": membrane, "spikes": second}
        if self.decoded or rng.random() < 0.5:  # a membrane that is read
            read = self.linear("f4", membrane, 3)
            outputs["y"] = self.readout((read,))
        return Graph(self.nodes, {"y": "y"} if self.decoded else outputs)

    def loihi(self) -> Graph:
        source = self.entry((2, 4, 4), scale=1 / 8, bounds=(-8, 8))
        first = self.loihi_neurons("n1", (self.conv("c", source, 3),))
        late = self.delayed("d1", first)
        flat = self.add(Reshape(name="flat", inputs=(late,), shape=(self.type(late).size,)))
        drive = (self.linear("f2", flat, 6), self.recurrent("n2", 6))
        second = self.loihi_neurons("n2", drive)
        readout = self.readout((self.linear("f3", second, 4),))
        outputs = {"y": readout, "spikes": second}
        return Graph(self.nodes, {"y": readout} if self.decoded else outputs)

    def entry(self, shape: tuple[int, ...], **settings: Any) -> str:
        stepwise = bool(self.rng.integers(2))
        self.add(Input(name="x", type=TensorType(shape), stepwise=stepwise))
        return self.add(Encoder(name="e", inputs=("x",), **settings))

    def loop(self, name: str, image: str) -> tuple[str, ...]:
        """Return the currents of a population: of an image, perhaps with a loop of its own."""
        if self.rng.random() < 0.5:
            return (image,)
        back = Feedback(name=name, source="n1", type=replaced(self.type(image)))
        weight = self.numbers(-4, 5, (self.type(image).shape[0], 1, 1, 1))
        groups = len(weight)
        gain = Conv(name=f"{name}.w", inputs=(self.add(back),), weight=weight, groups=groups)
        return image, self.add(gain)

    def recurrent(self, source: str, size: int) -> str:
        """Return the current of all neurons of a population on each other, a step later."""
        back = Feedback(
            name=f"{source}.back", source=source, type=TensorType((size,), Signal.SPIKES, (0, 1))
        )
        return self.linear(f"{source}.w", self.add(back), size)

    def delayed(self, name: str, source: str) -> str:
        shape = self.type(source).shape
        steps: int | Array = int(self.rng.integers(0, 4))
        if self.rng.random() < 0.5:
            steps = self.rng.integers(0, 4, (shape[0], *(1,) * (len(shape) - 1)))
        return self.add(Delay(name=name, inputs=(source,), steps=steps))

    def neurons(self, name: str, currents: tuple[str, ...]) -> str:
        rng, shape = self.rng, self.type(currents[0]).shape
        each = shape if rng.random() < 0.3 else (shape[0], *(1,) * (len(shape) - 1))
        threshold = rng.integers(2, 9, each) / 4
        common: dict[str, Any] = {"name": name, "inputs": currents, "threshold": threshold}
        common |= {"bias": self.numbers(-1, 3, each), "initial": self.numbers(-2, 3, each)}
        kind = rng.choice(["lif", "cuba", "cuba", "lif", "if"])
        if kind == "if":
            return self.add(IF(**common | {"threshold": np.full(1, 2.0)}))
        common |= {
            "decay": rng.integers(0, 5, each) / 4,
            "gain": rng.integers(1, 5, each) / 4,
            "strict": bool(rng.integers(2)),
            "reset": str(rng.choice(["subtract", "value", "none"])),
            "reset_to": self.numbers(-1, 2, each),
            "reset_delayed": bool(rng.integers(2)),
            "refractory": int(rng.choice([0, 0, 1, 2])),
        }
        if kind == "lif":
            return self.add(LIF(**common))
        return self.add(
            CubaLIF(
                **common,
                current_decay=rng.integers(0, 4, each) / 4,
                current_gain=rng.integers(1, 3, each) / 2,
            )
        )

    def membrane(self, name: str, currents: tuple[str, ...]) -> str:
        rng, shape = self.rng, self.type(currents[0]).shape
        common: dict[str, Any] = {"name": name, "inputs": currents}
        common |= {"bias": self.numbers(-2, 3, shape), "decay": rng.integers(0, 5, shape) / 4}
        common["initial"] = self.numbers(-2, 3, shape)
        if rng.random() < 0.5:
            return self.add(LI(**common))
        return self.add(CubaLI(**common, current_decay=rng.integers(0, 4, shape) / 4))

    def loihi_neurons(self, name: str, currents: tuple[str, ...]) -> str:
        rng, shape = self.rng, self.type(currents[0]).shape
        each = shape if rng.random() < 0.3 else (shape[0], *(1,) * (len(shape) - 1))
        node = LoihiLIF(
            name=name,
            inputs=currents,
            threshold=rng.integers(1, 60, each),
            bias=rng.integers(-40, 80, each),
            bias_exp=rng.integers(0, 7, each),
            du=rng.integers(0, 4096, each),
            dv=rng.integers(0, 2048, each),
        )
        return self.add(node)

    def readout(self, currents: tuple[str, ...]) -> str:
        shape = self.type(currents[0]).shape
        bias = self.numbers(-2, 3, shape)
        return self.add(
            Integrator(name="y", inputs=currents, bias=bias, scale=np.ones(1), decoding="sum")
        )

    def conv(self, name: str, source: str, out: int) -> str:
        channels = self.type(source).shape[0]
        weight = self.numbers(-8, 9, (out, channels, 3, 3))
        return self.add(Conv(name=name, inputs=(source,), weight=weight, padding=(1, 0, 1, 0)))

    def linear(self, name: str, source: str, out: int) -> str:
        weight = self.numbers(-8, 9, (out, self.type(source).shape[0]))
        return self.add(Linear(name=name, inputs=(source,), weight=weight))

    def numbers(self, low: int, high: int, shape: tuple[int, ...]) -> Array:
        values = self.rng.integers(low, high, shape)
        return values if self.integer else values / 4

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name

    def type(self, name: str) -> TensorType:
        """Return the type of a node so far; what comes back from later ones is not checked."""
        types: dict[str, TensorType] = {}
        for node in self.nodes:
            types[node.name] = node.infer(*(types[source] for source in node.inputs))
        return types[name]


def replaced(current: TensorType) -> TensorType:
    """Return the type of the spikes of a population that a current ends at."""
    return TensorType(current.shape, Signal.SPIKES, (0, 1))
