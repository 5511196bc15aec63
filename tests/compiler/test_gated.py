"""Gated recurrent cells, quantised around every gate, from the ONNX file to spikes: equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

import snnc
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.onnx_import import load
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.compiler.verify import verify
from snnc.ir import Array, Graph, Product, latency
from snnc.ir.errors import ConversionError
from snnc.ir.reference import evaluate, run
from snnc.ir.settling import settling_bound
from tests.compiler.onnx_import.conftest import build_model, original

ELEMENTS, WIDTH, HIDDEN = 6, 5, 7
X = np.random.default_rng(4).normal(size=(9, ELEMENTS, WIDTH)).astype(np.float32)


class Cell:
    """Nodes of a body in which every value behind an activation function is quantised.

    Args:
        seed: Of the random weights.
        unit: Step of a sigmoid; a tanh has twice that.
    """

    def __init__(self, seed: int, unit: float = 1 / 256) -> None:
        self.rng = np.random.default_rng(seed)
        self.unit = unit
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def add(self, operator: str, *inputs: str) -> str:
        output = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output))
        return output

    def constant(self, name: str, value: Array) -> str:
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def quantised(self, source: str, step: float, *, signed: bool = True) -> str:
        zero = np.zeros((), np.int8 if signed else np.uint8)
        grid = [
            self.constant(f"step {step}", np.array(step, np.float32)),
            self.constant(f"zero {signed}", zero),
        ]
        return self.add("DequantizeLinear", self.add("QuantizeLinear", source, *grid), *grid)

    def linear(self, source: str, width: int, out: int = HIDDEN) -> str:
        name = f"w{len(self.constants)}"
        integers = self.rng.integers(-127, 128, (width, out)).astype(np.int8)
        step = self.constant(f"{name} step", np.array(1 / 128, np.float32))
        weight = self.add("DequantizeLinear", self.constant(name, integers), step)
        return self.add("MatMul", source, weight)

    def drive(self, element: str, state: str) -> str:
        total = self.add("Add", self.linear(element, WIDTH), self.linear(state, HIDDEN))
        bias = self.rng.normal(size=HIDDEN).astype(np.float32) / 4
        return self.add("Add", total, self.constant(f"b{len(self.constants)}", bias))

    def sigmoid(self, drive: str) -> str:
        return self.quantised(self.add("Sigmoid", drive), self.unit, signed=False)

    def tanh(self, drive: str) -> str:
        return self.quantised(self.add("Tanh", drive), 2 * self.unit)

    def times(self, left: str, right: str) -> str:
        return self.add("Mul", left, right)

    def model(self, kinds: Mapping[str, str]) -> ModelProto:
        """Return a Scan of the body.

        Args:
            kinds: For each state, the tensor that it becomes.
        """
        shape: list[str | int] = ["N", HIDDEN]
        head = Cell(77)
        logits = head.linear("last h", HIDDEN, 4)
        body = helper.make_graph(
            self.nodes,
            "cell",
            [*(info(name, shape) for name in kinds), info("e", ["N", WIDTH])],
            [info(name, shape) for name in kinds.values()],
        )
        scan = helper.make_node(
            "Scan",
            [*("rest" for _ in kinds), "x"],
            [f"last {name}" for name in kinds],
            "loop",
            body=body,
            num_scan_inputs=1,
            scan_input_axes=[1],
        )
        nodes = [
            helper.make_node("Shape", ["x"], ["batch"], start=0, end=1),
            helper.make_node("Concat", ["batch", "hidden"], ["size"], axis=0),
            helper.make_node("ConstantOfShape", ["size"], ["rest"]),
            scan,
            *head.nodes,
            helper.make_node("Identity", [logits], ["logits"]),
        ]
        constants = {**self.constants, **head.constants}
        constants["hidden"] = numpy_helper.from_array(np.array([HIDDEN]), "hidden")
        graph = helper.make_graph(
            nodes,
            "gated",
            [info("x", ["N", ELEMENTS, WIDTH])],
            [info("logits", ["N", 4])],
            list(constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return model


def info(name: str, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def lstm(seed: int, *, rounded: bool = False) -> ModelProto:
    """``c' = Q(f c + i g)``, ``h' = Q(o tanh(c'))``; ``rounded`` quantises ``f c`` and ``i g`` too.

    Hochreiter and Schmidhuber, *Neural Computation* 9(8), 1997, with the forget gate of Gers et al.
    """
    cell = Cell(seed)
    e = cell.quantised("e", 1 / 32)
    i, f, o = (cell.sigmoid(cell.drive(e, "h")) for _ in "ifo")
    g = cell.tanh(cell.drive(e, "h"))
    parts = [cell.times(f, "c"), cell.times(i, g)]
    if rounded:
        parts = [cell.quantised(part, 1 / 64) for part in parts]
    c = cell.quantised(cell.add("Add", *parts), 1 / 64)
    h = cell.quantised(cell.times(o, cell.tanh(c)), 1 / 128)
    return cell.model({"h": h, "c": c})


def gru(seed: int, *, reset_before: bool = False) -> ModelProto:
    """``h' = Q((1 - z) n + z h)``; the reset gate multiplies the state or what is made of it.

    Cho et al., EMNLP 2014; ``reset_before`` is ``linear_before_reset=0`` of ONNX.
    """
    cell = Cell(seed)
    one = cell.constant("one", np.ones((), np.float32))
    e = cell.quantised("e", 1 / 32)
    z, r = (cell.sigmoid(cell.drive(e, "h")) for _ in "zr")
    if reset_before:
        inner = cell.linear(cell.quantised(cell.times(r, "h"), 1 / 128), HIDDEN)
    else:
        inner = cell.times(r, cell.quantised(cell.linear("h", HIDDEN), 1 / 16))
    n = cell.tanh(cell.add("Add", cell.linear(e, WIDTH), inner))
    rest = cell.times(cell.add("Sub", one, z), n)
    h = cell.quantised(cell.add("Add", rest, cell.times(z, "h")), 1 / 128)
    return cell.model({"h": h})


CELLS: dict[str, Callable[[], ModelProto]] = {
    "lstm": lambda: lstm(1),
    "lstm, products rounded": lambda: lstm(2, rounded=True),
    "gru": lambda: gru(3),
    "gru, reset before": lambda: gru(4, reset_before=True),
}


@pytest.fixture(params=list(CELLS.values()), ids=list(CELLS))
def model(request: pytest.FixtureRequest) -> ModelProto:
    found: ModelProto = request.param()
    onnx.checker.check_model(found, full_check=True)
    return found


def integers(model: ModelProto, folder: Path) -> Graph:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return run_passes(load(path).graph, (*SIMPLIFY, ToInteger()))


def test_integers_are_what_onnxruntime_computes(model: ModelProto, tmp_path: Path) -> None:
    """All steps are powers of two, so only a drive of a gate may round otherwise in float32."""
    quantised = integers(model, tmp_path)
    found = evaluate(quantised, {"x": X})[quantised.outputs["logits"]]
    np.testing.assert_allclose(found, original(model, {"x": X})["logits"], atol=1e-5)
    assert len(np.unique(found)) > 30


@pytest.mark.parametrize("setting", [{"cap": 1}, {"cap": 15}, {"base": 2}], ids=str)
def test_spikes_equal_the_integers(
    model: ModelProto, setting: dict[str, int], tmp_path: Path
) -> None:
    """All sequences in the simulator; payload by payload in the reference where it is quick."""
    quantised = integers(model, tmp_path)
    assert len(quantised.of_type(Product)) == 3
    slow = setting == {"cap": 1}
    x = X[:4, :2] if slow else X
    wanted = evaluate(quantised, {"x": x})
    spiking = ToExact(**setting)(quantised)
    steps = max(1, settling_bound(spiking) - latency(spiking))
    program = NumpyBackend().lower(spiking, steps)
    result = program.run({"x": x})
    logits = quantised.outputs["logits"]
    np.testing.assert_array_equal(
        result.decoded["logits"][:, -1], wanted[logits].astype(np.float32)
    )
    assert result.settled is not None
    assert result.settled.all()
    if slow:
        return
    short = {"x": X[:1, :1]}
    trace = run(spiking, short, steps)
    result = program.run(short, record=True)
    for name, payloads in trace.spikes.items():
        np.testing.assert_array_equal(result.spikes[name].swapaxes(0, 1), payloads)


def test_a_steps_ratio_that_is_no_power_of_two(tmp_path: Path) -> None:
    cell = Cell(5, unit=1 / 255)
    e = cell.quantised("e", 0.03)
    gate = cell.sigmoid(cell.drive(e, "h"))
    one = cell.constant("one", np.ones((), np.float32))
    other = cell.add("Sub", one, gate)
    drive = cell.add(
        "Add", cell.times(other, cell.tanh(cell.drive(e, "h"))), cell.times(other, "h")
    )
    quantised = integers(cell.model({"h": cell.quantised(drive, 0.007)}), tmp_path)
    wanted = evaluate(quantised, {"x": X})[quantised.outputs["logits"]]
    spiking = ToExact(15)(quantised)
    result = NumpyBackend().lower(spiking, settling_bound(spiking)).run({"x": X})
    np.testing.assert_array_equal(result.decoded["logits"][:, -1], wanted.astype(np.float32))


def test_an_artifact_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "gru.onnx"
    onnx.save(gru(6), path)
    compiled = snnc.compile(str(path), code="exact", calibration=X)
    again = snnc.load(compiled.save(tmp_path / "out"))
    checked = verify(again)
    assert checked.equal
    assert checked.spike_counts_compared > 0
    found: list[Any] = [network.run(X).outputs for network in (again, compiled)]
    np.testing.assert_array_equal(*found)


def test_a_gate_that_is_not_quantised_is_refused_by_name(tmp_path: Path) -> None:
    cell = Cell(7)
    drive = cell.drive(cell.quantised("e", 1 / 32), "h")
    h = cell.quantised(cell.times(drive, "h"), 1 / 128)
    with pytest.raises(ConversionError, match=r"add\d+: is read by what needs levels"):
        integers(cell.model({"h": h}), tmp_path)


def test_other_codes_refuse_products_by_name(tmp_path: Path) -> None:
    path = tmp_path / "product.onnx"
    nodes = "a = Relu (x)  p = Mul (a, x)  y = Relu (p)"
    onnx.save(build_model(nodes, "float[N,3] x", "float[N,3] y"), path)
    with pytest.raises(ConversionError, match="p: multiplies two activations") as refused:
        snnc.compile(str(path), code="rate", calibration=X[:, 0, :3])
    assert "--code exact" in str(refused.value.problems[0].hint)
    with pytest.raises(ConversionError, match="x: is read without being quantised"):
        snnc.compile(str(path), code="exact", calibration=X[:, 0, :3])


@pytest.mark.parametrize("option", [{"quantize": 8}, {"approximate": True}], ids=str)
def test_a_float_model_is_quantised_around_its_products(
    option: dict[str, Any], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    nodes = """a = MatMul (x, w)  b = MatMul (x, v)  c = Relu (b)  p = Mul (a, c)
        y = MatMul (p, u)"""
    w, v, u = (rng.normal(size=shape) for shape in ((5, 6), (5, 6), (6, 4)))
    model = build_model(nodes, "float[N,5] x", "float[N,4] y", w=w, v=v, u=u)
    path = tmp_path / "product.onnx"
    onnx.save(model, path)
    x = rng.normal(size=(64, 5)).astype(np.float32)
    found = snnc.compile(str(path), code="exact", calibration=x, **option)
    assert found.graph.of_type(Product)
    wanted, outputs = original(model, {"x": x})["y"], np.asarray(found.run(x).outputs)
    assert np.abs(outputs - wanted).max() < 0.03 * np.abs(wanted).max()
