"""An exported graph in ONNX Runtime computes what the reference computes."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.backends.onnx_runtime import AnnSession, to_onnx
from snnc.backends.onnx_runtime.library import NO_TELEMETRY
from snnc.ir import (
    Add,
    Affine,
    Array,
    AveragePool,
    Clip,
    Conv,
    Encoder,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Rearrange,
    Reshape,
    Staircase,
    TensorType,
)
from snnc.ir.errors import ConversionError, DataError, ExecutionError, ModelError
from snnc.ir.reference import evaluate

RNG = np.random.default_rng(0)


def graph_of(*nodes: Node, shape: tuple[int, ...] = (2, 7, 9)) -> Graph:
    return Graph([Input(name="x", type=TensorType(shape)), *nodes], {"out": nodes[-1].name})


def assert_same(graph: Graph, inputs: dict[str, Array] | None = None) -> None:
    """Compare all nodes within 1e-5 of the largest value: float32 against float64."""
    feed = inputs or {n.name: RNG.normal(size=(3, *n.type.shape)) for n in graph.of_type(Input)}
    feed = {name: array.astype(np.float32) for name, array in feed.items()}
    wanted = evaluate(graph, feed)
    computed = [node.name for node in graph if node.inputs]
    found = AnnSession(graph, extra=computed).run(feed, batch=2)
    for name in computed:
        assert found[name].dtype == np.float32
        assert found[name].shape == wanted[name].shape
        assert np.abs(found[name] - wanted[name]).max() <= 1e-5 * np.abs(wanted[name]).max()
    for name, source in graph.outputs.items():
        assert np.array_equal(found[name], found[source])


X = {"name": "y", "inputs": ("x",)}
ONE, ZERO = np.ones(()), np.zeros(())
WEIGHT = RNG.normal(size=(4, 2, 3, 2))
NODES: dict[str, Node] = {
    "conv": Conv(name="y", inputs=("x",), weight=WEIGHT),
    "conv-options": Conv(
        name="y",
        inputs=("x",),
        weight=WEIGHT[:, :1],
        bias=RNG.normal(size=4),
        stride=(2, 1),
        padding=(1, 2, 0, 3),
        dilation=(1, 2),
        groups=2,
    ),
    "average": AveragePool(name="y", inputs=("x",), kernel=(3, 2), padding=(1, 1, 2, 0)),
    "average-counted": AveragePool(
        name="y",
        inputs=("x",),
        kernel=(3, 2),
        stride=(2, 3),
        padding=(1, 1, 2, 0),
        count_include_pad=True,
    ),
    "max": MaxPool(
        name="y", inputs=("x",), kernel=(2, 3), stride=(2, 1), padding=(1, 0, 0, 2), dilation=(2, 1)
    ),
    "rearrange": Rearrange(
        name="y", inputs=("x",), split=(2, 7, 3, 3), order=(2, 0, 3, 1), shape=(3, 2, 21)
    ),
    "reshape": Reshape(name="y", inputs=("x",), shape=(7, 18)),
    "scale": Affine(name="y", inputs=("x",), scale=RNG.normal(size=(2, 1, 1)), shift=ZERO),
    "shift": Affine(name="y", inputs=("x",), scale=ONE, shift=RNG.normal(size=(7, 9))),
    "affine": Affine(name="y", inputs=("x",), scale=ONE * 2, shift=RNG.normal(size=(2, 1, 1))),
    "nothing": Affine(name="y", inputs=("x",), scale=ONE, shift=ZERO),
    "relu": Clip(name="y", inputs=("x",)),
    "clip": Clip(name="y", inputs=("x",), low=-0.5, high=0.25),
    "low": Clip(name="y", inputs=("x",), low=-0.5),
    "high": Clip(name="y", inputs=("x",), low=-inf, high=0.5),
    "unlimited": Clip(name="y", inputs=("x",), low=-inf),
    "floor": Staircase(name="y", inputs=("x",)),
    "round": Staircase(name="y", inputs=("x",), rounding="half_even"),
    "levels": Staircase(name="y", inputs=("x",), low=-1, high=1),
    "qcfs": Staircase(name="y", inputs=("x",), step=ONE * 0.3, low=0, high=4, offset=0.5),
    "staircase-by-channel": Staircase(
        name="y", inputs=("x",), step=RNG.uniform(0.1, 0.4, (2, 1, 1)), low=-3
    ),
    "add": Add(name="y", inputs=("x", "x")),
    "sum": Add(name="y", inputs=("x", "x", "x")),
    "add-one": Add(name="y", inputs=("x",)),
}


@pytest.mark.parametrize("node", NODES.values(), ids=NODES.keys())
def test_every_node(node: Node) -> None:
    assert_same(graph_of(node))


@pytest.mark.parametrize("bias", [None, RNG.normal(size=4)])
def test_linear(bias: Array | None) -> None:
    node = Linear(name="y", inputs=("x",), weight=RNG.normal(size=(4, 6)), bias=bias)
    assert_same(graph_of(node, shape=(6,)))


@settings(deadline=None, max_examples=40)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(*[st.integers(0, 3)] * 4),
    groups=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_windows(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int, int, int],
    groups: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    window: dict[str, Any] = {"stride": stride, "padding": padding}
    weight = rng.normal(size=(4, 2 // groups, *kernel))
    nodes: list[Node] = [
        Conv(name="c", inputs=("x",), weight=weight, groups=groups, dilation=dilation, **window)
    ]
    if all(padding[i] < kernel[i % 2] for i in range(4)):  # what ONNX Runtime accepts
        nodes.append(MaxPool(name="m", inputs=("x",), kernel=kernel, dilation=dilation, **window))
        nodes += [
            AveragePool(name=f"a{c}", inputs=("x",), kernel=kernel, count_include_pad=c, **window)
            for c in (True, False)
        ]
    assert_same(graph_of(*nodes, shape=(2, 8, 9)), {"x": rng.normal(size=(2, 2, 8, 9))})


def test_names_of_outputs_and_of_constants_never_clash() -> None:
    nodes = [
        Affine(name="y", inputs=("x",), scale=ONE * 2, shift=ONE),
        Affine(name="y.scale", inputs=("y",), scale=ONE * 3, shift=ONE),
        Affine(name="y.scaled", inputs=("y.scale",), scale=ONE * 3, shift=ONE),
    ]
    graph = Graph(
        [Input(name="x", type=TensorType((3,))), *nodes], {"x": "x", "y.shift": "y", "z": "y"}
    )
    assert_same(graph)
    with pytest.raises(ConversionError, match="another node has that name"):
        to_onnx(Graph(graph, {"y": "x"}))


def test_several_inputs_and_odd_names() -> None:
    left, right = (Input(name=name, type=TensorType((3,))) for name in ("a/b\nc", "ü.0"))
    total = Add(name="sum ✓", inputs=(left.name, right.name))
    assert_same(Graph([left, right, total], {"out\n1": total.name}))


def test_the_model_is_valid_and_states_its_versions() -> None:
    model = to_onnx(graph_of(NODES["conv"]))
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert AnnSession(model.SerializeToString()).inputs == {"x": (None, 2, 7, 9)}


def test_spiking_nodes_have_no_counterpart() -> None:
    with pytest.raises(ConversionError, match="y: Encoder is not an operator of an ANN"):
        to_onnx(graph_of(Encoder(name="y", inputs=("x",), scale=None)))


@pytest.mark.parametrize(("samples", "batch"), list(product([0, 1, 5, 6], [1, 3, 64])))
def test_batches_are_joined(samples: int, batch: int) -> None:
    session = AnnSession(graph_of(NODES["conv"]))
    x = RNG.normal(size=(samples, 2, 7, 9)).astype(np.float32)
    parts = list(session.stream({"x": x}, batch=batch))
    assert len(parts) == max(1, -(-samples // batch))
    assert session.run({"x": x}, batch=batch)["out"].shape == (samples, 4, 5, 8)


@pytest.mark.parametrize(("samples", "batch"), list(product([0, 1, 5, 6], [1, 3, 64])))
def test_a_look_computes_what_a_run_does(samples: int, batch: int) -> None:
    session = AnnSession(graph_of(NODES["conv"]))
    x = RNG.normal(size=(samples, 2, 7, 9)).astype(np.float32)
    parts = [found["out"].copy() for found in session.look({"x": x}, batch=batch)]
    np.testing.assert_allclose(np.concatenate(parts), session.run({"x": x})["out"], rtol=1e-5)


BAD: dict[str, tuple[dict[str, Array], str]] = {
    "missing": ({"z": np.ones((1, 2))}, "input 'x': is missing"),
    "shape": ({"x": np.ones((1, 2))}, r"needs samples of \(2, 7, 9\) but got \(2,\)"),
    "size": ({"x": np.ones((1, 2, 7, 8))}, r"but got \(2, 7, 8\)"),
}


@pytest.mark.parametrize(("inputs", "message"), BAD.values(), ids=BAD.keys())
def test_data_that_do_not_fit(inputs: dict[str, Array], message: str) -> None:
    with pytest.raises(DataError, match=message):
        AnnSession(graph_of(NODES["conv"])).run(inputs)


def test_inputs_with_different_numbers_of_samples() -> None:
    inputs = [Input(name=name, type=TensorType((3,))) for name in "ab"]
    graph = Graph([*inputs, Add(name="y", inputs=("a", "b"))], {"y": "y"})
    with pytest.raises(DataError, match="'a': 2, 'b': 1"):
        AnnSession(graph).run({"a": np.ones((2, 3)), "b": np.ones((1, 3))})


def test_models_that_onnx_runtime_refuses(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="does not accept"):
        AnnSession(b"no model")
    assert capfd.readouterr().err == ""


def test_failures_while_running(capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N,4] x) => (float[N,M] y) <int64[2] to = {3, 5}> { y = Reshape(x, to) }
    """)
    with pytest.raises(ExecutionError, match="ONNX Runtime failed"):
        AnnSession(model).run({"x": np.ones((1, 4))})
    assert capfd.readouterr().err == ""


def test_onnx_runtime_keeps_no_session_of_telemetry(tmp_path: Path) -> None:
    code = "from snnc.backends.onnx_runtime.library import load_onnxruntime; load_onnxruntime()"
    unset = {name: value for name, value in os.environ.items() if name != NO_TELEMETRY}
    environment = {**unset, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.iterdir())
