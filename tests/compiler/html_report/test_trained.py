"""Reports of networks that were trained as spiking ones: no ANN, no empty figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.compiler.cli import main
from snnc.compiler.html_report.sections.leaky import Clock
from snnc.compiler.html_report.topology import topology_of
from snnc.compiler.trained import trained_network
from tests.compiler.html_report.markup_tree import Element, read_page
from tests.leaky_graphs import STEPS, leaky_graph, loihi_graph
from tests.nir_files import affine, chain, lif, neuron

TOLD = "There is no ANN to differ from: the network was trained as a spiking one."


def reported(
    out: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[dict[str, Any], Element]:
    capsys.readouterr()
    page = out.parent / "report.html"
    assert main(["report", str(out), "-o", str(page), "--json", *words]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document, read_page(page.read_text(encoding="utf-8"))


def cells(root: Element, caption: str) -> list[list[str]]:
    """Return the rows of the only table of a name, its head among them."""
    (found,) = (t for t in root.all("table") if t.all("caption")[0].text == caption)
    return [[cell.text for cell in row if cell.tag in ("th", "td")] for row in found.all("tr")]


@pytest.mark.parametrize("rule", ["exact", "euler"])
def test_a_nir_file_with_labels(
    rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weight = np.array([[3.0, -1.0], [1.0, 2.0]], np.float32)
    zeros = np.zeros(2, np.float32)
    middle = (affine(weight, zeros), lif((2,), tau=0.005), affine(weight, zeros), lif((2,), r=4.0))
    model = chain(tmp_path / "net.nir", *middle, shape=(2,), version="1.0.4")
    out = tmp_path / "out"
    made = [str(model), "--timesteps", "20", "--dt", "1e-3", "--discretisation", rule]
    assert main([*made, "-o", str(out)]) == 0
    x = np.random.default_rng(0).integers(0, 2, (3, 20, 2)).astype(np.float32)
    np.savez(tmp_path / "xy.npz", x=x, y=np.array([0, 1, 1]))
    document, root = reported(out, capsys, "--data", str(tmp_path / "xy.npz"))
    assert document["cost"]["twin"] is None
    assert "no source ANN" in document["cost"]["no_ann"]
    assert document["explanation"]["missing"]
    text = root.text
    assert TOLD in text
    assert "No source ANN: the network was trained as a spiking one." in text
    assert "in ANN units" not in text
    heads, first, *_ = cells(root, "Neurons, what they compute with")
    row = dict(zip(heads, first, strict=True))
    assert row["time constant"] == "0.005 s"  # as the file has it, whatever the rule
    assert row["reset"] == "subtracts the threshold"
    assert len(cells(root, "The same counts on every model of energy")[0]) == 2
    assert all(figure.all("svg") for figure in root.all("figure"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [leaky_graph, loihi_graph])
def test_random_networks_from_the_artifact_alone(
    make: Any, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = make(seed)
    out = trained_network(graph, STEPS).save(tmp_path / "out")
    document, root = reported(out, capsys)
    assert TOLD in root.text
    assert not isinstance(document["fit"].get("missing"), str)
    assert not isinstance(document["spikes"].get("missing"), str)
    rows = cells(root, "Neurons, what they compute with")[1:]
    assert len(rows) >= 2
    assert {row[1] for row in rows} <= {"LIF", "CubaLIF", "LI", "CubaLI", "LoihiLIF"}


def test_loops_are_drawn() -> None:
    """Every Feedback is an arrow from the layer it comes from, membranes are layers."""
    graph = next(g for g in map(leaky_graph, range(20)) if "n2.back" in {n.name for n in g})
    found = topology_of(graph)
    (loop,) = (c for c in found.connections if (c.source, c.target) == ("n2", "n2"))
    assert loop.words == "a step later, dense 6 to 6"
    assert "m" in {layer.name for layer in found.layers}
    (late,) = (c for c in found.connections if (c.source, c.target) == ("n1", "n2"))
    longest = graph["d1"].longest  # type: ignore[attr-defined]
    assert ("steps late" in late.words) == bool(longest)


def test_time_constants_are_those_of_the_equations() -> None:
    tau, dt = 0.02, 1e-3
    exact, euler = np.array([np.exp(-dt / tau)]), np.array([1 - dt / tau])
    assert Clock(dt).spell(exact) == Clock(dt, euler=True).spell(euler) == "0.02 s"
    assert Clock().spell(np.array([0.0, 1.0])) == "0 to ∞"
    assert Clock(dt).spell(np.ones(1)) == "∞"


def test_a_current_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cuba = neuron(
        "CubaLIF",
        (2,),
        tau_mem=0.02,
        tau_syn=0.004,
        r=1.0,
        v_leak=0.0,
        v_threshold=1.0,
        v_reset=0.5,
        w_in=1.0,
    )
    matrix = affine(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    model = chain(tmp_path / "net.nir", matrix, cuba, shape=(2,))
    assert main([str(model), "--timesteps", "9", "--dt", "1e-3", "-o", str(tmp_path / "out")]) == 0
    _, root = reported(tmp_path / "out", capsys)
    _, row = cells(root, "Neurons, what they compute with")
    assert row[1:4] == ["CubaLIF", "0.02 s", "0.004 s"]
    assert row[8] == "to 0.5"
