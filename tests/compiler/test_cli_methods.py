"""The methods from the command line: their options, and LeNet-5 from compile to estimate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.compiler import demo
from tests.command_line import Command

LENET = Path(demo.__file__).parent
"""The demo: LeNet-5 with average pools, six populations of which two are averages."""

SAMPLES = 8


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few digits ``x`` with their labels ``y``."""
    with np.load(LENET / "digits.npz") as file:
        x = file["x"][:SAMPLES].astype(np.float32) / np.float32(255)
        y = file["y"][:SAMPLES]
    path = tmp_path_factory.mktemp("digits") / "xy.npz"
    np.savez(path, x=x, y=y)
    return path


@pytest.fixture
def compiled(command: Command, digits: Path) -> Callable[..., dict[str, Any]]:
    """Compile LeNet-5 into the folder ``out`` with T = 4 and some more words."""

    def run(*words: object) -> dict[str, Any]:
        with np.load(LENET / "digits.npz") as file:
            np.savez("train.npz", x=file["calibration"][:64].astype(np.float32) / np.float32(255))
        known = (LENET / "lenet5.onnx", "--calibration", "train.npz", "-o", "out", "--json")
        found = command(*known, "--timesteps", 4, "--correction", "none", *words)
        assert (found.status, found.err) == (0, ""), found.err
        result: dict[str, Any] = found.json
        return result

    return run


METHODS = [
    (("--code", "radix"), "RadixIF", 15, 4),
    (("--code", "radix", "--radix", 4), "RadixIF", 15, 4),
    (("--two-phase", "offset", "--rehearsal", 3), "TwoPhaseIF", 18, 1),
    (("--two-phase", "residual", "--rehearsal", 3), "TwoPhaseIF", 3, 1),
    (
        ("--code", "multithreshold", "--differential", "--weight-bits", "float"),
        *("DifferentialIF", 0, 1),
    ),
    (("--code", "ternary", "--readout-delay", 1), "IF", 0, 2),
    (("--code", "rate", "--reset", "zero"), "IF", 0, 1),
    (("--code", "multithreshold", "--select", "greedy", "--max-payload", 4), "IF", 0, 1),
]


@pytest.mark.parametrize(("words", "kind", "latency", "first"), METHODS)
def test_every_command_works_on_every_schedule(
    command: Command,
    compiled: Callable[..., dict[str, Any]],
    digits: Path,
    words: tuple[object, ...],
    kind: str,
    latency: int,
    first: int,
) -> None:
    """Golden data, outputs and counts are longer than T where neurons wait or rehearse."""
    found = compiled(*words)
    assert found["depth_latency"] == latency
    network = snnc.load("out")
    assert {type(node).__name__ for node in network.graph.populations} == {kind}
    kinds = {
        entry["kind"] for entry in network.artifact.manifest["contract"]["populations"].values()
    }
    assert kinds == {kind}
    for golden in network.golden.spikes.values():
        assert golden.shape[1] == 4 + latency

    verified = command("verify", "out", "--json").json
    assert (verified["equal"], verified["compared_with"]) == (True, "golden")
    replayed = command("verify", "out", "--data", digits, "--json").json
    assert (replayed["equal"], replayed["compared_with"]) == (True, "reference")

    ran = command("run", "out", "--input", digits, "--output", "y.npz", "--json").json
    assert (ran["timesteps"], ran["depth_latency"]) == (4, latency)
    with np.load("y.npz") as file:
        (outputs,) = (file[name] for name in file.files)
    assert outputs.shape == (SAMPLES, 10)

    evaluated = command("evaluate", "out", "--data", digits, "--json").json
    assert evaluated["snn"][0]["timesteps"] >= first
    assert evaluated["snn"][-1]["timesteps"] == 4
    assert evaluated["snn"][-1]["accuracy"] >= 0.75
    spikes = [entry["spikes_per_sample"] for entry in evaluated["snn"]]
    assert spikes == sorted(spikes)
    counted = sum(activity["spikes"] for activity in _populations(network, ran))
    assert spikes[-1] == pytest.approx(counted, rel=1e-3)

    estimated = command("estimate", "out", "--data", digits, "--json").json
    assert estimated["snn"]["latency_steps"] == 4 + latency
    assert estimated["snn"]["energy_joules"] > 0


def _populations(network: snnc.Network, ran: dict[str, Any]) -> list[dict[str, float]]:
    return [ran["activity"][node.name] for node in network.graph.populations]


@pytest.mark.parametrize(
    ("words", "step", "reason"),
    [
        (("--code", "radix"), 3, "no answer before step 4"),
        (("--code", "ternary", "--readout-delay", 2), 2, "no answer before step 3"),
    ],
)
def test_an_answer_is_not_read_too_early(
    command: Command,
    compiled: Callable[..., dict[str, Any]],
    digits: Path,
    words: tuple[object, ...],
    step: int,
    reason: str,
) -> None:
    compiled(*words)
    found = command("evaluate", "out", "--data", digits, "--timesteps", step)
    assert found.status == 2
    assert reason in found.err
    assert "hint: give " in found.err


def test_an_automatic_delay_is_told(compiled: Callable[..., dict[str, Any]]) -> None:
    found = compiled("--code", "rate", "--timesteps", 32, "--readout-delay", "auto")
    assert found["options"]["readout_delay"] == "auto"
    (told,) = (text for text in found["report"]["approximations"] if "leave out" in text)
    start = snnc.load("out").first_answer
    assert told == f"the outputs leave out the first {start - 1} steps"
    assert 2 <= start <= 29


@pytest.mark.parametrize("rule", ["local", "iteration", "spike-norm"])
def test_threshold_rules_are_told(compiled: Callable[..., dict[str, Any]], rule: str) -> None:
    found = compiled("--thresholds", rule)
    assert found["report"]["thresholds"].startswith(rule)


@pytest.mark.parametrize("correction", ["light", "advanced"])
def test_corrections_are_told(compiled: Callable[..., dict[str, Any]], correction: str) -> None:
    plain = compiled()
    found = compiled("--correction", correction)
    assert found["report"]["correction"] == correction
    more = len(found["report"]["approximations"]) - len(plain["report"]["approximations"])
    assert more == 1


def test_a_spread_shift_is_an_option(compiled: Callable[..., dict[str, Any]]) -> None:
    compiled("--code", "rate", "--shift", "step", "--weight-bits", "float")
    assert all(not node.initial.any() for node in snnc.load("out").graph.populations)


@pytest.mark.parametrize(
    "words",
    [
        ("--code", "radix", "--shift", "step"),
        ("--code", "ternary", "--differential"),
        ("--two-phase", "offset", "--code", "augmented"),
        ("--two-phase", "sideways"),
        ("--readout-delay", 8),
        ("--readout-delay", "soon"),
        ("--code", "radix", "--radix", 1),
        ("--code", "multithreshold", "--max-payload", 3),
        ("--code", "radix", "--target", "lava"),
        ("--two-phase", "offset", "--target", "lava"),
        ("--code", "multithreshold", "--target", "lava"),
        ("--readout-delay", 2, "--target", "lava"),
    ],
)
def test_refusals_have_a_hint_each(
    command: Command, model_file: Path, words: tuple[object, ...]
) -> None:
    found = command(model_file, *words, "--json")
    assert (found.status, found.out) == (2, "")
    lines = found.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    hints = [line for line in lines if line.startswith("hint: ")]
    assert errors
    assert len(errors) == len(hints)
    assert not Path("tiny-numpy").exists()
