"""Populations whose channels do not mix run piece by piece: constant drives and averages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.synapses import NativeSynapse
from snnc.ir import IF, Array, Conv, Encoder, Graph, Input, Integrator, Linear, Reshape, TensorType
from snnc.ir.reference import run

pytestmark = pytest.mark.skipif(library.library() is None, reason="no compiled kernels here")

BINARY: dict[str, Any] = {"max_positive": 1}
TERNARY: dict[str, Any] = {"max_positive": 1, "max_negative": 1, "deadband": 1, "acc_min": 0}
GRADED: dict[str, Any] = {"max_positive": 4, "max_negative": 4, "acc_min": 0}
WIDE: dict[str, Any] = {"max_positive": 100, "max_negative": 100}


def numbers(values: Array, unit: float) -> Array:
    """Integers, or multiples of a fraction."""
    return values if unit == 1 else np.asarray(values * unit)


def weights(values: Array, unit: float) -> Array:
    """Bytes, or multiples of a fraction."""
    return numbers(values.astype(np.int8) if unit == 1 else values, unit)


@dataclass(frozen=True)
class Pooled:
    """An image whose neurons have constant drives, and averages of what they send."""

    shape: tuple[int, int, int]
    kernel: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    copies: int = 1
    neurons: dict[str, Any] = field(default_factory=lambda: BINARY)

    def graph(self, *, integer: bool) -> Graph:
        """Return the network."""
        rng, (channels, height, width) = np.random.default_rng(3), self.shape
        unit = 1 if integer else 1 / 64
        first = rng.integers(-20, 100, (channels, 1, 1, 1))
        each = rng.integers(1, 60, (channels, 1, 1, 1))
        window = np.broadcast_to(each, (channels, 1, *self.kernel))
        here = Input(name="x", type=TensorType((1, height, width)))
        nodes = [
            here,
            Encoder(name="e", inputs=("x",), scale=1 / 64 if integer else None),
            Conv(name="c", inputs=("e",), weight=weights(first, unit)),
            self.population("n", "c", channels, 900, unit * unit),
            Conv(
                name="p.s",
                inputs=("n",),
                weight=weights(window, unit),
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=channels,
                copies=self.copies if integer else 1,
            ),
            self.population("p", "p.s", channels, 110, unit),
        ]
        size = Graph(nodes, {"": "p"}).types["p"].size
        nodes += [
            Reshape(name="f", inputs=("p",), shape=(size,)),
            Linear(name="l", inputs=("f",), weight=weights(rng.integers(-3, 4, (3, size)), unit)),
            Integrator(name="out", inputs=("l",), bias=np.zeros(3), scale=np.ones(3)),
        ]
        return Graph(nodes, {"y": "out"})

    def population(self, name: str, source: str, channels: int, theta: int, unit: float) -> IF:
        """Return neurons whose thresholds and biases differ from channel to channel."""
        by_channel = np.arange(channels).reshape(-1, 1, 1)
        return IF(
            name=name,
            inputs=(source,),
            threshold=numbers(theta + 7 * by_channel, unit),
            bias=numbers(by_channel % 5, unit),
            initial=numbers(np.array(3), unit),
            **self.neurons,
        )


CASES = {
    "LeNet": Pooled((6, 12, 12)),
    "one channel": Pooled((1, 9, 7), neurons=TERNARY),
    "odd channels": Pooled((5, 8, 9), (3, 3), (2, 1), (1, 1, 1, 1)),
    "sixteen channels, graded": Pooled((16, 6, 6), neurons=GRADED),
    "channels that overlap": Pooled((20, 7, 7), (3, 2), (1, 1), neurons=TERNARY),
    "dilated": Pooled((8, 11, 10), (2, 3), (2, 3), (1, 0, 1, 2), (3, 2), neurons=GRADED),
    "copies": Pooled((4, 8, 8), copies=3),
    "rows longer than a piece": Pooled((3, 4, 530), neurons=TERNARY),
    "channels more than a piece": Pooled((1100, 2, 2)),
    "the whole image": Pooled((12, 7, 7), (7, 7), (1, 1)),
    "sums beyond a byte": Pooled((4, 6, 6), neurons=WIDE),
}


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("integer", [True, False])
@pytest.mark.parametrize("kind", CASES)
def test_rows_equal_the_reference(kind: str, integer: bool) -> None:
    graph = CASES[kind].graph(integer=integer)
    images = np.random.default_rng(1).integers(-60, 128, (2, *graph.types["x"].shape)) / 64
    inputs: dict[str, Array] = {"x": images.astype(np.float32)}
    expected = run(graph, inputs, 7)
    got = NumpyBackend().lower(graph, 7).run(inputs, record=True)
    for name, trains in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], trains.swapaxes(0, 1), name)
    assert expected.spikes["n"].any()
    assert expected.spikes["p"].any()


@pytest.mark.parametrize(
    ("payload", "size", "even"),
    [((0, 1), 15, True), ((0, 1), 16, False), ((-4, 4), 5, True), ((-4, 4), 6, False)],
)
def test_sums_of_windows_stay_in_a_byte(payload: tuple[int, int], size: int, *, even: bool) -> None:
    weight = np.full((2, 1, size, size), 3, np.int8)
    synapse = NativeSynapse(
        Conv(name="c", inputs=("n",), weight=weight, groups=2), (2, 9, 9), False
    )
    assert synapse.is_even(*payload) is even
    weight[1, 0, 0, 0] = 2
    other = NativeSynapse(Conv(name="c", inputs=("n",), weight=weight, groups=2), (2, 9, 9), False)
    assert not other.is_even(*payload)
