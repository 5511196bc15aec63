"""``evaluate`` counts right answers, spikes and operations, prefix by prefix."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.numpy_sim import NumpyProgram
from snnc.compiler.data import load_labels, load_samples
from snnc.compiler.evaluate import default_steps, evaluate, wilson
from snnc.ir.errors import DataError, SnncError
from snnc.ir.reference import run
from tests.command_line import Command, write_model


def test_every_figure_follows_from_the_reference(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    samples = load_samples(data_file, network.graph)
    labels = load_labels(data_file, 20)
    found = evaluate(network, samples, labels)
    trace = run(network.graph, samples, network.timesteps)
    assert [entry.timesteps for entry in found.snn] == [1, 2, 4]
    for entry in found.snn:
        t = entry.timesteps
        assert entry.accuracy == np.mean(trace.outputs["y"][t - 1].argmax(axis=1) == labels)
        sent = [trace.spikes[name][:t] for name in ("r", "p")]
        assert entry.spikes_per_sample == sum(np.count_nonzero(e) for e in sent) / 20
        assert entry.payload_units_per_sample == sum(np.abs(e).sum() for e in sent) / 20
        # Only the last layer is fed by spikes: the first reads the input, a pool has no weights.
        payloads = np.abs(trace.spikes["p"][:t]).reshape(t, 20, 18)
        (last,) = (node for node in network.graph if getattr(node, "weight", np.ones(1)).ndim == 2)
        reach = np.count_nonzero(getattr(last, "weight", 0), axis=0)
        assert entry.synops_per_sample == ((payloads != 0) @ reach).sum() / 20
        assert entry.unit_synops_per_sample == (payloads @ reach).sum() / 20


def test_the_ann_is_the_source_model(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    samples = load_samples(data_file, network.graph)
    found = evaluate(network, samples, load_labels(data_file, 20), (4,))
    assert found.ann_accuracy == 19 / 20
    assert found.to_json()["ann"]["accuracy"] == 19 / 20
    assert "changed_by" not in found.to_json()["ann"]


@pytest.fixture(scope="module")
def changed(model_file: Path, data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose ANN two options changed."""
    out = tmp_path_factory.mktemp("changed") / "out"
    network = snnc.compile(
        model_file, calibration=data_file, quantize=8, code="exact", approximate=True
    )
    network.save(out)
    return out


def test_an_ann_that_an_option_changed_is_called_so(
    command: Command, changed: Path, data_file: Path
) -> None:
    """It may answer otherwise than the file: its accuracy must not pass for the file's."""
    remark = "ANN is the model after --quantize and --approximate"
    for name in ("evaluate", "estimate"):
        assert remark in command(name, changed, "--data", data_file).out
    found = command("evaluate", changed, "--data", data_file, "--json").json
    assert found["ann"]["changed_by"] == "--quantize and --approximate"
    found = command("estimate", changed, "--data", data_file, "--json").json
    assert found["ann_changed_by"] == "--quantize and --approximate"


def test_an_explanation_names_its_samples_and_the_changed_ann(
    command: Command, model_file: Path, data_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    snnc.compile(model_file, calibration=data_file, quantize=8, code="augmented").save(out)
    words = ("evaluate", out, "--data", data_file, "--explain")
    table, _, why = command(*words).out.partition("\nwhy: ")
    assert "ANN is the model after --quantize" in table
    assert "ANN is the model after --quantize" in why
    assert re.search(
        r"verdict +(nothing is wrong: )?accuracy \d+.\d% on 20 samples, the ANN's is", why
    )
    assert command(*words, "--json").json["explain"]["ann_changed_by"] == "--quantize"


def test_the_original_model_stands_beside_the_changed_one(
    command: Command, changed: Path, data_file: Path
) -> None:
    network = snnc.load(changed)
    samples, labels = load_samples(data_file, network.graph), load_labels(data_file, 20)
    assert network.artifact.original is not None
    assert evaluate(network, samples, labels).original_accuracy == 19 / 20
    words = ("evaluate", changed, "--data", data_file)
    assert re.search(r"original ANN +95\.00%", command(*words).out)
    assert command("report", changed, "--data", data_file, "-o", "r.html").status == 0
    page = Path("r.html").read_text(encoding="utf-8")
    assert "; the original model has 95.00" in page
    assert "ANN is the model after --quantize and --approximate" in page
    assert command(*words, "--json").json["original_ann"]["accuracy"] == 19 / 20


def test_an_artifact_without_the_original_is_evaluated(changed: Path, data_file: Path) -> None:
    """Those of older versions have none."""
    network = snnc.load(changed)
    samples, labels = load_samples(data_file, network.graph), load_labels(data_file, 20)
    older = replace(network, artifact=replace(network.artifact, original=None))
    found = evaluate(older, samples, labels)
    assert found.original_accuracy is None
    assert "original_ann" not in found.to_json()
    assert found.ann_accuracy == evaluate(network, samples, labels).ann_accuracy


def test_what_nobody_changed_is_kept_once(artifact: Path) -> None:
    assert not (artifact / "original.onnx").exists()


def test_blocks_of_samples_change_nothing(
    artifact: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = snnc.load(artifact)
    samples, labels = load_samples(data_file, network.graph), load_labels(data_file, 20)
    whole = evaluate(network, samples, labels)
    monkeypatch.setattr(NumpyProgram, "_block_size", 7)
    seen: list[tuple[int, int]] = []
    network = snnc.load(artifact)
    parts = evaluate(network, samples, labels, progress=lambda *done: seen.append(done))
    assert parts == whole
    assert seen == [(7, 20), (14, 20), (20, 20)]


def test_outputs_that_score_no_classes_are_refused(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.onnx",
        "y = Gemm (x, w)",
        "(float[N,4] x) => (float[N,1] y)",
        {"w": np.ones((4, 1))},
    )
    network = snnc.compile(path)
    x = np.ones((2, 4), np.float32)
    with pytest.raises(DataError, match="output 'y' has the shape"):
        evaluate(network, {"x": x}, np.zeros(2, np.int64))


def test_default_steps_end_with_the_compiled_number() -> None:
    assert [default_steps(t) for t in (1, 2, 6, 8)] == [(1,), (1, 2), (1, 2, 4, 6), (1, 2, 4, 8)]


def test_the_interval_stays_within_0_and_1() -> None:
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)  # Wilson's formula by hand
    assert wilson(1, 10) == pytest.approx((0.7225, 1), abs=1e-4)


@pytest.mark.parametrize("field", ["ann", "original"])
def test_models_of_an_artifact_reach_onnx_runtime_through_the_importer(
    changed: Path, data_file: Path, tmp_path: Path, field: str
) -> None:
    """An artifact may come from anywhere, and ONNX Runtime loops and crashes on some models."""
    nodes = "a = Loop (most, , x) <body = b (int64 i, bool c, float v) => (bool d, float w) {"
    nodes += "d = Identity (c) w = Neg (v) }> y = Relu (a)"
    signature, trips = "(float[N,4] x) => (float[N,4] y)", {"most": np.array(2**62)}
    hostile = write_model(tmp_path / "hostile.onnx", nodes, signature, {}, trips)
    network = snnc.load(changed)
    samples, labels = load_samples(data_file, network.graph), load_labels(data_file, 20)
    artifact = replace(network.artifact, **{field: hostile.read_bytes()})
    with pytest.raises(SnncError, match=r"10000 nodes|Loop"):
        evaluate(replace(network, artifact=artifact), samples, labels)
