"""``snnc fit``, and the events it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.chips import CHIPS, LOIHI2, Certainty
from snnc.compiler.placement import fit
from snnc.compiler.placement.activity import counted_activity, injected
from snnc.compiler.placement.layers import layers
from snnc.ir import Encoder, Graph, Input, TensorType
from tests.command_line import Command

RESNET = Path(__file__).parents[3] / "examples" / "models" / "resnet20.onnx"


def test_for_human_eyes(command: Command, artifact: Path, data_file: Path) -> None:
    found = command("fit", artifact, "--data", data_file)
    assert (found.status, found.err) == (0, "")
    for text in (
        "on Loihi 2, the fullest core of each layer",
        "cores        4 on 1 chip",
        "counted: mean over 20 samples",
        "fits         yes, as far as can be checked",
        "not checked  routing tables",
        "physical fit is unverified",
    ):
        assert text in found.out


def test_as_json(command: Command, artifact: Path) -> None:
    found = command("fit", artifact, "--chip", "loihi1", "--json").json
    assert found["physical_fit_verified"] is False
    assert found["fits"] is False
    assert all(problem["hint"] for problem in found["violations"])
    assert found["traffic"]["basis"].startswith("assumed")
    assert len(found["placement"]) == found["cores"]
    assert {limit["certainty"] for limit in found["limits"]} <= {c.value for c in Certainty}
    assert all(limit["source"] for limit in found["limits"])


@pytest.mark.parametrize(
    "words",
    [("--chip", "loihi3"), ("--chips", "0"), ("--seed", "-1"), ("--neurons-per-core", "0")],
    ids=str,
)
def test_refusals(command: Command, artifact: Path, words: tuple[str, ...]) -> None:
    found = command("fit", artifact, *words)
    assert found.status == 2
    assert found.err.startswith(f"error: {words[0]}")


def test_another_number_of_neurons_is_marked_as_such(command: Command, artifact: Path) -> None:
    found = command("fit", artifact, "--neurons-per-core", 8, "--json").json
    assert max(core["neurons"] for core in found["placement"]) <= 8
    (limit,) = [limit for limit in found["limits"] if limit["name"] == "neurons"]
    assert (limit["value"], limit["certainty"]) == (8, "unverified")


def test_unverified_figures_are_not_called_published() -> None:
    for chip in CHIPS.values():
        assert chip.state_bits.certainty is Certainty.UNVERIFIED
        assert chip.soft_reset.certainty is Certainty.UNVERIFIED


def test_events_are_those_of_the_simulator(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    with np.load(data_file) as data:
        samples = {"x": data["x"][:6]}
    parts = layers(network.graph, LOIHI2)
    events = counted_activity(network.graph, parts, network.timesteps, samples)
    result = network.program.run(samples)
    for layer in parts:
        own = events[layer.first : layer.first + layer.size].sum() * network.timesteps
        if layer.name in result.activity:
            assert own == pytest.approx(result.activity[layer.name].spikes.sum(axis=1).mean())
    (encoder,) = [layer for layer in parts if not layer.projections]
    (reader,) = [node for node in network.graph.users[encoder.name] if node.name in result.activity]
    own = events[encoder.first : encoder.first + encoder.size].sum() * network.timesteps
    assert own == pytest.approx(result.activity[reader.name].spikes.sum(axis=1).mean())


@pytest.mark.parametrize("once", [False, True])
def test_injected_events_of_sequences(once: bool) -> None:
    """2 samples of 3 elements, 4 steps each: a neuron injects at one of 4 steps, or at each."""
    type = TensorType((2,))
    encoder = Encoder(name="e", inputs=("x",), scale=1.0, once=once)
    graph = Graph([Input(name="x", type=type), encoder], {"y": "e"})
    (layer,) = layers(graph, LOIHI2)
    x = np.array([[[1, 0], [2, 0], [0, 0]], [[-3, 0.4], [0.6, 0], [0, 9]]])
    events = injected(layer, encoder, {"x": x}, steps=3 * 4)
    assert events.tolist() == [4 * (1 if once else 4), 1 * (1 if once else 4)]


@pytest.mark.skipif(not RESNET.exists(), reason="runs in a checkout only")
def test_placement_saves_traffic_on_resnet20() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)
    net = snnc.compile(RESNET, calibration=x, code="ternary", correction="none", timesteps=2)
    found = fit(net.graph, LOIHI2)
    assert found.fits
    assert found.chips == 1
    assert found.saved >= 0.3
