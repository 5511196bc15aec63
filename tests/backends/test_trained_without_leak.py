"""Trained spiking networks of plain ``IF`` neurons: told from converted ones, and run like them."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from snnc.backends import get_backend
from snnc.backends.lava_process import LavaBackend
from snnc.ir import IF, Encoder, Graph, Input, Integrator, Linear, TensorType
from snnc.ir.trained import looks_trained

STEPS = 7

TARGETS = [
    "onnx",
    pytest.param("nir", marks=pytest.mark.skipif(not find_spec("h5py"), reason="needs h5py")),
    pytest.param(
        "lava",
        marks=[
            pytest.mark.lava,
            pytest.mark.skipif(not LavaBackend().availability(), reason="needs lava-nc"),
        ],
    ),
]


def summing_graph(*, integer: bool) -> Graph:
    """Return a network that reads a value each step and sums its output.

    Its weights in integers go beyond 8 bits with sign; the real ones are dyadic, so that sums are
    exact.
    """
    rng = np.random.default_rng(0)
    kind = np.int64 if integer else np.float64
    unit = np.ones(1, kind)
    first, second = rng.integers(-200, 201, (5, 4)), rng.integers(-100, 101, (3, 5))
    return Graph(
        [
            Input(name="x", type=TensorType((4,)), stepwise=True),
            Encoder(name="e", inputs=("x",), scale=1.0 if integer else None),
            Linear(name="c", inputs=("e",), weight=first if integer else first / 128),
            IF(
                name="n",
                inputs=("c",),
                threshold=unit * (100 if integer else 1),
                bias=0 * unit,
                initial=0 * unit,
            ),
            Linear(name="l", inputs=("n",), weight=second if integer else second / 128),
            Integrator(name="y", inputs=("l",), bias=0 * unit, scale=np.ones(1), decoding="sum"),
        ],
        {"y": "y"},
    )


@pytest.mark.parametrize("integer", [True, False])
@pytest.mark.parametrize("target", TARGETS)
def test_a_sum_of_events_given_at_each_step(target: str, integer: bool) -> None:
    graph = summing_graph(integer=integer)
    inputs = {"x": np.random.default_rng(1).integers(0, 2, (3, STEPS, 4)).astype(np.float32)}
    expected = get_backend("numpy").lower(graph, STEPS).run(inputs, record=True)
    found = get_backend(target).lower(graph, STEPS).run(inputs, record=True)
    assert expected.spikes["n"].any()
    np.testing.assert_array_equal(found.spikes["n"], expected.spikes["n"])
    np.testing.assert_array_equal(found.decoded["y"], expected.decoded["y"])


def test_what_tells_a_trained_graph() -> None:
    graph = summing_graph(integer=True)
    given, *others = graph
    assert isinstance(given, Input)
    constant = [replace(given, stepwise=False), *others]
    assert looks_trained(graph)
    assert not looks_trained(Graph(constant, graph.outputs))
    assert looks_trained(Graph(constant, {"spikes": "n"} | dict(graph.outputs)))
