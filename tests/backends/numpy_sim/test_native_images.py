"""Populations of images on the compiled kernels: every shape, rule and alphabet they tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.library import CHANNELWISE, DENSE, EVENTS
from snnc.backends.numpy_sim.native.synapses import NativeSynapse
from snnc.ir import IF, Array, Conv, Encoder, Graph, Input, Integrator, Linear, Reshape, TensorType
from snnc.ir.reference import run

pytestmark = pytest.mark.skipif(library.library() is None, reason="no compiled kernels here")

STEPS, SAMPLES = 5, 2

RULES: dict[str, dict[str, Any]] = {
    "binary": {},
    "binary, clamped": {"clamp": 900},
    "binary, bounded": {"acc_max": 2},
    "binary, to zero": {"reset": "zero"},
    "ternary": {"max_negative": 1, "acc_min": 0},
    "ternary towards zero": {"max_negative": 1, "deadband": 1, "acc_min": -2, "acc_max": 3},
    "ternary, clamped": {"max_negative": 1, "clamp": 700},
    "one up, three down": {"max_negative": 3, "acc_min": -4},
    "graded": {"max_positive": 4, "max_negative": 4, "acc_min": 0},
    "graded towards zero": {"max_positive": 3, "max_negative": 5, "deadband": 1, "acc_min": -9},
    "graded, clamped": {"max_positive": 9, "max_negative": 2, "clamp": 2500, "acc_max": 12},
    "widest": {"max_positive": 127, "max_negative": 127},
    "widest towards zero": {"max_positive": 127, "max_negative": 127, "deadband": 1},
}

SHAPES: dict[str, tuple[tuple[int, int, int], int, dict[str, Any]]] = {
    # what is read, channels of the population, window
    "16 channels, wide": ((16, 5, 35), 16, {"kernel": (3, 3), "padding": (1, 1, 1, 1)}),
    "16 of few, narrow": ((3, 9, 7), 11, {"kernel": (3, 3), "padding": (0, 2, 1, 1)}),
    "16, every other": ((16, 7, 33), 16, {"kernel": (3, 3), "stride": (2, 2)}),
    "16, spread": ((16, 7, 24), 13, {"kernel": (3, 3), "dilation": (2, 2)}),
    "32": ((20, 6, 17), 32, {"kernel": (3, 3), "padding": (1, 1, 1, 1)}),
    "48, of any window": ((17, 8, 9), 40, {"kernel": (2, 5), "padding": (1, 4, 0, 2)}),
    "48, every other": ((33, 9, 8), 45, {"kernel": (3, 3), "stride": (2, 1)}),
    "80, one tap": ((5, 3, 3), 70, {"kernel": (1, 1)}),
    "64, small": ((64, 4, 4), 64, {"kernel": (3, 3), "padding": (1, 1, 1, 1)}),
}


def dense(synapse: NativeSynapse, density: float) -> int:
    if synapse.is_channelwise:
        return CHANNELWISE
    return DENSE if synapse.can_be_dense else EVENTS


def by_events(synapse: NativeSynapse, density: float) -> int:
    return EVENTS


class Images:
    """Graphs of an encoder, populations of images, and a readout that needs their last one."""

    def __init__(self, seed: int, shape: tuple[int, int, int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = [
            Input(name="x", type=TensorType(shape)),
            Encoder(name="code", inputs=("x",), scale=1 / 64),
        ]
        self.scaled("first", "code", shape[0])

    def scaled(self, name: str, source: str, channels: int) -> None:
        """Add a population that sends about every other step, both signs."""
        gain = self.rng.integers(1, 9, (channels, 1, 1, 1)).astype(np.int8)
        synapse = Conv(name=f"{name}.gain", inputs=(source,), weight=gain, groups=channels)
        self.neurons(name, (synapse,), threshold=200, max_negative=1)

    def conv(
        self, name: str, source: str, out: int, inputs: int, kernel: tuple[int, int], **window: Any
    ) -> Conv:
        weight = self.rng.integers(-127, 128, (out, inputs, *kernel)).astype(np.int8)
        return Conv(name=name, inputs=(source,), weight=weight, **window)

    def neurons(
        self, name: str, synapses: tuple[Conv, ...], threshold: int | Array, **rule: Any
    ) -> None:
        self.nodes += synapses
        names = tuple(synapse.name for synapse in synapses)
        shape = Graph(self.nodes, {"": names[0]}).types[names[0]].shape
        drawn = self.rng.integers(1, 2 * np.asarray(threshold) + 1, shape)
        node = IF(
            name=name,
            inputs=names,
            threshold=drawn,
            bias=self.rng.integers(-50, 51, (shape[0], 1, 1)),
            initial=drawn // 2,
            **rule,
        )
        self.nodes.append(node)

    def graph(self) -> Graph:
        last = self.nodes[-1].name
        size = Graph(self.nodes, {"": last}).types[last].size
        weight = self.rng.integers(-3, 4, (2, size)).astype(np.int8)
        bias, scale = np.zeros(2, np.int64), np.ones(2)
        self.nodes += (
            Reshape(name="flat", inputs=(last,), shape=(size,)),
            Linear(name="sum", inputs=("flat",), weight=weight),
            Integrator(name="out", inputs=("sum",), bias=bias, scale=scale),
        )
        return Graph(self.nodes, {"y": "out"})


def assert_equal_at_every_level(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare all payloads with the reference, at each level and with both kinds of kernels."""
    (entry,) = graph.of_type(Input)
    rng = np.random.default_rng(7)
    inputs = {"x": rng.uniform(-2, 2, (SAMPLES, *entry.type.shape)).astype(np.float32)}
    expected = run(graph, inputs, STEPS)
    for level in range(library.level() + 1):
        for method in (dense, by_events):
            monkeypatch.setattr(library, "level", lambda level=level: level)
            monkeypatch.setattr(NativeSynapse, "method", method)
            program = NumpyBackend().lower(graph, STEPS)
            native = program._prepared.native.populations
            assert {node.name for node in graph.of_type(IF)} == set(native)
            got = program.run(inputs, record=True)
            for name, trains in expected.spikes.items():
                told = f"{name}, level {level}, {method.__name__}"
                np.testing.assert_array_equal(got.spikes[name], trains.swapaxes(0, 1), told)
        monkeypatch.undo()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("signed", [False, True])
def test_every_shape(shape: str, signed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out, window = SHAPES[shape]
    images = Images(3, source)
    if not signed:
        images.nodes[-1] = IF(**{**vars(images.nodes[-1]), "max_negative": 0})
    conv = images.conv("conv", "first", out, source[0], **window)
    images.neurons("last", (conv,), threshold=600)
    assert_equal_at_every_level(images.graph(), monkeypatch)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = Images(5, (12, 6, 9))
    conv = images.conv("conv", "first", 12, 12, (3, 3), padding=(1, 1, 1, 1))
    largest = RULES[rule].get("max_positive", 1)
    images.neurons("last", (conv,), threshold=-(-600 // largest), **RULES[rule])
    assert_equal_at_every_level(images.graph(), monkeypatch)


@pytest.mark.parametrize("channels", [7, 16, 36, 64])
def test_several_synapses(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = Images(11, (channels, 8, 10))
    images.scaled("second", "first", channels)
    gain = images.rng.integers(-127, 128, (channels, 1, 1, 1)).astype(np.int8)
    pool = images.rng.integers(-9, 10, (channels, 1, 3, 3)).astype(np.int8)
    synapses = (
        images.conv("deep", "second", channels, channels, (3, 3), padding=(1, 1, 1, 1)),
        images.conv("wide", "first", channels, channels, (1, 1), copies=2),
        Conv(name="shortcut", inputs=("first",), weight=gain, groups=channels, copies=4),
        Conv(name="pool", inputs=("second",), weight=pool, groups=channels, padding=(1, 1, 1, 1)),
    )
    images.neurons("last", synapses, threshold=900, max_positive=2, max_negative=2, acc_min=0)
    assert_equal_at_every_level(images.graph(), monkeypatch)


@pytest.mark.parametrize("deadband", [0, 1])
@pytest.mark.parametrize("largest", [1, 3, 127])
def test_membranes_at_the_ends_of_32_bits(
    deadband: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Images(13, (3, 5, 5))
    weight = np.array([64, -64, 0], np.int8).reshape(3, 1, 1, 1)
    synapse = Conv(name="gain", inputs=("first",), weight=weight, groups=3, copies=1 << 21)
    current = bias = 1 << 27
    highest = (1 << 30) // largest
    threshold = images.rng.integers(1, highest // 2, (3, 5, 5)) | 1
    threshold[0, 0] = [1, 2, 3, highest - 1, highest]
    images.neurons("last", (synapse,), 1, max_positive=largest, max_negative=largest)
    initial, drift = threshold // 2, images.rng.integers(-bias, bias + 1, (3, 5, 5))
    units = images.rng.integers(-largest, largest + 1, (5, 5))  # all but held, or just not
    initial[2] = units * threshold[2] + images.rng.integers(-1, 1, (5, 5)) - drift[2]
    extremes = {
        "threshold": threshold,
        "initial": initial,
        "deadband": deadband,
        "bias": drift,
        "clamp": (1 << 31) - 1 - highest * largest - current - bias,
    }
    images.nodes[-1] = IF(**{**vars(images.nodes[-1]), **extremes})
    assert_equal_at_every_level(images.graph(), monkeypatch)
