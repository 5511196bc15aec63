"""``snnc report``: what it writes, where, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

import snnc
from snnc.compiler.html_report import page
from tests.command_line import Command
from tests.compiler.conftest import TIMESTEPS
from tests.compiler.html_report.markup_tree import read_page


@pytest.fixture
def own(artifact: Path, tmp_path: Path) -> Path:
    """An artifact that may be written to."""
    return Path(copytree(artifact, tmp_path / "own"))


def test_it_lies_in_the_artifact_and_changes_nothing_there(
    command: Command, own: Path, data_file: Path
) -> None:
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    found = command("report", own, "--data", data_file)
    assert (found.status, found.err) == (0, "")
    assert f"written to {own / 'report.html'}" in found.out
    after = {path.name: path.read_bytes() for path in own.iterdir()}
    assert after.pop("report.html").startswith(b"<!doctype html>")
    assert after == before
    assert command("verify", own).status == 0
    assert command("report", own).status == 0, "a report is written over"


def test_json_is_what_the_other_commands_print(
    command: Command, artifact: Path, data_file: Path
) -> None:
    words = ("--data", data_file, "--json")
    found = command("report", artifact, *words, "-o", "r.html").json
    evaluated = command("evaluate", artifact, *words, "--on", "numpy", "--explain").json
    explained = evaluated.pop("explain")
    assert found["evaluation"] == evaluated
    assert found["explanation"] == explained
    assert found["cost"] == command("estimate", artifact, *words).json
    fitted = command("fit", artifact, "--json").json
    assert found["fit"]["cores"] == fitted["cores"]
    assert found["verification"]["equal"] is True
    assert found["samples"] == {"from": "data", "count": 20}
    assert set(found["spikes"]) == {"r", "p"}


def test_the_page_shows_the_numbers_of_the_json(
    command: Command, artifact: Path, data_file: Path
) -> None:
    found = command("report", artifact, "--data", data_file, "-o", "r.html", "--json").json
    root = read_page(Path("r.html").read_text(encoding="utf-8"))
    accuracy, cost = root.one("section", id="accuracy"), root.one("section", id="cost")
    shown = accuracy.all("figure")[0].all("table")[0].values
    counts = ("accuracy", "spikes_per_sample", "payload_units_per_sample", "synops_per_sample")
    expected = [
        entry[key]
        for entry in found["evaluation"]["snn"]
        for key in (*counts, "unit_synops_per_sample")
    ]
    assert shown == expected
    operations, energies = (figure.all("table")[0] for figure in cost.all("figure")[:2])
    kinds = ("macs", "acs", "neuron_updates", "events")
    layers = found["cost"]["layers"]
    assert operations.values == [layer[kind] for layer in layers for kind in kinds]
    assert set(energies.values) >= {layer["energy_joules"] for layer in layers}
    totals = cost.all("table")[0].values
    assert {found["cost"][name]["energy_joules"] for name in ("snn", "ann", "twin")} <= set(totals)
    errors = root.one("section", id="errors").all("figure")[0].all("table")[0]
    rows = [row.values for row in errors.all("tbody")[0].all("tr")]
    assert [row[0] for row in rows] == [x["error"] for x in found["explanation"]["layers"]]
    assert rows[1][1:] == list(found["explanation"]["layers"][1]["shares"].values())


def test_equal_inputs_give_equal_pages(command: Command, artifact: Path, data_file: Path) -> None:
    for name in ("a.html", "b.html"):
        assert command("report", artifact, "--data", data_file, "-o", name).status == 0
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_without_data_it_says_what_the_artifact_says(command: Command, artifact: Path) -> None:
    found = command("report", artifact, "-o", "r.html")
    assert "4 golden samples" in found.out
    assert "left out     accuracy: there are no labels" in found.out
    text = read_page(Path("r.html").read_text(encoding="utf-8")).text
    assert "From the artifact alone: the 4 samples" in text
    assert "Answers as the ANN's" in text
    document = command("report", artifact, "-o", "r.html", "--json").json
    assert document["evaluation"]["missing"] == "there are no labels"
    assert document["samples"] == {"from": "golden", "count": 4}


def test_data_without_labels(command: Command, artifact: Path) -> None:
    np.savez("x.npz", x=np.random.default_rng(3).normal(size=(5, 1, 6, 6)).astype(np.float32))
    found = command("report", artifact, "--data", "x.npz", "-o", "r.html", "--json").json
    assert found["samples"] == {"from": "data", "count": 5}
    assert "missing" in found["evaluation"]
    assert len(found["explanation"]["over_time"]) == 3


def test_samples_are_taken_evenly(command: Command, artifact: Path, data_file: Path) -> None:
    words = ("report", artifact, "--data", data_file, "-o", "r.html", "--json", "--samples", 2)
    found = command(*words).json
    assert found["samples"]["count"] == found["evaluation"]["samples"] == 2
    assert found["evaluation"]["ann"]["accuracy"] == 0.5, "the first is right, the last is wrong"


def test_without_the_source_model(command: Command, model_file: Path, data_file: Path) -> None:
    command(model_file, "--calibration", data_file, "--no-ann", "-o", "out")
    found = command("report", "out", "--data", data_file)
    assert found.status == 0
    for part in ("accuracy", "errors", "cost"):
        assert f"left out     {part}: the artifact has no file ann.onnx" in found.out
    text = read_page(Path("out/report.html").read_text(encoding="utf-8")).text
    assert "Compile the model again without --no-ann." in text


def test_warnings_stand_at_the_top(command: Command, model_file: Path) -> None:
    command(model_file, "-o", "out")
    found = command("report", "out")
    assert found.err == ""  # compile has told it
    assert "warnings     1, at the top of the page" in found.out
    head = read_page(Path("out/report.html").read_text(encoding="utf-8")).one("header")
    assert "Warning: no calibration data" in head.text


def test_a_crash_leaves_the_old_report(
    command: Command, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("report", own).status == 0
    before = (own / "report.html").read_bytes()

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", fail)
    found = command("report", own)
    assert found.status == 2
    assert "No space left" in found.err
    assert (own / "report.html").read_bytes() == before
    assert not [path for path in own.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "no/such/r.html"], "there is no folder"),
        (["-o", "."], "is a folder"),
        (["-o", "notes.txt"], "exists and is no HTML file"),
        (["--samples", "0"], "less than 1"),
        (["--hardware", "abacus"], "abacus"),
        (["--chip", "abacus"], "abacus"),
        (["--data", "nothing.npz"], "nothing.npz"),
    ],
)
def test_refusals(command: Command, own: Path, words: list[str], message: str) -> None:
    Path("notes.txt").write_text("mine")
    found = command("report", own, *words)
    assert found.status == 2
    assert found.err.startswith("error: ")
    assert message in found.err
    assert Path("notes.txt").read_text() == "mine"
    assert not (own / "report.html").exists()


def test_it_never_writes_over_a_file_of_the_artifact(command: Command, own: Path) -> None:
    before = (own / "manifest.json").read_bytes()
    assert command("report", own, "-o", own / "manifest.json").status == 2
    assert (own / "manifest.json").read_bytes() == before


def test_the_style_and_the_script_are_in_the_package() -> None:
    assert page._own_file("style.css")
    assert page._own_file("script.js")


def test_timesteps(command: Command, artifact: Path) -> None:
    found = command("report", artifact, "-o", "r.html", "--json").json
    assert found["timesteps"] == TIMESTEPS == snnc.load(artifact).timesteps
    assert all(recording["steps"] == TIMESTEPS for recording in found["spikes"].values())
