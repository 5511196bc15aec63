"""``explain`` over time and samples, what it refuses, and the command line."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.onnx_runtime import AnnSession
from snnc.compiler.demo import bundled
from snnc.compiler.explain import explain
from snnc.compiler.explain.explain import source_model
from snnc.compiler.explain.figure import draw
from snnc.ir import IF
from snnc.ir.errors import ArtifactError, OptionError
from tests.command_line import Command, write_model
from tests.compiler.explain.lenet import lenet, why


def test_the_errors_over_time_are_those_of_the_prefixes(artifact: Path, data_file: Path) -> None:
    network = snnc.load(artifact)
    with np.load(data_file) as file:
        x, y = file["x"], file["y"]
    found = explain(network, {"x": x}, y)
    result = network.run(x, record=True)
    values = AnnSession(source_model(network), extra=["r", "p"]).run({"x": x})
    wanted = values["y"].argmax(axis=1)
    assert found.ann_accuracy == np.mean(wanted == y)
    for moment in found.over_time:
        scores = result.decoded["y"][:, moment.timesteps - 1]
        assert moment.agreement == np.mean(scores.argmax(axis=1) == wanted)
        assert moment.accuracy == np.mean(scores.argmax(axis=1) == y)
    assert [layer.kind for layer in found.layers] == ["input", "population", "max pool", "output"]
    (unit,) = (node.unit for node in network.graph.of_type(IF))
    for layer, name in zip(found.layers[1:3], ("r", "p"), strict=True):
        for t, error in zip((1, 2, 4), layer.over_time, strict=True):
            sent = result.spikes[name][:, :t].mean(axis=1) * unit
            square = np.square(sent - values[name]).mean() / np.square(values[name]).mean()
            assert error == pytest.approx(np.sqrt(square))
    assert found.layers[2].shares["pooling"] == 0, "a max pool sends the maximum"


def test_blocks_of_samples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = why(lenet(), limit=30)
    module = sys.modules["snnc.compiler.explain.explain"]
    monkeypatch.setattr(module, "_block_size", lambda network: 7)
    demo, seen = bundled(), list[tuple[int, int]]()
    parts = explain(
        lenet(),
        {"x": demo.test},
        demo.labels,
        limit=30,
        progress=lambda *done: seen.append(done),
    )
    assert seen == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]
    assert (parts.samples, parts.over_time[-1].agreement) == (30, whole.over_time[-1].agreement)
    for a, b in zip(whole.layers, parts.layers, strict=True):
        assert a.error == pytest.approx(b.error, rel=1e-6)
        assert a.shares == pytest.approx(b.shares, abs=1e-6)
        assert a.output_error == pytest.approx(b.output_error, rel=1e-4)


def test_samples_are_taken_from_all_that_are_given() -> None:
    demo = bundled()
    order = np.argsort(demo.labels, kind="stable")
    found = explain(lenet(), {"x": demo.test[order]}, demo.labels[order], limit=10)
    places = np.linspace(0, 499, 10).round().astype(int)
    again = explain(lenet(), {"x": demo.test[order][places]}, demo.labels[order][places])
    assert found.samples == 10
    assert found.to_json() == again.to_json()


def test_a_network_without_classes(two_outputs_file: Path) -> None:
    x = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    network = snnc.compile(two_outputs_file, calibration=x, timesteps=16)
    found = explain(network, {"x": x})
    assert found.verdict.fine
    assert found.over_time[-1].agreement is None
    assert [layer.value for layer in found.layers if layer.kind == "output"] == ["a", "b"]
    worse = explain(
        snnc.compile(two_outputs_file, calibration=x, timesteps=1, code="rate"), {"x": x}
    )
    assert not worse.verdict.fine
    assert worse.verdict.message.startswith("the outputs are ")


def test_a_silent_layer_is_no_division_by_zero(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.onnx",
        "h = Gemm (x, w, b) r = Relu (h) y = Gemm (r, v)",
        "(float[N,4] x) => (float[N,3] y)",
        {"w": np.eye(4), "b": np.full(4, -1e6), "v": np.ones((4, 3))},
    )
    x = np.ones((5, 4), np.float32)
    found = explain(snnc.compile(path, calibration=x), {"x": x})
    assert all(np.isfinite(layer.error) for layer in found.layers)
    assert found.verdict.fine


# -- refusals -------------------------------------------------------------------------------


def test_it_needs_the_source_model() -> None:
    demo = bundled()
    network = snnc.compile(demo.model, include_ann=False)
    with pytest.raises(ArtifactError, match=r"no file ann\.onnx"):
        explain(network, {"x": demo.test})


def test_the_source_model_must_be_its_own(artifact: Path) -> None:
    network = snnc.load(artifact)
    other = replace(network, artifact=replace(network.artifact, ann=lenet().artifact.ann))
    with pytest.raises(ArtifactError, match="other nodes than"):
        explain(other, {"x": np.zeros((1, 1, 6, 6), np.float32)})


@pytest.mark.parametrize(
    "options",
    [
        {"code": "radix", "timesteps": 3},
        {"code": "rate", "two_phase": "offset"},
        {"code": "ternary", "differential": True, "weight_bits": None, "correction": "none"},
    ],
    ids=str,
)
def test_neurons_that_weigh_steps_differently_are_refused(
    two_outputs_file: Path, options: dict[str, Any]
) -> None:
    x = np.ones((5, 4), np.float32)
    network = snnc.compile(two_outputs_file, calibration=x, **options)
    with pytest.raises(OptionError, match="its steps do not count alike"):
        explain(network, {"x": x})


def test_a_reset_to_zero_is_refused(two_outputs_file: Path) -> None:
    x = np.ones((5, 4), np.float32)
    network = snnc.compile(two_outputs_file, calibration=x, code="rate", reset="zero")
    with pytest.raises(OptionError, match="its reset to zero loses current"):
        explain(network, {"x": x})


# -- the command line -----------------------------------------------------------------------


def test_evaluate_explains(command: Command, artifact: Path, data_file: Path) -> None:
    found = command("evaluate", artifact, "--data", data_file, "--explain", "--json").json
    assert found["snn"], "the evaluation itself is still there"
    explained = found["explain"]
    assert explained["samples"] == 20
    assert explained["ann_accuracy"] == found["ann"]["accuracy"]
    assert [m["accuracy"] for m in explained["over_time"]] == [s["accuracy"] for s in found["snn"]]
    assert set(explained["verdict"]) == {"fine", "layer", "cause", "spread", "message", "hint"}
    assert {"value", "kind", "error", "shares", "over_time", "output_error"} <= set(
        explained["layers"][0]
    )
    table = command("evaluate", artifact, "--data", data_file, "--explain").out
    for text in ("why: every layer against the ANN, on 20 samples", "inherited", "verdict   "):
        assert text in table
    assert explained["verdict"]["message"] in table
    assert "explain" not in command("evaluate", artifact, "--data", data_file, "--json").json


def test_a_figure_needs_matplotlib(
    command: Command, artifact: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = command("evaluate", artifact, "--data", data_file, "--figure", "why.png")
    assert (found.status, found.out) == (2, "")
    assert "error: drawing a figure needs matplotlib" in found.err
    assert 'uv pip install "snnc[figure]"' in found.err


@pytest.mark.parametrize(
    ("name", "message"),
    [("why.txt", "has no known suffix"), ("no/why.png", "there is no folder no")],
)
def test_a_figure_that_cannot_be_written_is_refused_at_once(
    command: Command, artifact: Path, data_file: Path, name: str, message: str
) -> None:
    found = command("evaluate", artifact, "--data", data_file, "--figure", name)
    assert (found.status, found.out) == (2, "")
    assert message in found.err


def test_a_figure(command: Command, artifact: Path, data_file: Path) -> None:
    pytest.importorskip("matplotlib")
    found = command("evaluate", artifact, "--data", data_file, "--figure", "why.png")
    assert (found.status, found.err) == (0, "")
    assert Path("why.png").read_bytes().startswith(b"\x89PNG")
    draw(why(lenet(timesteps=1), limit=8), Path("why.svg"))
    assert "quantisation" in Path("why.svg").read_text()
