"""The command line on a model that is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snnc.compiler.partition.storage import load, save
from tests.command_line import Command
from tests.compiler.partition import models


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.softmax_in_the_middle(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "xy.npz"
    x = rng.normal(size=(12, 1, 8, 8)).astype(np.float32)
    np.savez(path, x=x, y=rng.integers(0, 5, 12))
    return path


def test_the_whole_journey(command: Command, model: Path, data: Path) -> None:
    found = command(model, "--calibration", data, "--timesteps", 4, "-o", "out")
    assert found.status == 0
    assert "warning: 1 of the model's nodes run on the host" in found.err
    assert "s (Softmax): is not supported" in found.err
    assert "cut into 3 regions" in found.out
    ran = command("run", "out", "--input", data, "--output", "y.npz", "--json").json
    assert np.load("y.npz")["y"].shape == (12, 5)
    assert (ran["samples"], ran["outputs"]) == (12, {"y": [12, 5]})
    assert ran["activity"]["2-spiking/e"]["spikes"] > 0
    verified = command("verify", "out", "--model", model, "--data", data, "--json")
    assert verified.status == 0
    assert verified.json["equal"] is True
    assert verified.json["spike_counts_compared"] > 0
    evaluated = command("evaluate", "out", "--data", data, "--json").json
    assert [entry["timesteps"] for entry in evaluated["snn"]] == [4]
    estimated = command("estimate", "out", "--data", data, "--json").json
    assert estimated["host"]["energy_joules"] is None
    regions = estimated["regions"].values()
    together = sum(region["snn"]["synops"] for region in regions)
    assert estimated["snn"]["synops"] == pytest.approx(together)
    assert estimated["snn"]["latency_steps"] == 8
    shown = command("show", "out", "--json").json
    assert list(shown["graphs"]) == ["0-spiking", "2-spiking"]
    assert [entry["node"] for entry in shown["partition"]["host"]] == ["s"]
    for words in (["show", "out"], ["verify", "out"], ["estimate", "out", "--data", data]):
        assert command(*words).status == 0


def test_the_original_model_stands_beside_a_changed_one(
    command: Command, model: Path, data: Path, tmp_path: Path
) -> None:
    options = ("--calibration", data, "--timesteps", 4)
    assert command(model, *options, "-o", "plain").status == 0
    assert command(model, *options, "--quantize", 8, "-o", "changed").status == 0
    plain = command("evaluate", "plain", "--data", data, "--json").json
    changed = command("evaluate", "changed", "--data", data, "--json").json
    assert "original_ann" not in plain
    assert changed["ann"]["changed_by"] == "--quantize"
    assert changed["original_ann"]["accuracy"] == plain["ann"]["accuracy"]


def test_a_wrong_payload_is_found_in_its_region(command: Command, model: Path, data: Path) -> None:
    command(model, "--calibration", data, "--timesteps", 4, "-o", "out")
    room = Path("out/regions/2-spiking")
    network = load(Path("out"))
    assert command("verify", room).status == 0
    spikes = network.networks["2-spiking"].golden.spikes
    spikes["e"][0, 1] += 1
    save(network, Path("wrong"))
    found = command("verify", "wrong", "--json")
    assert found.status == 1, found.err
    assert found.json["first_difference"]["node"] == "2-spiking/e"
    assert found.json["first_difference"]["step"] == 2


def test_inspect_says_what_is_cut(command: Command, model: Path) -> None:
    found = command("inspect", model, "--json").json
    assert found["convertible"] is True
    assert found["unsupported"] == []
    assert [(entry["operator"], entry["node"]) for entry in found["host"]] == [("Softmax", "s")]
    macs = {region["name"]: region["macs"] for region in found["partition"]["regions"]}
    assert macs == {"0-spiking": 4 * 9 * 64, "1-host": 0, "2-spiking": 4 * 36 * 16 + 64 * 5}
    assert found["spiking_share"] == 1.0
    assert found["inputs"] == [{"name": "x", "shape": [1, 8, 8]}]
    assert found["outputs"] == [{"name": "y", "shape": [5]}]
    text = command("inspect", model).out
    assert "yes, in part: 100.0% of the multiply-accumulates spike" in text
    assert "1/32 of their full scale" in text
    refused = command("inspect", model, "--require-full", "--json").json
    assert refused["convertible"] is False
    assert [entry["node"] for entry in refused["unsupported"]] == ["s"]


def test_inspect_counts_what_the_host_multiplies(command: Command, tmp_path: Path) -> None:
    found = command("inspect", models.attention(tmp_path), "--json").json
    host = 16 * 6 * 6 + 16 * 16 * 6 + 16 * 16 * 6
    spiking = 6 * 4 * 16 + 6 * 40 + 40 * 3
    assert found["partition"]["host_macs"] == host
    assert found["spiking_share"] == pytest.approx(spiking / (host + spiking))


def test_inspect_compares_targets(command: Command, model: Path) -> None:
    found = command("inspect", model, "--target", "all", "--code", "augmented", "--json").json
    assert found["targets"]["numpy"]["convertible"] is True
    assert found["targets"]["lava"]["convertible"] is True
    assert found["targets"]["netx"]["convertible"] is False  # binary spikes only
    assert "yes, in part" in command("inspect", model, "--target", "all").out


def test_commands_for_whole_networks_name_the_regions(
    command: Command, model: Path, data: Path
) -> None:
    command(model, "--timesteps", 4, "-o", "out")
    for words in (["fit", "out"], ["report", "out"]):
        found = command(*words)
        assert found.status == 2
        assert "regions/0-spiking" in found.err
    assert command("evaluate", "out", "--data", data, "--explain").status == 2
    assert command(model, "--require-full", "-o", "full").status == 2
    assert not Path("full").exists()
