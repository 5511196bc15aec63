"""Integers in ONNX Runtime: exact wherever a static bound says so, and refused beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from snnc.backends.onnx_network import OnnxBackend
from snnc.backends.onnx_network.neurons import whole
from snnc.backends.onnx_network.number import Number, of_synapse
from snnc.backends.onnx_network.tracking import quantized
from snnc.backends.onnx_network.value import Scope, Value
from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    Reshape,
    TensorType,
    TrackingIF,
)
from snnc.ir import quantized as ir_quantized
from snnc.ir.errors import DesignRuleError
from snnc.ir.reference import run


def computed(x: Array, number: Number, formula: Any) -> Array:
    """Return what a formula makes of values in ONNX Runtime."""
    scope = Scope(taken={"x"})
    result = formula(Value(scope, "x", number))
    infos = [
        helper.make_tensor_value_info(name, kind.value, shape)
        for name, kind, shape in (("x", number, x.shape), (result.name, result.number, None))
    ]
    graph = helper.make_graph(scope.nodes, "g", infos[:1], infos[1:], scope.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return np.asarray(AnnSession(model).run_once({"x": x})[result.name])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([Number.FLOAT, Number.INT32, Number.INT64]),
    st.integers(1, 2**23),
    st.integers(-3, 0),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_quotients_are_rounded_down(
    number: Number, theta: int, low: int, high: int, seed: int
) -> None:
    """Also next to every edge, and as near to 24 bits as a bound may come."""
    most = 2**24 - theta
    edges = theta * np.arange(low - 1, high + 2)
    some = np.random.default_rng(seed).integers(-most, most + 1, 40)
    v = np.clip(np.concatenate([edges - 1, edges, edges + 1, some, [-most, most]]), -most, most)
    found = computed(v.astype(number.dtype), number, lambda x: whole(x, np.array(theta), low, high))
    np.testing.assert_array_equal(found, np.clip(v // theta, low, high))


@pytest.mark.parametrize("rounding", ["half_even", "half_up", "floor"])
@pytest.mark.parametrize("bounds", [(0, 15), (-8, 7), (-3, 12), (0, 4)])
@pytest.mark.parametrize("theta", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("edges", [False, True])
def test_drives_are_quantised(
    theta: int, bounds: tuple[int, int], rounding: Any, edges: bool
) -> None:
    low, high = bounds
    own = np.sort(np.random.default_rng(theta).integers(-9 * theta, 9 * theta + 9, high - low))
    node = TrackingIF(
        name="n",
        inputs=("c",),
        multiplier=np.ones((1, 1), np.int64),
        bias=np.zeros(1, np.int64),
        threshold=np.array([theta]),
        low=low,
        high=high,
        rounding=rounding,
        edges=own if edges else None,
    )
    halves = np.arange(-60, 60) * theta // 2
    drive = np.concatenate([halves + shift for shift in (-1, 0, 1)])[:, None]
    found = computed(drive, Number.INT64, lambda x: quantized(node, x))
    np.testing.assert_array_equal(found, ir_quantized.quantized(node, drive))


def wide(weight: int, *, conv: bool, bits: int = 8) -> Graph:
    """Return a network whose weights are large; one neuron's membrane too."""
    rng, shape = np.random.default_rng(2), (2, 5, 6)
    first = (
        Conv(
            name="c",
            inputs=("e",),
            weight=rng.integers(-weight, weight + 1, (4, 1, 2, 3)),
            groups=2,
            stride=(2, 1),
            padding=(1, 0, 0, 2),
            dilation=(1, 2),
        )
        if conv
        else Linear(name="c", inputs=("f",), weight=rng.integers(-weight, weight + 1, (7, 60)))
    )
    nodes = [
        Input(name="x", type=TensorType(shape)),
        Encoder(name="e", inputs=("x",), scale=2.0 ** (3 - bits), bits=bits),
        Reshape(name="f", inputs=("e",), shape=(60,)),
        first,
        IF(
            name="n",
            inputs=("c",),
            threshold=np.array([weight * 37 + 1]),
            bias=np.array([3]),
            initial=np.array([5]),
            max_positive=3,
            max_negative=2,
        ),
    ]
    size = Graph(nodes, {"y": "n"}).types["n"].size
    nodes += [
        Reshape(name="g", inputs=("n",), shape=(size,)),
        Linear(name="l", inputs=("g",), weight=rng.integers(-weight, weight + 1, (3, size))),
        Integrator(name="y", inputs=("l",), bias=np.array([7]), scale=np.array([0.25])),
    ]
    return Graph(nodes, {"y": "y"})


@pytest.mark.parametrize("conv", [False, True])
@pytest.mark.parametrize(
    ("weight", "number"),
    [(127, Number.FLOAT), (2**18, Number.DOUBLE), (2**30, Number.DOUBLE), (2**36, Number.DOUBLE)],
)
def test_sums_beyond_24_bits_are_exact(weight: int, number: Number, conv: bool) -> None:
    graph = wide(weight, conv=conv)
    synapse = graph["c"]
    assert isinstance(synapse, (Conv, Linear))
    assert of_synapse(graph, synapse) is number
    x = {"x": np.random.default_rng(0).normal(0, 1, (3, 2, 5, 6)).astype(np.float32)}
    expected = run(graph, x, 9)
    found = OnnxBackend().lower(graph, 9).run(x, record=True)
    assert np.unique(expected.spikes["n"]).size > 2
    np.testing.assert_array_equal(found.spikes["n"], expected.spikes["n"].swapaxes(0, 1))
    decoded = expected.outputs["y"].swapaxes(0, 1).astype(np.float32)
    np.testing.assert_array_equal(found.decoded["y"], decoded)


def test_sums_beyond_53_bits_are_refused_by_name() -> None:
    with pytest.raises(DesignRuleError) as caught:
        OnnxBackend().lower(wide(2**42, conv=True, bits=16), 9)
    (problem,) = [each for each in caught.value.problems if each.message.startswith("c: ")]
    assert "53 bits" in problem.message
    assert problem.hint


def test_membranes_beyond_64_bits_are_refused_by_name() -> None:
    with pytest.raises(DesignRuleError) as caught:
        OnnxBackend().lower(wide(2**36, conv=True), 2**20)
    assert {"n", "y"} <= {problem.message.split(":")[0] for problem in caught.value.problems}
