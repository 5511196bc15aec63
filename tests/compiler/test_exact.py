"""Code ``exact`` from the file to the artifact: T, contract, commands, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

import snnc
from snnc.backends.onnx_runtime import to_onnx
from snnc.compiler.exact import convert_exactly
from snnc.compiler.onnx_import import load
from snnc.compiler.options import Options
from snnc.compiler.pipeline import SIMPLIFY, exact_conversion, run_passes
from snnc.compiler.report import Report
from snnc.ir import (
    AveragePool,
    Conv,
    Graph,
    Input,
    Integrator,
    Linear,
    Reshape,
    Staircase,
    TensorType,
    TrackingIF,
)
from snnc.ir.errors import ConversionError, OptionError
from snnc.ir.reference import evaluate
from tests.command_line import Command, write_model


def whole(shape: tuple[int, ...], seed: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).integers(-7, 8, shape) / 32


def quantised_ann() -> Graph:
    """Return a network of 4 bits; its weights are small multiples of 1/32, seen as such."""
    levels: dict[str, Any] = {"low": 0, "high": 15, "rounding": "half_even"}
    return Graph(
        [
            Input(name="x", type=TensorType((1, 6, 6))),
            Staircase(
                name="q", inputs=("x",), step=np.full(1, 0.25), low=-8, high=7, rounding="half_even"
            ),
            Conv(name="c", inputs=("q",), weight=whole((4, 1, 3, 3), 0), bias=whole((4,), 1)),
            Staircase(name="r", inputs=("c",), step=np.full(1, 0.125), **levels),
            AveragePool(name="p", inputs=("r",), kernel=(2, 2), stride=(2, 2)),
            Staircase(name="s", inputs=("p",), step=np.full(1, 0.125), **levels),
            Reshape(name="f", inputs=("s",), shape=(16,)),
            Linear(name="y", inputs=("f",), weight=whole((3, 16), 2), bias=whole((3,), 3) / 8),
        ],
        {"y": "y"},
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exact") / "quantised.onnx"
    path.write_bytes(to_onnx(quantised_ann()).SerializeToString())
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "xy.npz"
    rng = np.random.default_rng(7)
    x = rng.standard_normal((24, 1, 6, 6)).astype(np.float32)
    np.savez(path, x=x, y=rng.integers(0, 3, 24))
    return path


@pytest.mark.parametrize(
    ("options", "timesteps", "steps"),
    [
        ({"max_payload": 15}, 1, 1),
        ({"max_payload": 4}, 7, 7),  # 4 steps for 15 units; then 3, from 0 or from 12
        ({}, 1, 1),
        ({"radix": 2}, 4, 7),
    ],
)
def test_t_is_the_static_bound(
    model: Path, data: Path, options: dict[str, Any], timesteps: int, steps: int
) -> None:
    network = snnc.compile(model, code="exact", **options)
    assert (network.timesteps, network.steps) == (timesteps, steps)
    assert network.report["settling_bound"] == steps
    assert network.report["warnings"] == []
    assert network.layer_synchronous == ("radix" in options)
    x = np.load(data)["x"]
    integers = exact_conversion(Options(code="exact").make_code(signed=True, graded=True), print)[0]
    expected = evaluate(integers(run_passes(load(model).graph, SIMPLIFY)), {"x": x})
    result = network.run(x)
    output = network.graph.outputs["y"]
    np.testing.assert_array_equal(result.decoded["y"][:, -1], expected[output].astype(np.float32))
    assert result.settled is not None
    assert result.settled.max() <= steps


def test_fewer_steps_are_taken_with_a_warning(model: Path, data: Path) -> None:
    network = snnc.compile(model, code="exact", max_payload=1, timesteps=3)
    ((message, _),) = network.report["warnings"]
    assert "may not be at rest after 3 steps" in message
    settled = network.run(np.load(data)["x"]).settled
    assert settled is not None
    assert 0 in settled, "a sample that still moved"


def test_the_contract_says_what_a_backend_must_do(model: Path) -> None:
    network = snnc.compile(model, code="exact", max_payload=4)
    contract = network.artifact.manifest["contract"]
    assert contract["arithmetic"] == "integer"
    assert contract["bias_schedule"] == "once, at the first step"
    assert contract["input_coding"] == "one payload at the first step"
    assert contract["settled_after"] == {"r": 4, "s": 7}
    assert contract["populations"]["r"]["rounding"] == "half_even"
    assert contract["populations"]["r"]["guard"] == [0, 15]
    assert contract["encoders"]["q"]["bounds"] == (-8, 7)
    assert {type(n) for n in network.graph.populations} == {TrackingIF}
    assert [node.decoding for node in network.graph.of_type(Integrator)] == ["sum"]


def test_every_command_knows_it(command: Command, model: Path, data: Path) -> None:
    done = command(model, "--code", "exact", "--max-payload", 4, "-o", "out")
    assert done.status == 0
    assert "after 7 steps at most" in done.out
    assert command("verify", "out").status == 0
    assert command("verify", "out", "--data", data).status == 0
    assert command("show", "out").status == 0
    assert command("run", "out", "--input", data).status == 0
    found = json.loads(command("evaluate", "out", "--data", data, "--json").out)
    assert [entry["timesteps"] for entry in found["snn"]] == [7]
    early = command("evaluate", "out", "--data", data, "--timesteps", "2")
    assert (early.status, "no answer before step 7" in early.err) == (2, True)
    energy = json.loads(command("estimate", "out", "--data", data, "--json").out)
    assert energy["twin"]["activation_bits"] == 4
    explained = command("evaluate", "out", "--data", data, "--explain")
    assert (explained.status, "equals the quantised ANN" in explained.err) == (2, True)
    assert json.loads(command("inspect", model, "--code", "exact", "--json").out)["convertible"]


def test_a_float_model_is_refused_as_a_whole(command: Command, model_file: Path) -> None:
    done = command(model_file, "--code", "exact", "-o", "out")
    assert done.status == 2
    assert done.err.count("error: ") == done.err.count("hint: ") >= 3
    assert "error: x: is read without being quantised" in done.err
    found = json.loads(command("inspect", model_file, "--code", "exact", "--json").out)
    assert not found["convertible"]
    assert {"Input", "Conv"} <= {entry["operator"] for entry in found["unsupported"]}


def test_what_is_not_quantised_can_be_approximated(model_file: Path) -> None:
    x = np.random.default_rng(3).standard_normal((32, 1, 6, 6)).astype(np.float32)
    network = snnc.compile(model_file, code="exact", calibration=x, approximate=True)
    said = "\n".join(network.report["approximations"])
    assert "x: was rounded to 8 bits" in said
    assert "its weights were rounded to 8 bits" in said
    real = evaluate(load(model_file).graph, {"x": x})
    (output,) = load(model_file).graph.outputs.values()
    (trace,) = network.run(x).decoded.values()
    error = np.abs(trace[:, -1] - real[output]).max()
    assert 0 < error < 0.05 * np.abs(real[output]).max()
    assert snnc.compile(model_file, code="exact", approximate=True).report["warnings"]


def test_a_quantised_model_needs_no_approximation(model: Path) -> None:
    network = snnc.compile(model, code="exact", approximate=True)
    assert network.report["approximations"] == []


@pytest.mark.parametrize(
    "options",
    [
        {"thresholds": "max"},
        {"correction": "light"},
        {"weight_bits": 4},
        {"weight_bits": None},
        {"two_phase": "offset"},
        {"readout_delay": 2},
        {"shift": "step"},
        {"deadband": 1},
        {"guard": False},
        {"v_init": 0.5},
        {"select": "nearest"},
        {"differential": True},
        {"max_payload": 0},
        {"max_payload": "auto"},
        {"radix": 1},
        {"radix": 2, "max_payload": 3},
    ],
    ids=str,
)
def test_options_that_contradict_it(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Options(code="exact", **options).make_code(signed=True, graded=True)


def test_options_that_do_not(model: Path) -> None:
    Options(code="exact", correction="none").make_code(signed=True, graded=True)
    with pytest.raises(OptionError, match="--max-drop has no settings for code 'exact'"):
        snnc.compile(model, code="exact", max_drop=0.01)


def test_more_steps_than_can_be_run_are_refused() -> None:
    """16 bits and unit spikes: each layer may take 65535 steps."""
    nodes = list(quantised_ann())[:3]
    for index, source in enumerate(["c", "s0"]):
        step = np.full(1, 2.0**-14 * (1 + index / 8))
        nodes.append(
            Staircase(
                name=f"s{index}",
                inputs=(source,),
                step=step,
                low=-(2**15),
                high=2**15 - 1,
                rounding="half_even",
            )
        )
    graph = Graph(nodes, {"y": "s1"})
    options = Options(code="exact", max_payload=1)
    code = options.make_code(signed=True, graded=True)
    with pytest.raises(ConversionError, match="steps until it is at rest") as caught:
        convert_exactly(graph, options, code, Report())
    assert "--radix 2" in str(caught.value)


def test_a_function_that_nothing_can_express_is_refused(tmp_path: Path) -> None:
    """Softsign comes near its bounds too slowly for pieces, and no staircase knows it."""
    weights = [np.ones((4, 5), np.float32), np.ones((5, 3), np.float32)]
    model = parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,3] y) {
            a = MatMul (x, w0) b = Softsign (a) y = MatMul (b, w1)
        }
        """
    )
    given = (numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights))
    model.graph.initializer.extend(given)
    onnx.save(model, tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    with pytest.raises(ConversionError, match=r"^b: computes softsign") as error:
        snnc.compile(tmp_path / "m.onnx", code="exact", approximate=True, calibration=x)
    assert "tanh" in error.value.hint


def test_what_quantising_leaves_can_be_rounded(command: Command, tmp_path: Path) -> None:
    """ONNX Runtime quantises around a LeakyRelu, not the two halves that it is made of."""
    rng = np.random.default_rng(0)
    model = write_model(
        tmp_path / "leaky.onnx",
        "a = MatMul (x, w0) b = LeakyRelu (a) y = MatMul (b, w1)",
        "(float[N,4] x) => (float[N,3] y)",
        {"w0": rng.normal(size=(4, 5)), "w1": rng.normal(size=(5, 3))},
    )
    np.savez(tmp_path / "x.npz", x=rng.normal(size=(40, 4)).astype(np.float32))
    given = (model, "--code", "exact", "--quantize", 8, "--calibration", tmp_path / "x.npz")
    refused = command(*given, "-o", tmp_path / "out")
    assert refused.status == 2
    assert "hint: add --approximate" in refused.err
    assert "--quantize" not in refused.err
    found = command(*given, "--approximate", "-o", tmp_path / "out")
    assert found.status == 0, found.err
