"""Events of images, spread by compiled kernels: every shape of a window they tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.library import CHANNELWISE, DENSE, EVENTS
from snnc.backends.numpy_sim.native.synapses import NativeSynapse
from snnc.ir import IF, Array, Conv, Encoder, Graph, Input, Integrator, Linear, Reshape, TensorType
from snnc.ir.reference import run, step

pytestmark = pytest.mark.skipif(library.library() is None, reason="no compiled kernels here")

STEPS, SAMPLES = 5, 2

SPREAD: dict[str, tuple[tuple[int, int, int], int, dict[str, Any]]] = {
    # what is read, channels of the population, window
    "stacked": ((16, 6, 9), 16, {"kernel": (3, 3), "padding": (1, 1, 1, 1)}),
    "stacked, every other": ((13, 9, 10), 70, {"kernel": (3, 3), "stride": (2, 2)}),
    "stacked, other strides": ((5, 9, 10), 20, {"kernel": (4, 3), "stride": (3, 2)}),
    "stacked, large": ((6, 9, 11), 64, {"kernel": (5, 5), "padding": (0, 4, 1, 2)}),
    "stacked, pairs": ((9, 8, 7), 33, {"kernel": (2, 2), "stride": (2, 2)}),
    "one by one": ((70, 4, 5), 64, {"kernel": (1, 1)}),
    "one by one, every other": ((130, 5, 6), 17, {"kernel": (1, 1), "stride": (2, 2)}),
    "three by three": ((24, 5, 6), 40, {"kernel": (3, 3), "padding": (1, 1, 1, 1)}),
    "in two words": ((90, 5, 4), 64, {"kernel": (3, 3), "padding": (2, 0, 1, 2)}),
    "wide": ((32, 3, 5), 256, {"kernel": (3, 3), "padding": (1, 1, 1, 1)}),
    "every other": ((40, 7, 8), 36, {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 0, 1, 0)}),
    "two by two": ((36, 5, 5), 20, {"kernel": (2, 2), "padding": (0, 1, 1, 1)}),
    "two by two, every other": ((36, 6, 5), 20, {"kernel": (2, 2), "stride": (2, 2)}),
    "five by five": ((20, 6, 7), 24, {"kernel": (5, 5), "padding": (2, 2, 2, 2)}),
}
ROW_BY_ROW: dict[str, tuple[tuple[int, int, int], int, dict[str, Any]]] = {
    "dilated": ((16, 7, 8), 16, {"kernel": (3, 3), "dilation": (2, 2)}),
    "grouped": ((16, 5, 6), 24, {"kernel": (3, 3), "groups": 4}),
    "seven wide": ((8, 4, 9), 16, {"kernel": (3, 7), "padding": (1, 3, 1, 3)}),
}
PAYLOADS: dict[str, dict[str, Any]] = {
    "unary": {},
    "signed": {"max_negative": 1},
    "graded": {"max_positive": 5},
    "graded and signed": {"max_positive": 9, "max_negative": 3},
}


def by_events(synapse: NativeSynapse, density: float) -> int:
    return EVENTS


def dense(synapse: NativeSynapse, density: float) -> int:
    return DENSE if synapse.can_be_dense else CHANNELWISE


def dense_where_wide(synapse: NativeSynapse, density: float) -> int:
    some = synapse.is_channelwise or synapse.node.name == "wide"
    return dense(synapse, density) if some else EVENTS


class Images:
    """Graphs of populations of images whose real parameters are dyadic, so that sums are exact."""

    def __init__(self, shape: tuple[int, int, int], payload: dict[str, Any], *, real: bool) -> None:
        self.rng, self.real = np.random.default_rng(len(payload) + sum(shape)), real
        self.nodes: list[Any] = [
            Input(name="x", type=TensorType(shape)),
            Encoder(name="code", inputs=("x",), scale=None if real else 1 / 64),
        ]
        gain = self.weight((shape[0], 1, 1, 1), 1)
        synapse = Conv(name="gain", inputs=("code",), weight=gain, groups=shape[0])
        self.population("first", (synapse,), 40 if real else 2500, payload)

    def weight(self, shape: tuple[int, ...], least: int = -127) -> Array:
        drawn = self.rng.integers(least, 128, shape)
        return drawn / 16 if self.real else drawn.astype(np.int8)

    def conv(self, name: str, out: int, *, kernel: tuple[int, int], **window: Any) -> Conv:
        channels = self.nodes[0].type.shape[0] // window.get("groups", 1)
        weight = self.weight((out, channels, *kernel))
        return Conv(name=name, inputs=("first",), weight=weight, **window)

    def population(
        self, name: str, synapses: tuple[Conv, ...], threshold: int, payload: dict[str, Any]
    ) -> None:
        self.nodes += synapses
        names = tuple(synapse.name for synapse in synapses)
        shape = Graph(self.nodes, {"": names[0]}).types[names[0]].shape
        thresholds = self.rng.integers(threshold // 2, threshold, shape)
        numbers = thresholds, self.rng.integers(-20, 21, (shape[0], 1, 1)), thresholds // 2
        kept: Any = (number.astype(np.float64) if self.real else number for number in numbers)
        settings: dict[str, Any] = dict(zip(("threshold", "bias", "initial"), kept, strict=True))
        self.nodes.append(IF(name=name, inputs=names, **settings, **payload))

    def graph(self) -> Graph:
        size = Graph(self.nodes, {"": "last"}).types["last"].size
        bias, scale = np.zeros(2, np.float64 if self.real else np.int64), np.ones(2)
        read = Linear(name="sum", inputs=("flat",), weight=self.weight((2, size)))
        self.nodes += (
            Reshape(name="flat", inputs=("last",), shape=(size,)),
            read,
            Integrator(name="out", inputs=("sum",), bias=bias, scale=scale),
        )
        return Graph(self.nodes, {"y": "out"})


def inputs_of(graph: Graph) -> dict[str, Array]:
    (entry,) = graph.of_type(Input)
    drawn = np.random.default_rng(7).integers(-128, 129, (SAMPLES, *entry.type.shape))
    return {"x": (drawn / 64).astype(np.float32)}


def assert_equal_at_every_level(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run(graph, inputs_of(graph), STEPS).spikes
    assert any(trains.any() for trains in expected.values())
    monkeypatch.setattr(NativeSynapse, "method", by_events)
    for level in range(library.level() + 1):
        with monkeypatch.context() as patch:
            patch.setattr(library, "level", lambda level=level: level)
            program = NumpyBackend().lower(graph, STEPS)
            assert expected.keys() == program._prepared.native.populations.keys()
            got = program.run(inputs_of(graph), record=True).spikes
        for name, trains in expected.items():
            np.testing.assert_array_equal(got[name], trains.swapaxes(0, 1), f"{name} at {level}")


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("payload", ["unary", "graded and signed"])
@pytest.mark.parametrize("shape", [*SPREAD, *ROW_BY_ROW])
def test_every_shape(shape: str, payload: str, real: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out, window = {**SPREAD, **ROW_BY_ROW}[shape]
    images = Images(source, PAYLOADS[payload], real=real)
    conv = images.conv("conv", out, **window)
    assert (NativeSynapse(conv, source, real).spreading is not None) == (shape in SPREAD)
    images.population("last", (conv,), 50 if real else 600, {})
    assert_equal_at_every_level(images.graph(), monkeypatch)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("channels", [7, 130])
def test_several_synapses(
    channels: int, payload: str, real: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Images((channels, 6, 7), PAYLOADS[payload], real=real)
    same: dict[str, Any] = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}
    synapses = (
        images.conv("deep", channels, **same),
        images.conv("wide", channels, kernel=(1, 1), copies=1 if real else 3),
        images.conv("apart", channels, kernel=(3, 3), dilation=(2, 2), padding=(2, 2, 2, 2)),
        images.conv("shortcut", channels, kernel=(1, 1), groups=channels),
    )
    payloads: dict[str, Any] = {"max_positive": 2, "max_negative": 2, "acc_min": 0}
    images.population("last", synapses, 90 if real else 900, payloads)
    graph = images.graph()
    assert_equal_at_every_level(graph, monkeypatch)
    if library.level() == 2:  # some of them by events, some dense
        monkeypatch.setattr(NativeSynapse, "method", dense_where_wide)
        expected = run(graph, inputs_of(graph), STEPS).spikes["last"]
        got = NumpyBackend().lower(graph, STEPS).run(inputs_of(graph), record=True).spikes["last"]
        np.testing.assert_array_equal(got, expected.swapaxes(0, 1))


@pytest.mark.skipif(library.library() is None or library.level() < 2, reason="needs AVX-512")
@pytest.mark.parametrize("shape", SPREAD)
def test_real_sums_do_not_depend_on_the_kernel(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out, window = SPREAD[shape]
    images = Images(source, {"max_positive": 3, "max_negative": 2}, real=True)
    conv = images.conv("conv", out, **window)
    rounded = Conv(**{**vars(conv), "weight": images.rng.normal(size=conv.weight.shape)})
    images.population("last", (rounded,), 8, {"max_positive": 127, "max_negative": 127})
    monkeypatch.setattr(NativeSynapse, "method", dense)
    graph = images.graph()
    inputs = {"x": inputs_of(graph)["x"][:1]}
    sent = NumpyBackend().lower(graph, 1).run(inputs, record=True).spikes["first"]
    (sums,) = step(rounded, [sent[0].astype(np.float64)], {}, 1)
    last = images.nodes[images.nodes.index(graph["last"])]
    only_rounding = {"initial": -sums, "bias": 0 * last.bias, "threshold": 0 * sums + 2.0**-56}
    images.nodes[images.nodes.index(last)] = IF(**{**vars(last), **only_rounding})
    graph, found = Graph(images.nodes, {"y": "out"}), []
    for method in (by_events, dense):
        monkeypatch.setattr(NativeSynapse, "method", method)
        result = NumpyBackend().lower(graph, 1).run(inputs, record=True)
        found.append(result.spikes["last"])
    assert window["kernel"] == (1, 1) or found[0].any()  # the reference has another order
    np.testing.assert_array_equal(found[0], found[1])
