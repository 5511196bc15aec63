"""Small networks as training leaves them: real weights, neurons with leak, a readout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from snnc.backends.nir_file import NirBackend
from snnc.backends.nir_file.trained_program import TrainedNirProgram
from snnc.ir import (
    LIF,
    Array,
    Conv,
    CubaLIF,
    Encoder,
    Feedback,
    Graph,
    Input,
    Linear,
    Node,
    Reshape,
    Signal,
    TensorType,
)

DT = 1e-4
STEPS = 24
SAMPLES = 3
HIDDEN, CLASSES = 8, 4
DECAY = 0.8


@dataclass(frozen=True)
class Trained:
    """Two populations in a row.

    Attributes:
        kind: ``IF``, ``LIF`` or ``CubaLIF``.
        reset: What a spike does.
        gain: Of the membranes, and of the currents of a ``CubaLIF``; 0.2 is one minus the decay.
        loop: Whether something goes back to the first population.
        to_itself: Whether that is what it sent itself, and not what the second sent.
        image: Whether the first population is an image behind a convolution.
        each: Whether each neuron has its own decay.
        delayed: Whether resets come a step later.
    """

    kind: str = "LIF"
    reset: Any = "value"
    gain: float = 1.0
    loop: bool = False
    to_itself: bool = True
    image: bool = False
    each: bool = False
    delayed: bool = False

    def __str__(self) -> str:
        said = (
            f"{name}={value}"
            for name, value in vars(self).items()
            if value != vars(Trained())[name]
        )
        return " ".join((self.kind, self.reset, *said))

    @property
    def graph(self) -> Graph:
        """The network; weights are large enough that all populations fire."""
        rng = np.random.default_rng(3)
        grow = 1 / self.gain if self.kind != "CubaLIF" else 0.6 / self.gain**2
        shape = (2, 4, 4) if self.image else (5,)
        nodes: list[Node] = [
            Input(name="x", type=TensorType(shape), stepwise=True),
            Encoder(name="e", inputs=("x",)),
        ]
        if self.image:
            kernels = grow * rng.normal(0.1, 0.6, (2, 2, 3, 3))
            nodes.append(Conv(name="a", inputs=("e",), weight=kernels, padding=(1, 1, 1, 1)))
            hidden: tuple[int, ...] = (2, 4, 4)
        else:
            nodes.append(Linear(name="a", inputs=("e",), weight=grow * rng.normal(0.2, 1, (8, 5))))
            hidden = (HIDDEN,)
        drive: tuple[str, ...] = ("a",)
        if self.loop:
            source, size = ("n", HIDDEN) if self.to_itself else ("m", CLASSES)
            sent = TensorType((size,), Signal.SPIKES, (0, 1))
            weight = grow * rng.normal(0, 0.6, (HIDDEN, size))
            nodes.append(Feedback(name="back", source=source, type=sent))
            nodes.append(Linear(name="r", inputs=("back",), weight=weight))
            drive = ("a", "r")
        nodes.append(self.neuron("n", drive, hidden))
        flat = "n"
        if self.image:
            nodes.append(Reshape(name="f", inputs=("n",), shape=(32,)))
            flat = "f"
        weight = grow * rng.normal(0.2, 0.7, (CLASSES, int(np.prod(hidden))))
        nodes.append(Linear(name="b", inputs=(flat,), weight=weight))
        nodes.append(self.neuron("m", ("b",), (CLASSES,)))
        return Graph(nodes, {"y": "m"})

    def neuron(self, name: str, drive: tuple[str, ...], shape: tuple[int, ...]) -> Node:
        """Return a population."""
        decay = np.full(shape, 1.0 if self.kind == "IF" else DECAY)
        if self.each:
            decay = np.linspace(0.5, 0.9, decay.size).reshape(shape)
        common: dict[str, Any] = {
            "name": name,
            "inputs": drive,
            "decay": decay,
            "gain": np.full(shape, self.gain),
            "threshold": np.full(shape, 0.7),
            "strict": True,
            "reset": self.reset,
            "reset_delayed": self.delayed,
        }
        if self.kind != "CubaLIF":
            return LIF(**common)
        kept = np.full(shape, 0.6)
        return CubaLIF(**common, current_decay=kept, current_gain=np.full(shape, self.gain))

    def program(self, **settings: Any) -> TrainedNirProgram:
        """Return it as a file."""
        program = NirBackend(dt=DT, **settings).lower(self.graph, STEPS)
        assert isinstance(program, TrainedNirProgram)
        return program


def spikes_in(graph: Graph) -> Array:
    """Return random spikes, ``(samples, timesteps, *shape)``."""
    shape = graph.of_type(Input)[0].type.shape
    rng = np.random.default_rng(1)
    return (rng.random((SAMPLES, STEPS, *shape)) < 0.4).astype(np.float64)
