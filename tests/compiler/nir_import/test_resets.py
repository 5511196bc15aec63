"""A file keeps the reset it had when it was written, and a warning says which was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc import compile
from snnc.ir import LIF
from snnc.ir.errors import OptionError
from tests.nir_files import chain, lif, neuron

SAID = {"v_reset": 0.25}


@pytest.mark.parametrize(
    ("version", "fields", "reset", "taken", "said"),
    [
        ("1.0.5", {}, "auto", "subtract", "nir 1.0.5 is before 1.0.6, and there is no v_reset"),
        ("0.2.0", {}, "auto", "subtract", "nir 0.2.0 is before 1.0.6"),
        (None, {}, "auto", "subtract", "no version is before 1.0.6"),
        ("nonsense", {}, "auto", "subtract", "nir nonsense is before 1.0.6"),
        ("1.0.6", {}, "auto", "value", "nir 1.0.6 means v_reset = 0"),
        ("1.1", {}, "auto", "value", "nir 1.1 means v_reset = 0"),
        ("1.0.6.dev3+g12", SAID, "auto", "value", ""),
        ("1.0.8", SAID, "auto", "value", ""),
        ("1.0.4", SAID, "auto", "value", "there is a v_reset, though nir 1.0.4 is before 1.0.6"),
        ("1.0.4", {}, "zero", "value", "--reset zero, whatever the file means (nir 1.0.4)"),
        ("1.0.8", SAID, "subtract", "subtract", "--reset subtract, whatever the file means"),
    ],
)
def test_the_version_decides(
    tmp_path: Path, version: str | None, fields: dict[str, Any], reset: str, taken: str, said: str
) -> None:
    path = chain(tmp_path / "n.nir", lif(**fields), shape=(1,), version=version)
    network = compile(path, timesteps=1, reset=reset)
    (node,) = network.graph.of_type(LIF)
    assert node.reset == taken
    if taken == "value":
        assert node.reset_to.item() == fields.get("v_reset", 0)
    warnings = [message for message, _ in network.report["warnings"]]
    assert len(warnings) == bool(said)
    assert not said or said in warnings[0]


@pytest.mark.parametrize(
    ("r", "dt", "given", "gain", "warned"),
    [
        (1.0, 1e-4, "auto", 1.0, True),
        (1.0, 1.0, "auto", 1.0, False),
        (1e4, 1e-4, "auto", 1.0, False),
        (5.0, 1e-4, "auto", 5e-4, False),
        (1.0, 1e-4, "second", 1e-4, False),
        (5.0, 1e-4, "step", 5.0, False),
    ],
)
def test_what_r_is_without_leak(
    tmp_path: Path, r: float, dt: float, given: str, gain: float, warned: bool
) -> None:
    path = chain(tmp_path / "n.nir", neuron("IF", r=r, v_threshold=1, v_reset=0), shape=(1,))
    network = compile(path, timesteps=1, dt=dt, if_gain=given)
    (node,) = network.graph.of_type(LIF)
    assert node.gain.item() == pytest.approx(gain, rel=1e-12)
    assert bool(network.report["warnings"]) == warned


def test_a_file_that_means_steps_of_euler(tmp_path: Path) -> None:
    path = chain(tmp_path / "n.nir", lif(tau=1e-3, r=10.0, v_reset=0), shape=(1,))
    ((message, hint),) = compile(path, timesteps=1).report["warnings"]
    assert "as snnTorch writes it" in message
    assert "--discretisation euler" in hint
    assert not compile(path, timesteps=1, discretisation="euler").report["warnings"]


def test_a_step_longer_than_a_time_constant(tmp_path: Path) -> None:
    path = chain(tmp_path / "n.nir", lif(tau=1e-3), shape=(1,))
    with pytest.raises(Exception, match=r"0: has a time constant of 0.001 s, shorter than a step"):
        compile(path, timesteps=1, dt=2e-3, discretisation="euler")
    (node,) = compile(path, timesteps=1, dt=2e-3).graph.of_type(LIF)
    assert node.decay.item() == pytest.approx(np.exp(-2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": 0}, "--dt 0.0 is no length"),
        ({"dt": "soon"}, "is no number"),
        ({"timesteps": 0}, "--timesteps 0 is out of range"),
        ({"discretisation": "midpoint"}, "unknown --discretisation 'midpoint'"),
        ({"reset": "soft"}, "unknown --reset 'soft'"),
        ({"if_gain": "none"}, "unknown --if-gain 'none'"),
        ({"code": "rate"}, "--code: no meaning for a NIR file"),
        ({"thresholds": "max", "weight_bits": 4}, "--thresholds, --weight-bits: no meaning"),
        ({"calibration": np.zeros((1, 1))}, "--calibration: no meaning"),
        ({"time_steps": 3}, "unknown option 'time_steps'"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, object], message: str) -> None:
    path = chain(tmp_path / "n.nir", lif(), shape=(1,))
    with pytest.raises(OptionError, match=message) as error:
        compile(path, **options)  # type: ignore[arg-type]
    assert error.value.hint
