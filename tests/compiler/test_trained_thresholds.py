"""Whole compilations of networks whose training chose the thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.onnx_runtime import AnnSession
from snnc.ir import IF, Array
from tests.command_line import write_model

SIZE = "(float[N,4] x) => (float[N,3] y)"
QCFS = "a = Mul (h, inv) b = Add (a, half) c = Floor (b) d = Clip (c, zero, top) r = Mul (d, step)"
RNL = "a = Relu (h) b = Div (a, theta) r = Clip (b, zero, one)"


def constants() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    numbers = {"inv": 4, "step": 0.25, "half": 0.5, "zero": 0, "top": 8, "one": 1, "theta": 0.75}
    return {name: np.array(float(value)) for name, value in numbers.items()} | {
        "w": rng.integers(-16, 17, (4, 4)) / 8,
        "v": rng.integers(-16, 17, (4, 3)) / 8,
    }


def samples(seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(40, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def staircases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "qcfs.onnx"
    nodes = f"h = MatMul (x, w) {QCFS} y = MatMul (r, v)"
    return write_model(path, nodes, SIZE, constants())


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "rnl.onnx"
    nodes = f"h = MatMul (x, w) {RNL} y = MatMul (r, v)"
    return write_model(path, nodes, SIZE, constants())


@pytest.mark.parametrize("thresholds", [None, "max", "percentile", "mmse", "bound"])
@pytest.mark.parametrize("correction", ["none", "reconstruct"])
def test_no_rule_changes_what_a_staircase_says(
    staircases: Path, thresholds: str | None, correction: str
) -> None:
    net = snnc.compile(
        staircases,
        calibration=samples(),
        code="rate",
        weight_bits=None,
        thresholds=thresholds,
        correction=correction,
    )
    (node,) = net.graph.of_type(IF)
    assert np.all(node.unit == 2)  # 8 levels of 0.25
    assert net.report["thresholds"] == "trained in 1 of 1 populations"


def test_the_network_is_its_ann_at_one_step_a_level(staircases: Path) -> None:
    """One layer, real weights, T = 8 levels: the outputs are equal but for float32."""
    net = snnc.compile(
        staircases,
        calibration=samples(),
        code="rate",
        timesteps=8,
        weight_bits=None,
        correction="none",
    )
    x = np.random.default_rng(2).integers(-16, 17, (200, 4)).astype(np.float32) / 8
    expected = AnnSession(staircases.read_bytes()).run({"x": x})["y"]
    found = net.run(x).outputs
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert net.artifact.ann is not None
    np.testing.assert_array_equal(AnnSession(net.artifact.ann).run({"x": x})["y"], expected)


@pytest.mark.parametrize("target", ["numpy", "lava"])
def test_integer_networks_keep_the_threshold(staircases: Path, target: str) -> None:
    net = snnc.compile(
        staircases, calibration=samples(), target=target, code="ternary", correction="none"
    )
    (node,) = net.graph.of_type(IF)
    assert np.all(node.unit == 2)
    assert np.all(np.abs(2 * node.initial - node.threshold) <= 1)  # half of it, rounded


def test_without_calibration_only_the_input_is_guessed(staircases: Path) -> None:
    report = snnc.compile(staircases, code="rate").report
    assert report["thresholds"] == "trained in 1 of 1 populations"
    ((message, hint),) = report["warnings"]
    assert "range of the input" in message
    assert "--calibration" in hint


def test_the_rule_bound_takes_the_threshold_of_a_rate_norm_layer(rates: Path) -> None:
    """Even where the calibration data never reach it; other rules follow the data."""
    options: dict[str, Any] = {
        "code": "rate",
        "weight_bits": None,
        "correction": "none",
        "v_init": 0.0,
    }
    small = samples() / 20
    units = {}
    for rule in ("bound", "max"):
        net = snnc.compile(rates, calibration=small, thresholds=rule, **options)
        (node,) = net.graph.of_type(IF)
        units[rule] = float(node.unit.item())
        if rule == "bound":
            assert net.report["thresholds"] == "trained in 1 of 1 populations"
    assert units["bound"] == 1
    assert units["max"] < 0.8


def test_the_report_says_how_fast_rates_converge(rates: Path) -> None:
    report = snnc.compile(rates, calibration=samples(), thresholds="bound").report
    x = samples()
    rate = np.clip(np.maximum(x @ constants()["w"], 0) / 0.75, 0, 1)
    expected = rate.sum() / np.square(rate).sum()
    assert report["rate_convergence"] == {"r": pytest.approx(expected, rel=5e-3)}
