"""The quantised models that come with the repository are computed exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.compiler.demo import bundled
from snnc.compiler.oracle import verify_model

MODELS = Path(__file__).parent.parent.parent / "examples" / "models"

pytestmark = pytest.mark.skipif(not MODELS.exists(), reason="runs in a checkout only")


@pytest.mark.parametrize(("name", "steps"), [("int8", 97), ("int4", 1), ("int2", 1)])
def test_lenet_is_equal_on_digits(name: str, steps: int) -> None:
    model, digits = MODELS / f"lenet5-{name}.onnx", bundled().test[:20]
    network = snnc.compile(model, code="exact")
    assert network.timesteps == steps
    found = verify_model(network, model, {"x": digits})
    assert found.equal, found.first_difference
    said = found.to_json()["onnxruntime"]
    assert said["unexplained"] == 0
    assert said["max_difference_lsb"] <= 1
    # Only the pools after training have one scale on both sides, where means are ties.
    assert (said["ties"] > 0) == (name == "int8")


@pytest.mark.parametrize("name", [pytest.param("int8", marks=pytest.mark.slow), "int4"])
def test_resnet_is_equal_on_noise(name: str) -> None:
    model = MODELS / f"resnet20-{name}.onnx"
    x = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    found = verify_model(snnc.compile(model, code="exact"), model, {"x": x})
    assert found.equal, found.first_difference
    assert found.to_json()["onnxruntime"]["unexplained"] == 0
