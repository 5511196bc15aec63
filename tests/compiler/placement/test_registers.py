"""Thresholds, biases and membranes against the registers of Loihi 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnc.backends.chips import LOIHI1, LOIHI2
from snnc.compiler.placement.layers import layers
from snnc.compiler.placement.registers import registers
from snnc.ir import IF, Encoder, Graph, Input, Integrator, Linear, TensorType
from snnc.ir.errors import Problem


def network(bits: int = 8, **parameters: Any) -> Graph:
    """Return three neurons with some parameters."""
    most = 2 ** (bits - 1) - 1
    settings = {"threshold": 100, "bias": 0, "initial": 50, **parameters}
    return Graph(
        [
            Input(name="x", type=TensorType((2,))),
            Encoder(name="e", inputs=("x",), scale=1.0),
            Linear(name="l", inputs=("e",), weight=np.full((3, 2), most)),
            IF(name="n", inputs=("l",), **{k: np.atleast_1d(v) for k, v in settings.items()}),
            Linear(name="k", inputs=("n",), weight=np.ones((2, 3), int)),
            Integrator(name="y", inputs=("k",), bias=np.array([-4095, 0]), scale=np.ones(2)),
        ],
        {"y": "y"},
    )


def found(graph: Graph) -> list[Problem]:
    return [p for layer in layers(graph, LOIHI1) for p in registers(layer, LOIHI1)]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"threshold": 2**17 - 1},  # 64 of the membrane's units each
        {"threshold": 2**17 * 32},  # weights shifted less
        {"bias": [4095, -4095, 1]},
        {"bias": 8190, "threshold": 101},  # exponent 7
        {"bias": 4095 * 64, "threshold": 64},  # weights shifted less, bias too
        {"initial": [-(2**17) + 1, 0, 9]},
    ],
    ids=str,
)
def test_what_fits(parameters: dict[str, Any]) -> None:
    assert found(network(**parameters)) == []


@pytest.mark.parametrize(
    ("parameters", "misfits"),
    [
        ({"threshold": 2**17 + 1}, "1 threshold"),
        ({"threshold": [2**17 + 1, 2**17 + 3, 2**17 + 5]}, "3 thresholds"),
        ({"bias": [4097, 4099, -4097]}, "2 biases"),  # magnitudes, different ones
        ({"bias": 4095 * 4, "threshold": [101, 103, 105]}, "1 bias"),
        ({"initial": [2**17, 0, 0], "threshold": [101, 103, 105]}, "1 initial membrane"),
        ({"bias": 5001, "threshold": 2**17 + 1}, "1 threshold and 1 bias"),
    ],
    ids=str,
)
def test_what_does_not(parameters: dict[str, Any], misfits: str) -> None:
    (problem,) = found(network(**parameters))
    assert problem.message.startswith(f"n: {misfits} cannot be held")
    assert "vendor software" in problem.message


def test_the_cure_is_narrower_weights_as_long_as_there_are_any() -> None:
    (problem,) = found(network(bias=4095 * 7))
    assert problem.hint.startswith("compile with --weight-bits 5")
    (problem,) = found(network(bits=3, bias=4095 * 7))
    assert "smaller biases" in problem.hint


def test_readouts_have_biases_and_no_threshold() -> None:
    graph = network()
    readout = graph["y"]
    assert isinstance(readout, Integrator)
    large = Integrator(name="y", inputs=("k",), bias=np.array([2**21 + 1, 0]), scale=readout.scale)
    (problem,) = found(graph.replace("y", large))
    assert problem.message.startswith("y: 1 bias cannot be held")


def test_a_chip_whose_registers_are_not_public_is_not_judged() -> None:
    graph = network(threshold=2**17 + 1)
    assert not [p for layer in layers(graph, LOIHI2) for p in registers(layer, LOIHI2)]
    assert any("thresholds and biases" in text for text in LOIHI2.unchecked)
