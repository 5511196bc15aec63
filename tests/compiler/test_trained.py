"""Networks that were trained as spiking ones: wrapped, saved, loaded, verified, run, evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.artifact import require_ann
from snnc.compiler.cli import main
from snnc.compiler.evaluate import evaluate
from snnc.compiler.explain import explain
from snnc.compiler.trained import trained_network
from snnc.compiler.verify import verify
from snnc.ir import (
    LIF,
    Array,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    Signal,
    TensorType,
)
from snnc.ir.errors import ArtifactError, DataError
from snnc.ir.reference import run
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs, loihi_graph

SPIKES = TensorType((6,), Signal.SPIKES, (0, 1))


def counting() -> Graph:
    """Binary events in; a recurrent population; counts of its spikes out."""
    rng = np.random.default_rng(0)
    nodes = [
        Input(name="x", type=TensorType((5,)), stepwise=True),
        Encoder(name="e", inputs=("x",), scale=1.0, bounds=(0, 1)),
        Linear(name="w", inputs=("e",), weight=rng.integers(-3, 8, (6, 5)) / 8),
        Feedback(name="back", source="n", type=SPIKES),
        Linear(name="r", inputs=("back",), weight=rng.integers(-3, 4, (6, 6)) / 8),
        LIF(name="n", inputs=("w", "r"), decay=np.full(1, 0.75), threshold=np.ones(1)),
        Linear(name="one", inputs=("n",), weight=np.eye(6)),
        Integrator(name="y", inputs=("one",), bias=np.zeros(1), scale=np.ones(1), decoding="sum"),
    ]
    return Graph(nodes, {"y": "y"})


def events(samples: int = 12, steps: int = STEPS) -> Array:
    return np.random.default_rng(1).integers(0, 2, (samples, steps, 5)).astype(np.float32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    data = tmp_path / "xy.npz"
    labels = run(counting(), {"x": events()}, STEPS).outputs["y"][-1].argmax(axis=1)
    np.savez(data, x=events(), y=labels)
    return trained_network(counting(), STEPS, data, notes=["a note"]).save(tmp_path / "out")


def test_a_network_comes_back_and_is_verified(saved: Path) -> None:
    network = snnc.load(saved)
    found = network.run(events())
    expected = run(counting(), {"x": events()}, STEPS)
    np.testing.assert_array_equal(found.decoded["y"][:, -1], expected.outputs["y"][-1])
    assert verify(network).equal
    assert verify(network, {"x": events()}).equal
    assert (
        network.artifact.manifest["contract"]["input_coding"] == "a payload of its own every step"
    )
    assert network.artifact.manifest["contract"]["populations"]["n"]["reset"] == "subtract"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("make", [leaky_graph, loihi_graph])
def test_random_networks_without_data(make: type, seed: int, tmp_path: Path) -> None:
    graph = make(seed)
    network = snnc.load(trained_network(graph, STEPS).save(tmp_path / "out"))
    assert verify(network).equal
    assert verify(network, leaky_inputs(graph, seed)).equal


@pytest.mark.parametrize("command", ["run", "verify", "show", "evaluate", "estimate"])
def test_the_command_line(command: str, saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(saved.parent / "xy.npz")
    given = {"run": ["--input", data], "show": []}.get(command, ["--data", data])
    assert main([command, str(saved), *given]) == 0
    told = capsys.readouterr()
    if command == "show":
        assert "LIF(%w, %r" in told.out
        assert "code         trained, payloads 0 to 1" in told.out
        assert "a note" in told.out
    if command == "evaluate":
        assert "trained as a spiking network: there is no source ANN" in told.out
    if command == "estimate":
        assert "no source ANN: the network was trained as a spiking one" in told.out
        assert "twin" not in told.out.split("verdict")[0].split("no source ANN")[0]


def test_an_estimate_without_an_ann(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The spiking network is counted and costed; nothing stands in for its rivals."""
    data, figures = str(saved.parent / "xy.npz"), saved.parent / "figures.csv"
    given = ["--data", data, "--neurobench", "--csv", str(figures), "--json"]
    assert main(["estimate", str(saved), *given]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["twin"] is found["ann"] is found["ann_int8"] is found["twin_layers"] is None
    assert found["no_ann"] == "no source ANN: the network was trained as a spiking one"
    layers = {layer["node"]: layer for layer in found["layers"]}
    sent = run(counting(), {"x": events()}, STEPS).spikes["n"]
    assert layers["n"]["events"] == np.count_nonzero(sent) / 12
    assert layers["n"]["macs"] == layers["n"]["neuron_updates"] == 6 * STEPS  # one decay each
    assert layers["e"]["macs"] == layers["w"]["macs"] == 0  # events, nothing to multiply
    assert found["encoder"]["events"] == np.count_nonzero(events()) / 12
    assert all(model["twin"] is None for model in found["sensitivity"]["models"])
    assert all(model["snn_to_twin"] is None for model in found["sensitivity"]["models"])
    assert "no source ANN" in found["verdict"]
    assert found["latency"]["correct"]["at_end"] == 1
    rows = figures.read_text().splitlines()
    for rival in ("twin", "ann_int8", "ann"):
        (row,) = [row for row in rows if row.startswith(f"{rival},")]
        assert row.endswith(f"energy,,{found['no_ann']}")


def test_accuracy_has_no_ann_beside_it(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(saved.parent / "xy.npz")
    assert (
        main(["evaluate", str(saved), "--data", data, "--timesteps", f"1,{STEPS}", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["ann"]["accuracy"] is None
    assert found["ann"]["reason"] == "trained as a spiking network: there is no source ANN"
    assert [entry["timesteps"] for entry in found["snn"]] == [1, STEPS]
    assert found["snn"][-1]["accuracy"] == 1
    assert main(["evaluate", str(saved), "--data", data, "--explain"]) == 2
    told = capsys.readouterr()
    assert "trained as a spiking one: there is no source ANN" in told.err
    assert not told.out  # nothing ran in vain


def test_data_of_another_length(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = snnc.load(saved)
    with pytest.raises(DataError, match="have 9 time steps along axis 1, but the network runs 7"):
        network.run(events(steps=9))
    with pytest.raises(DataError, match=r"needs \(samples, timesteps, 5\)"):
        network.run(events()[:, 0])
    with pytest.raises(DataError, match="have 3 time steps"):
        trained_network(counting(), STEPS, events(steps=3))
    np.savez(saved.parent / "short.npz", x=events(steps=3))
    assert main(["run", str(saved), "--input", str(saved.parent / "short.npz")]) == 2
    assert "cut the data, or append zeros" in capsys.readouterr().err


def test_what_needs_the_ann_says_that_there_is_none(saved: Path) -> None:
    network = snnc.load(saved)
    assert evaluate(network, {"x": events()}, np.zeros(12, int)).ann_accuracy is None
    with pytest.raises(ArtifactError, match="trained as a spiking one"):
        require_ann(network.artifact)
    with pytest.raises(ArtifactError, match="trained as a spiking one"):
        explain(network, {"x": events()})
