"""Joins of channels in every pass and code, and roundings in a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.numpy_sim import NumpyBackend
from snnc.backends.onnx_runtime import to_onnx
from snnc.compiler.explain import explain
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.ir import Concat, Graph, MaxPool, Staircase
from snnc.ir.errors import ConversionError
from snnc.ir.reference import evaluate, run
from tests.ann_graphs import AnnBuilder

SAMPLES = np.random.default_rng(7).normal(size=(24, 2, 8, 8)).astype(np.float32)


def dense_block(*, signed: bool = True) -> Graph:
    """Return branches of different depth and size, joined twice, pooled and flattened."""
    net = AnnBuilder(np.random.default_rng(3))
    pads = (1, 1, 1, 1)
    x = net.relu(net.conv(net.input(2, 8, 8), 3, padding=pads))
    deep = net.relu(net.conv(net.relu(net.conv(x, 4, padding=pads)), 2, padding=pads))
    linear = net.conv(x, 2, padding=pads)  # a join reads it without an activation
    if not signed:
        linear = net.relu(linear)
    joined = net.relu(net.conv(join(net, x, deep, linear), 5, padding=pads))
    again = net.relu(join(net, net.conv(joined, 3, padding=pads), joined))
    flat = net.flat(net.pool(again, MaxPool))
    return net.graph(net.linear(net.relu(join(net, net.linear(flat, 4), net.linear(flat, 3))), 5))


def join(net: AnnBuilder, *sources: str) -> str:
    name = f"concat{len(net.nodes)}"
    net.nodes.append(Concat(name=name, inputs=sources))
    return name


CODES: dict[str, dict[str, Any]] = {
    "augmented": {"code": "augmented", "timesteps": 32},
    "ternary": {"code": "ternary", "timesteps": 64},
    "several thresholds": {"code": "multithreshold", "timesteps": 16},
    "radix": {"code": "radix", "timesteps": 8},
    "rate": {"code": "rate", "timesteps": 64},
    "real weights": {"code": "augmented", "timesteps": 64, "weight_bits": None},
    "caps": {"code": "augmented", "max_payload": "auto", "timesteps": 16},
}


@pytest.mark.parametrize("options", CODES.values(), ids=CODES.keys())
def test_a_join_in_a_spiking_network(tmp_path: Any, options: dict[str, Any]) -> None:
    ann = dense_block(signed=options["code"] not in ("rate", "radix"))
    path = tmp_path / "dense.onnx"
    path.write_bytes(to_onnx(ann).SerializeToString())
    net = snnc.compile(path, calibration=SAMPLES, **options)
    wanted = evaluate(ann, {"x": SAMPLES})[ann.outputs["y"]]
    found = net.run(SAMPLES).outputs
    assert np.abs(found - wanted).mean() < 0.12 * np.abs(wanted).mean()
    assert net.graph.of_type(Concat)


@pytest.mark.parametrize(("bits", "lost"), [(8, 0.2), (None, 0.12)])
def test_an_input_in_a_join(tmp_path: Any, bits: int | None, lost: float) -> None:
    """Events of an encoder and of neurons differ in their bounds and in what a unit is worth.

    Integer weights of an input are small beside those of neurons, and have one step with them.
    """
    net = AnnBuilder(np.random.default_rng(5))
    x = net.input(2, 8, 8)
    joined = join(net, x, net.relu(net.conv(x, 3, padding=(1, 1, 1, 1))))
    ann = net.graph(net.linear(net.flat(net.relu(net.conv(joined, 4))), 3))
    path = tmp_path / "joined.onnx"
    path.write_bytes(to_onnx(ann).SerializeToString())
    network = snnc.compile(path, calibration=SAMPLES, timesteps=32, weight_bits=bits)
    few = SAMPLES[:2]
    wanted = evaluate(ann, {"x": SAMPLES})[ann.outputs["y"]]
    found = network.run(SAMPLES).outputs
    assert isinstance(found, np.ndarray)
    assert np.abs(found - wanted).mean() < lost * np.abs(wanted).mean()
    trace = run(network.graph, {"x": few}, 32)
    assert np.array_equal(trace.outputs["y"][-1].astype(np.float32), found[:2])


def test_the_errors_behind_a_join(tmp_path: Any) -> None:
    path = tmp_path / "dense.onnx"
    path.write_bytes(to_onnx(dense_block()).SerializeToString())
    net = snnc.compile(path, calibration=SAMPLES, timesteps=8)
    found = explain(net, {"x": SAMPLES})
    assert len(found.layers) >= 10


def test_signed_pairs_are_not_joined(tmp_path: Any) -> None:
    path = tmp_path / "dense.onnx"
    path.write_bytes(to_onnx(dense_block()).SerializeToString())
    with pytest.raises(ConversionError, match="concatenates signed values") as error:
        snnc.compile(path, calibration=SAMPLES, code="rate", timesteps=64, require_full=True)
    assert "ternary" in error.value.problems[0].hint


def test_the_simulator_equals_the_reference(tmp_path: Any) -> None:
    path = tmp_path / "dense.onnx"
    path.write_bytes(to_onnx(dense_block()).SerializeToString())
    graph = snnc.compile(path, calibration=SAMPLES, timesteps=6).graph
    x = {"x": SAMPLES[:3]}
    trace = run(graph, x, 6)
    result = NumpyBackend().lower(graph, 6).run(x, record=True)
    for name, payloads in trace.spikes.items():
        assert np.array_equal(result.spikes[name], payloads.swapaxes(0, 1))


def test_clips_go_into_the_branches() -> None:
    ann = dense_block()
    simple = run_passes(ann, SIMPLIFY)
    x = {"x": SAMPLES}
    name = ann.outputs["y"]
    assert np.allclose(evaluate(simple, x)[simple.outputs["y"]], evaluate(ann, x)[name])
    for node in simple.of_type(Concat)[1:]:
        sources = [type(simple[source]).__name__ for source in node.inputs]
        assert set(sources) == {"Clip"}


def levels(net: AnnBuilder, source: str, step: float, low: int, high: int) -> str:
    fields = {"step": np.full(1, step), "low": low, "high": high, "rounding": "half_even"}
    return net.add(Staircase, source, **fields)


def quantised(case: str) -> tuple[Graph, int]:
    """Return a graph with roundings in a row and how many of them are needed."""
    net = AnnBuilder(np.random.default_rng(1))
    x = net.input(2, 8, 8)
    first = levels(net, x, 0.1, -128, 127)
    if case == "twice":
        return net.graph(levels(net, first, 0.1, -128, 127)), 1
    if case == "narrower":
        return net.graph(levels(net, first, 0.1, 0, 7)), 1
    if case == "another step":
        return net.graph(levels(net, first, 0.15, -128, 127)), 2
    if case == "narrower, read elsewhere":
        narrow = levels(net, first, 0.1, 0, 7)
        return net.graph(join(net, first, narrow)), 2
    if case == "relu between":
        return net.graph(levels(net, net.relu(first), 0.1, -128, 127)), 1
    if case == "pool between":
        return net.graph(levels(net, net.pool(first, MaxPool), 0.1, -128, 127)), 1
    other = levels(net, x, 0.1, 0, 255)
    return net.graph(levels(net, join(net, first, other), 0.1, -128, 255)), 2


CASES = (
    *("twice", "narrower", "another step", "narrower, read elsewhere", "relu between"),
    *("pool between", "join between"),
)


@pytest.mark.parametrize("case", CASES)
def test_roundings_in_a_row(case: str) -> None:
    graph, needed = quantised(case)
    simple = run_passes(graph, SIMPLIFY)
    x = {"x": SAMPLES}
    found = evaluate(simple, x)[simple.outputs["y"]]
    assert np.allclose(found, evaluate(graph, x)[graph.outputs["y"]], rtol=0, atol=1e-12)
    assert len(simple.of_type(Staircase)) == needed
