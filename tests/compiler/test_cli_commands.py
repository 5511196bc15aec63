"""Every command where all goes well, for human eyes and as JSON."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

import snnc
from snnc.compiler.onnx_import import load
from snnc.ir.errors import ModelError
from tests.command_line import Command, change_weight, write_model
from tests.compiler.conftest import TIMESTEPS


def test_compile_says_what_it_did(command: Command, model_file: Path, data_file: Path) -> None:
    found = command(model_file, "--calibration", data_file, "--dump-passes", "dump")
    assert found.status == 0
    assert found.err == ""
    for text in (
        "code         augmented, payloads -4 to 4",
        "T = 8, depth latency 0",
        "cut off      Softmax",
        "written      tiny-numpy",
        "snnc verify tiny-numpy",
    ):
        assert text in found.out
    dumped = sorted(path.name for path in Path("dump").iterdir())
    assert dumped[:2] == ["00_imported.txt", "01_as_images.txt"]
    assert dumped[-1].endswith("_Quantize.txt")
    assert Path("dump/00_imported.txt").read_text().startswith("%x: real[1x6x6] = Input()")


def test_compile_warns_of_synthetic_calibration(command: Command, model_file: Path) -> None:
    found = command(model_file, "--json")
    warning, hint = found.err.splitlines()
    assert found.status == 0
    assert warning.startswith("warning: no calibration data")
    assert hint.startswith("hint: ")
    assert found.json["report"]["calibration"] == "synthetic"


def test_compile_as_json(command: Command, model_file: Path, data_file: Path) -> None:
    options = ("--code", "ternary", "--deadband", "1", "--no-guard", "--weight-bits", "float")
    words = (*options, "--thresholds", "percentile", "--percentile", "99", "--per-channel")
    found = command(model_file, "--calibration", data_file, *words, "-o", "out", "--json").json
    assert found["artifact"] == "out"
    assert (found["target"], found["code"], found["timesteps"]) == ("numpy", "ternary", 8)
    assert found["depth_latency"] == 0
    assert found["report"]["thresholds"] == "percentile per population", "too few samples"
    assert found["options"]["weight_bits"] is None
    assert found["options"]["guard"] is False
    assert snnc.load("out").graph


def test_compile_replaces_an_artifact(command: Command, model_file: Path) -> None:
    assert command(model_file, "--timesteps", 2, "-o", "out").status == 0
    assert command(model_file, "--timesteps", 3, "-o", "out").status == 0
    assert snnc.load("out").timesteps == 3
    assert [path.name for path in Path().iterdir()] == ["out"]


def test_run_writes_one_array_an_output(
    command: Command, two_outputs_file: Path, tmp_path: Path
) -> None:
    x = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    np.savez("x.npz", x=x)
    command(two_outputs_file, "-o", "out")
    found = command("run", "out", "--input", "x.npz", "--output", "y.npz")
    assert (found.status, found.err) == (0, "")
    assert "5 samples on numpy" in found.out
    outputs = snnc.load("out").run(x).outputs
    assert isinstance(outputs, dict)
    with np.load("y.npz") as file:
        assert sorted(file.files) == ["a", "b"]
        assert all(np.array_equal(file[name], outputs[name]) for name in ("a", "b"))
    assert command("run", "out", "--input", "x.npz", "--output", "y.npz").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x.npz", "y.npz"]


def test_run_as_json(command: Command, artifact: Path, data_file: Path) -> None:
    found = command("run", artifact, "--input", data_file, "--on", "numpy", "--json").json
    assert (found["samples"], found["timesteps"]) == (20, TIMESTEPS)
    assert (found["target"], found["executed_on"]) == ("numpy", "numpy")
    assert found["outputs"] == {"y": [20, 3]}
    assert set(found["activity"]["r"]) == {"spikes", "units", "synops", "unit_synops"}


def test_evaluate(command: Command, artifact: Path, data_file: Path) -> None:
    found = command("evaluate", artifact, "--data", data_file, "--timesteps", "4,1", "--json").json
    assert found["ann"]["accuracy"] == 0.95
    assert [entry["timesteps"] for entry in found["snn"]] == [1, 4]
    assert {
        *("timesteps", "accuracy", "spikes_per_sample", "payload_units_per_sample"),
        *("synops_per_sample", "unit_synops_per_sample"),
    } <= found["snn"][0].keys()
    table = command("evaluate", artifact, "--data", data_file).out
    assert "ANN           95.00% (76.4% to 99.1%)" in table


def test_estimate(command: Command, artifact: Path, data_file: Path) -> None:
    found = command("estimate", artifact, "--data", data_file, "--json").json
    assert found["hardware"] == "lemaire-2022"
    networks = ("snn", "ann", "ann_int8", "twin")
    assert all(found[name]["energy_joules"] > 0 for name in networks)
    assert found["snn"]["latency_steps"] == TIMESTEPS
    assert found["latency"]["correct"]["samples"] == 20  # the data have labels
    assert found["neurobench"] is None
    assert all(constant["source"] for constant in found["constants"])
    text = command("estimate", artifact, "--data", data_file).out
    for part in (
        *("Lemaire et al. 2022", "ISSCC 2014", "Loihi 2: no energy per operation is published"),
        *("read and write states", "verdict", "SNN / twin", "spikes per synapse", "right answer"),
        *("published", "derived", "45 nm, 0.9 V"),
    ):
        assert part in text


def test_a_source_model_may_be_as_large_as_its_network(
    command: Command, artifact: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled with a larger ``--max-elements`` than the default: nobody is asked for it again."""
    monkeypatch.setattr(load, "__defaults__", (8, None, None))
    with pytest.raises(ModelError, match="more than 8"):
        load(artifact / "ann.onnx")
    for words in (["estimate"], ["evaluate", "--explain"], ["report", "-o", "report.html"]):
        found = command(words[0], artifact, "--data", data_file, *words[1:])
        assert (found.status, found.err) == (0, ""), words
        assert "more than 8" not in found.out


def test_estimate_writes_every_figure_as_a_row(
    command: Command, artifact: Path, data_file: Path, tmp_path: Path
) -> None:
    words = ("estimate", artifact, "--data", data_file, "--csv", "out.csv", "--json")
    found = command(*words).json
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    whole = {
        row["network"]: float(row["value"])
        for row in rows
        if not row["node"] and row["quantity"] == "energy"
    }
    assert whole == {name: found[name]["energy_joules"] for name in whole}
    assert len(whole) == 4
    assert any("ISSCC 2014" in row["unit"] for row in rows)
    refused = command("estimate", artifact, "--data", data_file, "--csv", artifact / "x.csv")
    assert "lies inside an artifact" in refused.err
    assert refused.status == 2


def test_estimate_with_a_model_of_the_user(
    command: Command, artifact: Path, data_file: Path, tmp_path: Path
) -> None:
    constant = """
        [constants.event]
        value = 2.0
        unit = "pJ"
        source = "measured here"
        technology = "a board"
        status = "measured"
        [[terms]]
        name = "all"
        counts = ["macs", "acs"]
        constant = "event"
    """
    head = 'name = "mine"\ntitle = "my board"\nbasis = "measured"\n'
    (tmp_path / "mine.toml").write_text(head + constant)
    words = ("estimate", artifact, "--data", data_file, "--hardware")
    found = command(*words, "mine.toml", "--json").json
    operations = found["snn"]["macs"] + found["snn"]["acs"]
    assert found["snn"]["energy_joules"] == pytest.approx(2e-12 * operations)
    assert "measured here" in command(*words, "mine.toml").out
    (tmp_path / "mine.toml").write_text(head + constant.replace("measured here", ""))
    refused = command(*words, "mine.toml")
    assert refused.status == 2
    assert "mine.toml: constants.event.source is missing" in refused.err
    refused = command(*words, "lemaire-2022", "--access-bits", "0")
    assert "--access-bits 0" in refused.err


def test_estimate_with_the_metrics_of_neurobench(
    command: Command, artifact: Path, data_file: Path
) -> None:
    words = ("estimate", artifact, "--data", data_file, "--neurobench")
    found = command(*words, "--json").json["neurobench"]
    assert found["samples"] == 8
    assert 0 < found["effective_macs"] + found["effective_acs"] <= found["dense"]
    assert "connection sparsity" in command(*words).out


def test_estimate_invents_nothing_for_loihi2(
    command: Command, artifact: Path, data_file: Path
) -> None:
    words = ("estimate", artifact, "--data", data_file, "--hardware", "loihi2")
    found = command(*words, "--json").json
    assert found["constants"] == []
    for name in ("snn", "ann", "ann_int8", "twin"):
        assert found[name]["energy_joules"] is None
    bracket = found["snn"]["energy_joules_bracket"]
    assert 0 < bracket["low"] < bracket["high"]
    assert "Loihi 2" in bracket["basis"]
    assert found["twin"]["energy_joules_bracket"]["low"] is None
    assert all(layer["energy_joules"] is None for layer in found["layers"])
    text = command(*words).out
    assert "not published" in text
    assert "INHERITED FROM LOIHI 1" in text


def test_verify(command: Command, artifact: Path, model_file: Path, data_file: Path) -> None:
    found = command("verify", artifact, "--model", model_file)
    assert found.status == 0
    assert found.out.startswith("equal: yes (4 samples on numpy against golden")
    found = command("verify", artifact, "--data", data_file, "--json")
    assert found.json["equal"] is True
    assert found.json["samples"] == 16
    assert found.json["first_difference"] is None


def test_verify_says_where_a_changed_weight_shows(
    command: Command, model_file: Path, data_file: Path
) -> None:
    command(model_file, "--calibration", data_file, "-o", "out")
    _turn_a_weight_round(Path("out"))
    found = command("verify", "out", "--json")
    assert (found.status, found.json["equal"]) == (1, False)
    first = found.json["first_difference"]
    assert first["node"] in snnc.load("out").graph.nodes
    assert first["expected"] != first["actual"]
    text = command("verify", "out").out
    assert text.startswith("equal: no")
    assert f"sample {first['sample']}, step {first['step']}, node {first['node']!r}" in text


@pytest.mark.lava
def test_verify_on_lava_finds_a_changed_weight(
    command: Command, model_file: Path, data_file: Path
) -> None:
    command(model_file, "--target", "lava", "--calibration", data_file, "-o", "out")
    found = command("verify", "out", "--json")
    assert (found.status, found.json["executed_on"]) == (0, "lava")
    _turn_a_weight_round(Path("out"))
    found = command("verify", "out", "--json")
    assert (found.status, found.json["executed_on"]) == (1, "lava")
    assert found.json["first_difference"]["step"] >= 1


@pytest.mark.lava
def test_an_exact_network_on_lava(command: Command, tmp_path: Path) -> None:
    nodes = """
        q0 = QuantizeLinear (x, s) x0 = DequantizeLinear (q0, s)
        h = Gemm (x0, w1) r = Relu (h)
        q1 = QuantizeLinear (r, s) x1 = DequantizeLinear (q1, s)
        y = Gemm (x1, w2)
    """
    rng = np.random.default_rng(3)
    weights = {"w1": rng.integers(-9, 10, (6, 5)) / 8, "w2": rng.integers(-9, 10, (5, 3)) / 8}
    for weight in weights.values():
        weight[0, 0] = 1 / 8  # the unit of all of them
    io = "(float[N,6] x) => (float[N,3] y)"
    path = write_model(tmp_path / "m.onnx", nodes, io, {**weights, "s": np.array(0.125)})
    x = rng.uniform(-1, 9, (3, 6)).astype(np.float32)
    np.savez("x.npz", x=x)
    compiled = command(path, "--code", "exact", "--target", "lava", "-o", "out")
    assert compiled.status == 0, compiled.err
    found = command("verify", "out", "--json")
    assert (found.status, found.json["executed_on"]) == (0, "lava")
    assert command("run", "out", "--input", "x.npz", "--output", "y.npz").status == 0
    hidden = 0.125 * np.clip(np.rint(8 * x), 0, 255) @ weights["w1"]
    expected = 0.125 * np.clip(np.rint(8 * hidden), 0, 255) @ weights["w2"]
    with np.load("y.npz") as outputs:
        np.testing.assert_array_equal(outputs["y"], expected.astype(np.float32))
    contract = json.loads(Path("out/manifest.json").read_text())["contract"]
    (name,) = snnc.load("out").graph.populations[0].inputs
    (low, high), positive = contract["accumulated"][name], 8 * np.clip(weights["w1"], 0, None)
    assert high == 255 * positive.sum(axis=0).max()
    assert -(2**23) < low < 0


def _turn_a_weight_round(folder: Path) -> None:
    """Change the sign of the last weight of the first synapse."""
    graph = json.loads((folder / "graph.json").read_text())
    synapse = next(node for node in graph["nodes"] if "weight" in node)

    def change(weight: object) -> None:
        assert isinstance(weight, np.ndarray)
        weight.flat[-1] *= -1

    change_weight(folder, synapse["weight"]["array"], change)


def test_show(command: Command, artifact: Path) -> None:
    found = command("show", artifact)
    assert found.out.startswith("%x: real[1x6x6] = Input()")
    assert "return y=%" in found.out
    assert command("show", artifact, "--json").json["graph"] in found.out


def test_show_gives_each_node_one_line(command: Command, tmp_path: Path) -> None:
    nodes = "h = Gemm (x, w) r = Relu (h) y = Gemm (r, w)"
    io = "(float[N,4] x) => (float[N,4] y)"
    path = write_model(tmp_path / "m.onnx", nodes, io, {"w": np.eye(4)})
    model = onnx.load(path)
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "h\nreturn y=%fake"
    onnx.save(model, path)
    command(path, "-o", "out")
    assert r"%h\nreturn y=%fake: current[4]" in command("show", "out").out
    assert command("show", "out").out.count("\nreturn ") == 1


def test_targets(command: Command) -> None:
    found = {entry["name"]: entry for entry in command("targets", "--json").json["targets"]}
    assert found["numpy"]["available"] is True
    assert found["lava"]["needs_integers"] is False
    assert "event simulator" in command("targets").out


def test_inspect(command: Command, model_file: Path) -> None:
    found = command("inspect", model_file, "--json")
    assert found.json["convertible"] is True
    assert found.json["cut"][0]["operator"] == "Softmax"
    assert "convertible  yes" in command("inspect", model_file).out


def test_run_never_writes_into_an_artifact(
    command: Command, artifact: Path, data_file: Path
) -> None:
    before = (artifact / "weights.npz").read_bytes()
    found = command("run", artifact, "--input", data_file, "--output", artifact / "weights.npz")
    assert found.status == 2
    assert "lies inside an artifact" in found.err
    assert (artifact / "weights.npz").read_bytes() == before


def test_inputs_beyond_the_calibrated_range_are_warned_of(
    command: Command, artifact: Path, data_file: Path
) -> None:
    with np.load(data_file) as file:
        np.savez("scaled.npz", x=file["x"] * np.float32(256), y=file["y"])
    for words in (("run", artifact, "--input"), ("evaluate", artifact, "--data")):
        found = command(*words, "scaled.npz")
        assert found.status == 0
        assert re.match(r"warning: x: \d+\.\d% of the input values lie beyond", found.err)
        assert command(*words, data_file).err == ""
