"""Quantised recurrent networks, from the ONNX file to the artifact: equal on whole sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import snnc
from snnc.backends import get_backend
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.onnx_import import load
from snnc.compiler.passes.to_exact import ToExact
from snnc.compiler.passes.to_integer import ToInteger
from snnc.compiler.pipeline import SIMPLIFY, run_passes
from snnc.compiler.verify import verify
from snnc.ir import Array, Graph, latency
from snnc.ir.errors import ConversionError, DataError, DesignRuleError
from snnc.ir.reference import evaluate, run
from snnc.ir.settling import settling_bound
from tests.compiler.onnx_import.conftest import original

pytest.importorskip("examples.train.qcrnn_export", reason="runs in a checkout only")

from examples.train.qcrnn_export import Step, to_onnx

TRAINED = Path(__file__).parents[2] / "examples" / "models" / "qcrnn-smnist.onnx"
DIGITS = Path(snnc.__file__).parent / "compiler" / "demo" / "digits.npz"
RNG = np.random.default_rng(11)
X = RNG.random((6, 5, 1, 1, 8)).astype(np.float32)


def network(state: str) -> onnx.ModelProto:
    """Return a small CRNN with random weights: 5 elements of 8 pixels."""
    rng = np.random.default_rng(1 if state == "relu" else 2)

    def weight(*shape: int) -> tuple[Array, float]:
        return rng.integers(-127, 128, shape).astype(np.int8), 0.006

    return to_onnx(
        elements=5,
        width=8,
        stride=2,
        weights={
            "convolution": weight(3, 1, 1, 3),
            "inner": weight(9, 12),
            "recurrent": weight(9, 9),
            "head": weight(4, 9),
        },
        biases={
            n: rng.normal(size=k) / 4 for n, k in (("convolution", 3), ("inner", 9), ("head", 4))
        },
        seen=Step(0.05, 4, "relu"),
        state=Step(1 / 7 if state == "tanh" else 0.2, 4, state),
    )


def integers(model: onnx.ModelProto, folder: Path) -> Graph:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return ToInteger()(run_passes(load(path).graph, SIMPLIFY))


@pytest.mark.parametrize("state", ["relu", "tanh"])
def test_integers_are_what_onnxruntime_computes(state: str, tmp_path: Path) -> None:
    model = network(state)
    quantised = integers(model, tmp_path)
    found = evaluate(quantised, {"x": X})["logits"]
    # A logit of another state would be off by a unit of 127 and more of these, or by nothing.
    np.testing.assert_allclose(found, original(model, {"x": X})["logits"], atol=1e-5)
    assert len(np.unique(found)) > 10


@pytest.mark.parametrize("state", ["relu", "tanh"])
@pytest.mark.parametrize("setting", [{"cap": 1}, {"cap": 4}, {"cap": 15}, {"base": 2}])
def test_spikes_equal_the_integers(state: str, setting: dict[str, int], tmp_path: Path) -> None:
    """In the reference and in the simulator, which agree in every payload of every element."""
    quantised = integers(network(state), tmp_path)
    wanted = evaluate(quantised, {"x": X})["logits"]
    spiking = ToExact(**setting)(quantised)
    steps = max(1, settling_bound(spiking) - latency(spiking))
    trace = run(spiking, {"x": X}, steps)
    np.testing.assert_array_equal(trace.outputs["logits"][-1], wanted)
    result = NumpyBackend().lower(spiking, steps).run({"x": X}, record=True)
    np.testing.assert_array_equal(result.decoded["logits"][:, -1], wanted.astype(np.float32))
    for name, payloads in trace.spikes.items():
        np.testing.assert_array_equal(result.spikes[name].swapaxes(0, 1), payloads)
        counted = np.abs(payloads).reshape(5, steps + latency(spiking), 6, -1)
        np.testing.assert_array_equal(result.activity[name].units.T, counted.sum(axis=(0, 3)))


def test_too_few_steps_spoil_a_sequence(tmp_path: Path) -> None:
    quantised = integers(network("relu"), tmp_path)
    spiking = ToExact(1)(quantised)
    result = NumpyBackend().lower(spiking, 3).run({"x": X})
    assert np.any(
        result.decoded["logits"][:, -1]
        != evaluate(quantised, {"x": X})["logits"].astype(np.float32)
    )
    assert result.settled is not None
    assert 0 in result.settled


@pytest.fixture(scope="module")
def compiled() -> snnc.Network:
    return snnc.compile(str(TRAINED), code="exact", calibration=digits())


def digits() -> Array:
    with np.load(DIGITS) as file:
        images = file["x"][:64].astype(np.float32)
    pixels = images / 255 if images.max() > 1 else images
    return np.asarray(pixels.reshape(-1, 28, 1, 1, 28))


def test_the_trained_network_is_compiled_run_and_verified(
    compiled: snnc.Network, tmp_path: Path
) -> None:
    again = snnc.load(compiled.save(tmp_path / "out"))
    x = digits()
    wanted = original(onnx.load(TRAINED), {"x": x})["logits"]
    found: Any = again.run(x).outputs
    np.testing.assert_array_equal(found.argmax(1), wanted.argmax(1))
    checked = verify(again)
    assert checked.equal
    assert checked.spike_counts_compared > 0
    assert verify(again, {"x": x[:2]}).compared_with == "reference"
    assert verify(again, {"x": x[:2]}).equal


def test_the_contract_names_both_axes(compiled: snnc.Network) -> None:
    contract = compiled.artifact.manifest["contract"]
    assert contract["sequence"]["elements"] == 28
    assert "T for each element" in contract["sequence"]["steps"]
    assert list(contract["sequence"]["carried"]) == ["before"]
    assert compiled.elements == 28


def test_a_sequence_of_another_length_is_refused(compiled: snnc.Network) -> None:
    with pytest.raises(DataError, match=r"needs \(samples, 28, 1, 1, 28\)"):
        compiled.run(digits()[:, :27])


def test_other_codes_refuse_to_carry() -> None:
    with pytest.raises(ConversionError, match="before: carries") as refused:
        snnc.compile(str(TRAINED), code="rate")
    assert "--code exact" in str(refused.value.problems[0].hint)


@pytest.mark.lava
def test_the_trained_network_runs_on_lava() -> None:
    network = snnc.compile(str(TRAINED), code="exact", calibration=digits(), target="lava")
    x = {"x": digits()[:2]}
    found = network.program.run(x, record=True)
    expected = get_backend("numpy").lower(network.graph, network.timesteps).run(x, record=True)
    np.testing.assert_array_equal(found.decoded["logits"], expected.decoded["logits"])
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], payloads, name)
    # The state passes one synapse on its way round: no element waits for the one before.
    assert network.program.latency_steps(28) == 28 * network.timesteps + 3
    assert verify(network, x).equal


def test_digits_are_refused_on_lava_by_name() -> None:
    with pytest.raises(DesignRuleError, match=r"after\.integers: sends its value digit by digit"):
        snnc.compile(str(TRAINED), code="exact", radix=2, calibration=digits(), target="lava")


def test_a_state_that_is_not_quantised_is_refused_by_name(tmp_path: Path) -> None:
    model = network("relu")
    (scan,) = [node for node in model.graph.node if node.op_type == "Scan"]
    body = next(a.g for a in scan.attribute if a.name == "body")
    kept = [node for node in body.node if not set(node.output) & {"after", "after.integers"}]
    body.ClearField("node")
    body.node.extend([*kept, helper.make_node("Relu", ["drive"], ["after"])])
    with pytest.raises(ConversionError, match="before: carries 'after', which is not quantised"):
        integers(model, tmp_path)


def test_a_state_that_begins_between_two_levels_is_refused(tmp_path: Path) -> None:
    model = network("relu")
    (rest,) = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    rest.attribute[0].t.CopyFrom(helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [0.31]))
    with pytest.raises(ConversionError, match="before: its initial value"):
        integers(model, tmp_path)


def test_a_state_may_begin_at_another_level(tmp_path: Path) -> None:
    model = network("relu")
    (rest,) = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    rest.attribute[0].t.CopyFrom(helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [0.6]))
    quantised = integers(model, tmp_path)
    wanted = evaluate(quantised, {"x": X})["logits"]
    np.testing.assert_allclose(wanted, original(model, {"x": X})["logits"], atol=1e-5)
    result = NumpyBackend().lower(ToExact(15)(quantised), 2).run({"x": X})
    np.testing.assert_array_equal(result.decoded["logits"][:, -1], wanted.astype(np.float32))
