"""The whole path on trained networks and real digits."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.onnx_runtime import AnnSession, to_onnx
from snnc.compiler.verify import verify
from snnc.ir import (
    IF,
    Add,
    Array,
    AveragePool,
    Clip,
    Conv,
    Graph,
    Input,
    Linear,
    Reshape,
    TensorType,
)

DEMO = Path(snnc.__file__).parent / "compiler" / "demo"
MAX = Path(__file__).parent.parent / "examples" / "models" / "lenet5-max.onnx"
CODES: list[dict[str, Any]] = [
    {"code": "rate", "timesteps": 16},
    {"code": "ternary", "timesteps": 8},
    {"code": "augmented", "timesteps": 4},
]


def digits(name: str) -> Array:
    with np.load(DEMO / "digits.npz") as file:
        return np.asarray(file[name] / np.float32(255), np.float32)


def labels() -> Array:
    with np.load(DEMO / "digits.npz") as file:
        return np.asarray(file["y"])


def outputs(net: snnc.Network, x: Array) -> Array:
    found = net.run(x).outputs
    assert isinstance(found, np.ndarray)
    return found


@cache
def lenet(code: str, timesteps: int) -> snnc.Network:
    """Return the trained network, calibrated on all there is; not to be changed."""
    calibration = digits("calibration")
    return snnc.compile(
        DEMO / "lenet5.onnx", calibration=calibration, code=code, timesteps=timesteps
    )


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A residual network for digits: branches of depth 2 and 0, their scales 50 times apart."""
    rng = np.random.default_rng(0)

    def conv(name: str, source: str, out: int, in_: int, gain: float = 1.0, **more: Any) -> Conv:
        weight = rng.standard_normal((out, in_, 3, 3)) * gain / np.sqrt(9 * in_)
        bias = rng.standard_normal(out) * 0.1
        return Conv(name=name, inputs=(source,), weight=weight, bias=bias, **more)

    pads: dict[str, Any] = {"padding": (1, 1, 1, 1)}
    graph = Graph(
        [
            Input(name="x", type=TensorType((1, 28, 28))),
            conv("conv1", "x", 6, 1, stride=(2, 2), **pads),
            Clip(name="relu1", inputs=("conv1",)),
            conv("conv2", "relu1", 6, 6, **pads),
            Clip(name="relu2", inputs=("conv2",)),
            # about 1/50 of the shortcut: weights of the branch are that much smaller than 1
            conv("conv3", "relu2", 6, 6, gain=0.06, **pads),
            Add(name="join1", inputs=("conv3", "relu1")),
            Clip(name="relu3", inputs=("join1",)),
            conv("conv4", "relu3", 8, 6, stride=(2, 2), **pads),
            conv("conv5", "relu1", 8, 6, stride=(2, 2), **pads),
            Add(name="join2", inputs=("conv4", "conv5")),
            Clip(name="relu4", inputs=("join2",), high=2.0),
            AveragePool(name="mean", inputs=("relu4",), kernel=(7, 7)),
            Reshape(name="flat", inputs=("mean",), shape=(8,)),
            Linear(name="fc", inputs=("flat",), weight=rng.standard_normal((10, 8))),
        ],
        {"logits": "fc"},
    )
    path = tmp_path_factory.mktemp("residual") / "residual.onnx"
    path.write_bytes(to_onnx(graph).SerializeToString())
    return path


@pytest.mark.parametrize("settings", CODES, ids=lambda s: s["code"])
def test_accuracy_on_digits(settings: dict[str, Any]) -> None:
    """At most 3 of 500 digits lost; the whole test set is measured by a benchmark."""
    net = lenet(**settings)
    assert net.artifact.ann is not None
    ann = AnnSession(net.artifact.ann).run({"x": digits("x")})["logits"]
    expected = int((ann.argmax(axis=1) == labels()).sum())
    assert int((outputs(net, digits("x")).argmax(axis=1) == labels()).sum()) >= expected - 3


def test_trained_networks_use_what_the_codes_offer() -> None:
    shares = {}
    for settings in CODES:
        net = lenet(**settings)
        shares[settings["code"]] = net.run(digits("x")[:50], record=True).spikes
    monotone = {"/relu1/Relu_output_0", "/pool1/AveragePool_output_0"}
    for name, trains in shares["ternary"].items():
        # The first drive is the same at every step, and a mean of what never falls never falls:
        # these two have nothing to take back. All others have.
        assert (trains < 0).any() == (name not in monotone), name
        assert trains.max() == 1
        assert shares["augmented"][name].max() > 1, name
        assert set(np.unique(shares["rate"][name])) <= {0, 1}


def test_more_steps_come_closer_to_the_ann() -> None:
    errors = []
    for timesteps in (4, 16, 64):
        net = snnc.compile(
            DEMO / "lenet5.onnx",
            calibration=digits("calibration")[:64],
            code="ternary",
            timesteps=timesteps,
            weight_bits=None,
            thresholds="max",
        )
        assert net.artifact.ann is not None
        ann = AnnSession(net.artifact.ann).run({"x": digits("x")[:100]})["logits"]
        errors.append(float(np.abs(outputs(net, digits("x")[:100]) - ann).mean()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize("settings", CODES, ids=lambda s: s["code"])
def test_a_saved_network_is_the_same(settings: dict[str, Any], tmp_path: Path) -> None:
    net = lenet(**settings)
    folder = net.save(tmp_path / "out")
    again = snnc.load(folder)
    x = digits("x")[:20]
    np.testing.assert_array_equal(outputs(net, x), outputs(again, x))
    assert again.report == net.report


def test_without_calibration_it_compiles_and_says_so() -> None:
    net = snnc.compile(DEMO / "lenet5.onnx")
    assert net.report["calibration"] == "synthetic"
    assert net.report["thresholds"] == "max per population"
    assert len(net.report["warnings"]) == 1


@pytest.mark.lava
def test_lava_equals_the_simulator_in_floats(tmp_path: Path) -> None:
    """Outputs within 1e-9, equal spikes but where a membrane lies on an edge."""
    calibration, x = digits("calibration")[:100], digits("x")[:6]
    settings: dict[str, Any] = {"calibration": calibration, "weight_bits": "float", "timesteps": 4}
    net = snnc.compile(DEMO / "lenet5.onnx", target="lava", **settings)
    twin = snnc.load(net.save(tmp_path / "out"), on="numpy")
    found = verify(net, {"x": x})
    assert found.equal
    assert (found.executed_on, found.compared_with) == ("lava", "simulator")
    assert found.spike_counts_compared > 100_000
    assert found.output_difference is not None
    assert found.output_difference < 1e-9
    if not found.payloads_at_edges:
        activity = twin.run(x).activity
        for name, counts in net.run(x).activity.items():
            np.testing.assert_array_equal(counts.synops, activity[name].synops, name)
    np.testing.assert_array_equal(outputs(net, x).argmax(1), outputs(twin, x).argmax(1))
    assert verify(snnc.load(tmp_path / "out")).equal


NETWORKS = ("lenet5", "lenet5-max", "residual")
PAIRS = [  # each network and each code once; CI runs all nine
    pytest.param(name, settings, marks=() if row == column else pytest.mark.slow)
    for row, name in enumerate(NETWORKS)
    for column, settings in enumerate(CODES)
]


@pytest.mark.lava
@pytest.mark.parametrize(
    ("network", "settings"), PAIRS, ids=lambda v: v["code"] if isinstance(v, dict) else v
)
def test_lava_equals_the_simulator(network: str, settings: dict[str, Any], residual: Path) -> None:
    """50 digits: outputs, every payload and every count; two separate executions."""
    if network == "lenet5-max" and not MAX.exists():
        pytest.skip("the model lies in examples/, which is not here")
    path = {"lenet5": DEMO / "lenet5.onnx", "lenet5-max": MAX, "residual": residual}[network]
    some = digits("calibration")[:64]
    net = snnc.compile(path, target="lava", calibration=some, **settings)
    if network == "residual":
        copies = {node.name: node.copies for node in net.graph.of_type(Conv)}
        assert copies["relu1.identity"] >= 8
        assert copies["conv3"] == 1
        assert len(net.graph.of_type(IF)) == 5
    twin = snnc.compile(path, calibration=some, **settings)
    got = net.run(digits("x")[:50], record=True)
    expected = twin.run(digits("x")[:50], record=True)
    np.testing.assert_array_equal(got.decoded["logits"], expected.decoded["logits"])
    assert got.spikes.keys() == expected.spikes.keys()
    for name, trains in expected.spikes.items():
        np.testing.assert_array_equal(got.spikes[name], trains, name)
    for name, counts in expected.activity.items():
        np.testing.assert_array_equal(got.activity[name].spikes, counts.spikes, name)
        np.testing.assert_array_equal(got.activity[name].synops, counts.synops, name)
