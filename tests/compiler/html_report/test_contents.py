"""What the sections say of networks of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.compiler.html_report.charts.lanes import lanes
from snnc.compiler.html_report.naming import clipped, short_names
from snnc.compiler.html_report.recording import COLUMNS, record_layer
from snnc.compiler.html_report.topology import topology_of
from tests.command_line import Command, write_model
from tests.compiler.html_report.markup_tree import Element, read_page

MICRO = "\N{MICRO SIGN}"


def reported(command: Command, *words: object) -> tuple[Any, Element]:
    """Return the JSON object and the page of ``snnc report``."""
    found = command("report", *words, "-o", "r.html", "--json")
    assert found.status == 0, found.err
    return found.json, read_page(Path("r.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "options",
    [
        ("--code", "rate"),
        ("--code", "rate", "--reset", "zero"),
        ("--code", "radix"),
        ("--code", "ternary", "--target", "lava"),
        ("--weight-bits", "float", "--timesteps", "1"),
    ],
)
def test_any_code_has_a_report(
    command: Command, model_file: Path, data_file: Path, options: tuple[str, ...]
) -> None:
    made = command(model_file, "--calibration", data_file, *options, "-o", "out")
    assert made.status == 0, made.err
    document, root = reported(command, "out", "--data", data_file)
    assert document["evaluation"]["snn"]
    assert len(root.all("figure")) >= 8


@pytest.mark.parametrize(
    "options",
    [
        ("--code", "ternary", "--differential", "--weight-bits", "float"),
        ("--code", "rate", "--two-phase", "offset"),
    ],
)
def test_neurons_with_a_schedule(
    command: Command, two_outputs_file: Path, options: tuple[str, ...]
) -> None:
    command(two_outputs_file, *options, "-o", "out")
    document, root = reported(command, "out")
    assert "its steps do not count alike" in document["explanation"]["missing"]
    sent = document["spikes"]["r"]
    assert len(sent["events"]) == sent["steps"] == snnc.load("out").steps
    assert "No errors to show" in root.one("section", id="errors").text


def test_an_exact_network(command: Command, tmp_path: Path) -> None:
    nodes = """
        q0 = QuantizeLinear (x, s) x0 = DequantizeLinear (q0, s)
        h = Gemm (x0, w1) r = Relu (h)
        q1 = QuantizeLinear (r, s) x1 = DequantizeLinear (q1, s)
        y = Gemm (x1, w2)
    """
    rng = np.random.default_rng(3)
    weights = {"w1": rng.integers(-9, 10, (6, 5)) / 8, "w2": rng.integers(-9, 10, (5, 3)) / 8}
    for weight in weights.values():
        weight[0, 0] = 1 / 8
    io = "(float[N,6] x) => (float[N,3] y)"
    path = write_model(tmp_path / "m.onnx", nodes, io, {**weights, "s": np.array(0.125)})
    command(path, "--code", "exact", "-o", "out")
    document, root = reported(command, "out")
    assert "equals the quantised ANN" in document["explanation"]["missing"]
    assert "No errors to show" in root.one("section", id="errors").text
    assert "at rest after" in root.one("section", id="approximations").text


def test_two_outputs(command: Command, two_outputs_file: Path) -> None:
    command(two_outputs_file, "-o", "out")
    document, root = reported(command, "out")
    assert document["explanation"]["over_time"][0]["agreement"] is None
    assert "Error of the outputs" in root.one("header").text
    kinds = [layer["kind"] for layer in document["topology"]["layers"]]
    assert kinds.count("Integrator") == 2


def test_a_chip_without_published_energy(command: Command, artifact: Path, data_file: Path) -> None:
    words = (artifact, "--data", data_file, "--hardware", "loihi2", "--chip", "loihi1")
    document, root = reported(command, *words)
    assert document["cost"]["snn"]["energy_joules"] is None
    section = root.one("section", id="cost")
    assert "not published" in section.text
    assert "No energy by layer" in section.text
    assert root.one("section", id="chip").one("h2").text == "On Loihi 1"


@pytest.fixture
def with_cost(
    monkeypatch: pytest.MonkeyPatch, command: Command, artifact: Path, data_file: Path
) -> Callable[[dict[str, Any]], Element]:
    """Return a report whose estimate has something more."""
    gathering = import_module("snnc.compiler.html_report.gathering")
    original = gathering.estimated

    def report(more: dict[str, Any]) -> Element:
        def estimated(*words: Any) -> Any:
            found = json.loads(json.dumps(original(*words)))
            for entry in found["layers"]:
                energy = entry["energy_joules"]
                entry["terms"] = {"arithmetic": energy / 4, "memory": 3 * energy / 4, "none": None}
            for key, value in more.items():
                found[key] = {**found.get(key, {}), **value} if isinstance(value, dict) else value
            return found

        monkeypatch.setattr(gathering, "estimated", estimated)
        _, root = reported(command, artifact, "--data", data_file)
        return root.one("section", id="cost")

    return report


def test_terms_of_energy_are_stacked(with_cost: Callable[[dict[str, Any]], Element]) -> None:
    section = with_cost({"verdict": "on paper the SNN wins <b>everywhere</b>"})
    energy = section.all("figure")[1]
    assert [li.text for li in energy.one("ul").all("li")] == ["arithmetic", "memory"]
    heads = [th.text for th in energy.all("thead")[0].all("th")]
    assert heads == ["node", "energy", "arithmetic", "memory"]
    for row in energy.all("tbody")[0].all("tr"):
        whole, arithmetic, memory = row.values
        assert whole == pytest.approx(arithmetic + memory)
    assert "On paper the SNN wins <b>everywhere</b>." in section.text


def test_models_of_energy_are_compared(with_cost: Callable[[dict[str, Any]], Element]) -> None:
    models = [
        {"hardware": "one", "snn": 2e-6, "twin": 1e-6, "snn_to_twin": 2.0, "placed": False},
        {"hardware": "two", "snn": None, "twin": None, "snn_to_twin": None, "placed": True},
    ]
    latency = {"latency_steps": 4, "x": []}
    section = with_cost({"sensitivity": {"models": models}, "latency": latency})
    figure = section.all("figure")[2]
    assert figure.all("table")[0].values == [2e-6, 1e-6, 2.0]
    assert "steps until the answer" in section.text


def test_a_bracket_stands_where_no_energy_is_published(
    with_cost: Callable[[dict[str, Any]], Element],
) -> None:
    bracket = {"low": 1e-6, "high": 2e-6, "basis": "borrowed constants"}
    snn = {"energy_joules": None, "energy_joules_bracket": bracket}
    section = with_cost({"snn": snn})
    assert f"1 {MICRO}J to 2 {MICRO}J" in section.text
    assert "borrowed constants" in section.text


def test_rasters_of_long_runs_add_steps_up() -> None:
    rng = np.random.default_rng(0)
    sent = rng.integers(-1, 3, (2, 3 * COLUMNS - 1, 4, 50)).astype(np.int8)
    found = record_layer(sent)
    assert (found.steps, found.steps_a_column) == (3 * COLUMNS - 1, 3)
    assert found.positive.shape == found.negative.shape == (48, COLUMNS)
    flat = sent[0].reshape(len(sent[0]), -1)[:, found.shown]
    assert found.shown[0] == 0
    assert found.shown[-1] == 199
    np.testing.assert_array_equal(
        (found.positive - found.negative).sum(axis=1), flat.sum(axis=0, dtype=int)
    )
    np.testing.assert_array_equal(found.positive[:, 0], np.maximum(flat[:3], 0).sum(axis=0))
    assert found.events.sum() == np.count_nonzero(sent) / 2
    assert found.rates.sum() == 200
    assert sum(found.payloads.values()) == found.events.sum()


def test_silent_layers_are_counted() -> None:
    sent = np.zeros((2, 4, 10), np.int8)
    assert record_layer(sent).silent == 1
    sent[1, 2, :3] = 1
    assert record_layer(sent).silent == 0.7


def test_the_topology_leaves_views_and_synapses_out(artifact: Path) -> None:
    found = topology_of(snnc.load(artifact).graph)
    assert [layer.kind for layer in found.layers] == ["Encoder", "IF", "MaxPool", "Integrator"]
    pairs = [(c.source, c.target) for c in found.connections]
    names = [layer.name for layer in found.layers]
    assert pairs == list(pairwise(names))
    assert found.connections[0].words.startswith("conv 3")
    assert found.connections[-1].words == "dense 18 to 3"


def test_short_names_tell_layers_apart() -> None:
    names = ["/a/Relu_output_0", "/a/Relu", "/b/c/b/c.0/conv/Conv_output_0", "<x>", "/"]
    short = short_names(names)
    assert len(set(short.values())) == len(names)
    assert short["/b/c/b/c.0/conv/Conv_output_0"].endswith("conv")
    assert clipped("a" * 50, 11) == "aaaaa\N{HORIZONTAL ELLIPSIS}aaaaa"


MODELS = Path(__file__).parents[3] / "examples" / "models"
in_a_checkout = pytest.mark.skipif(not MODELS.exists(), reason="runs in a checkout only")


@in_a_checkout
def test_a_recurrent_network(command: Command) -> None:
    snnc.compile(MODELS / "qcrnn-smnist.onnx", code="exact").save("out")
    document, root = reported(command, "out")
    layers = {layer["name"]: layer for layer in document["topology"]["layers"]}
    (before,) = (layer for layer in layers.values() if layer["kind"] == "Previous")
    assert layers[before["loops_from"]]["kind"] == "TrackingIF"
    assert "to the next element" in root.one("section", id="network").all("figure")[0].text
    assert "for each element of a sequence (28)" in root.one("header").text


def test_arrows_from_one_layer_share_a_lane(command: Command, tmp_path: Path) -> None:
    nodes = """
        a = Gemm (x, w) ra = Relu (a) b = Gemm (ra, w) rb = Relu (b)
        c = Concat <axis = 1> (ra, rb) d = Gemm (c, v) rd = Relu (d)
        e = Concat <axis = 1> (ra, rb, rd) y = Gemm (e, u)
    """
    eye = np.eye(4)
    weights = {"w": eye, "v": np.vstack([eye] * 2), "u": np.vstack([eye] * 3)}
    path = write_model(tmp_path / "m.onnx", nodes, "(float[N,4] x) => (float[N,4] y)", weights)
    command(path, "-o", "out")
    document, _ = reported(command, "out")
    assert len(document["topology"]["connections"]) == 7
    found = lanes({("ra", ""): (1, 4), ("rb", ""): (2, 4)})
    assert sorted(found.values()) == [0, 1]


@in_a_checkout
@pytest.mark.slow
def test_a_report_of_a_resnet_is_small(command: Command) -> None:
    snnc.compile(MODELS / "resnet20.onnx", correction="none").save("out")
    assert command("report", "out").status == 0
    assert Path("out/report.html").stat().st_size < 5e6
    root = read_page(Path("out/report.html").read_text(encoding="utf-8"))
    assert len(root.one("section", id="spikes").all("figure")) == 2 * 19
