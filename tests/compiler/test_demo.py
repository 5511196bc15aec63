"""The bundled model and digits, and the journey on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.compiler.demo import bundled
from tests.command_line import Command


def test_the_bundle() -> None:
    demo = bundled()
    assert demo.test.shape == (500, 1, 28, 28)
    assert demo.calibration.shape == (256, 1, 28, 28)
    assert demo.labels.shape == (500,)
    assert demo.test.dtype == np.float32
    assert demo.labels.dtype == np.int64
    assert (demo.test.min(), demo.test.max()) == (0, 1)
    assert sum(path.stat().st_size for path in demo.model.parent.iterdir() if path.is_file()) < 1e6


def test_demo(command: Command, tmp_path: Path) -> None:
    found = command("demo", "--samples", 40)
    assert (found.status, found.err) == (0, "")
    for text in (
        "on 40 digits of the MNIST test set, executed on numpy:",
        "ANN accuracy",
        "SNN accuracy",
        "T               8 steps",
        "depth latency   0 steps",
        "spikes          ",
        "SynOps          ",
        "source: M. Horowitz",
        "equal to the reference: yes (16 samples",
    ):
        assert text in found.out
    assert not list(tmp_path.iterdir())


def test_demo_as_json_and_with_an_artifact(command: Command) -> None:
    found = command("demo", "--samples", 100, "-o", "out", "--json").json
    assert found["artifact"] == "out"
    assert found["evaluate"]["samples"] == found["estimate"]["samples"] == 100
    assert found["evaluate"]["ann"]["accuracy"] >= 0.98
    assert found["evaluate"]["snn"][-1]["accuracy"] >= 0.97
    assert found["verify"]["equal"] is True
    assert command("verify", "out").status == 0
    assert snnc.load("out").timesteps == found["timesteps"]


@pytest.mark.lava
def test_demo_on_lava(command: Command) -> None:
    found = command("demo", "--target", "lava", "--samples", 10, "--json").json
    assert (found["executed_on"], found["depth_latency"]) == ("lava", 7)
    assert found["verify"]["compared_with"] == "simulator"
    assert (found["verify"]["equal"], found["verify"]["samples"]) == (True, 10)


@pytest.mark.parametrize("samples", [0, 501])
def test_there_are_500_digits(command: Command, samples: int) -> None:
    found = command("demo", "--samples", samples)
    assert found.status == 2
    assert "from 1 to 500" in found.err
