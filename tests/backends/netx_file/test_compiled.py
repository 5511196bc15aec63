"""A trained network for target ``netx``: the compiler keeps to what the format can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.netx_file.network import MEMBRANE
from snnc.compiler import demo
from snnc.ir import IF, Array, Integrator

LENET = Path(demo.__file__).parent


@pytest.fixture(scope="module")
def digits() -> Array:
    with np.load(LENET / "digits.npz") as file:
        return np.asarray(file["calibration"][:64] / np.float32(255), np.float32)


@pytest.fixture(scope="module")
def network(digits: Array) -> snnc.Network:
    """LeNet-5 with the defaults of the target."""
    model = LENET / "lenet5.onnx"
    return snnc.compile(model, target="netx", calibration=digits, timesteps=12, input_bits=7)


def test_every_layer_has_one_step_and_starts_at_zero(network: snnc.Network) -> None:
    populations = network.graph.of_type(IF)
    assert len(populations) == 6
    for node in populations:
        assert node.reset == "zero"
        assert not node.initial.any()
        assert len(np.unique(node.threshold)) == 1
        assert node.clamp in (None, MEMBRANE)
    assert any(node.clamp for node in populations), "17 bits are few: something saturates here"
    (readout,) = network.graph.of_type(Integrator)
    assert len(np.unique(readout.scale)) == 1, "the largest membrane is the largest output"
    manifest = network.artifact.manifest
    assert manifest["contract"]["reset"] == "to zero"
    assert manifest["options"]["shift"] == "step"
    assert manifest["options"]["code"] == "rate"


def test_a_saved_network_is_loaded_and_answers_alike_on_the_simulator(
    network: snnc.Network, digits: Array, tmp_path: Path
) -> None:
    pytest.importorskip("h5py", reason="the extra netx is not installed")
    network.save(tmp_path / "out")
    assert (tmp_path / "out" / "network.net").exists()
    loaded = snnc.load(tmp_path / "out", on="numpy")
    assert loaded.artifact.target == "netx"
    got = loaded.run(loaded.golden.inputs["x"])
    np.testing.assert_array_equal(got.decoded["logits"], network.golden.decoded["logits"])
