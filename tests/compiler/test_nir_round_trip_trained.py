"""Trained networks go into a NIR file and come back as the same networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.nir_file import NirBackend
from snnc.backends.nir_file.trained_graph import prepared
from snnc.backends.nir_file.trained_program import TrainedNirProgram
from snnc.backends.numpy_sim import NumpyBackend
from snnc.compiler.cli import main
from snnc.compiler.network import Network
from snnc.ir import (
    LI,
    LIF,
    Conv,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Linear,
    Node,
    Signal,
    TensorType,
)
from snnc.ir.errors import DesignRuleError, ModelError
from snnc.ir.leaky import LeakyIntegrator, LeakyPopulation
from tests.backends.nir_file.graphs import nir_graph
from tests.leaky_graphs import STEPS, leaky_graph, leaky_inputs
from tests.nir_files import affine, conv, lif, neuron, pairs, pool, port, write
from tests.spiking_graphs import random_inputs

pytest.importorskip("h5py", reason="the extra nir is not installed")

VERSIONS = ("current", "1.0.4")
PARAMETERS = (
    *("decay", "gain", "bias", "initial", "threshold", "reset_to"),
    *("current_decay", "current_gain"),
)
SETTINGS = ("strict", "reset", "reset_delayed", "refractory")


def there_and_back(graph: Graph, folder: Path, **settings: Any) -> tuple[Any, Network]:
    """Return the program that wrote a graph, and what the importer makes of its file."""
    program = NirBackend(**settings).lower(graph, STEPS)
    assert isinstance(program, TrainedNirProgram)
    folder.mkdir(exist_ok=True)
    program.save(folder)
    return program, snnc.compile(folder / "network.nir", timesteps=STEPS)


def assert_same_neuron(wanted: Node, found: Node, shape: tuple[int, ...]) -> None:
    assert type(wanted) is type(found)
    for name in PARAMETERS:
        if hasattr(wanted, name):
            np.testing.assert_allclose(
                np.broadcast_to(getattr(found, name), shape),
                np.broadcast_to(getattr(wanted, name), shape),
                rtol=1e-12,
                atol=1e-12,
                err_msg=f"{wanted.name} {name}",
            )
    for name in SETTINGS:
        if hasattr(wanted, name):
            assert getattr(wanted, name) == getattr(found, name), (wanted.name, name)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", [0, 1, 5, 6, 7, 9, 10, 17])
def test_random_networks(seed: int, version: str, tmp_path: Path) -> None:
    """Delays, loops, delayed resets, refractory neurons: the metadata say what NIR does not."""
    graph = leaky_graph(seed)
    inputs = leaky_inputs(graph, seed)
    wanted = NumpyBackend().lower(graph, STEPS).run(inputs, record=True)
    program, back = there_and_back(graph, tmp_path, version=version)
    written = program.run(inputs, record=True)
    found = back.run(program.encoded(inputs), record=True)
    for name, spikes in wanted.spikes.items():
        np.testing.assert_array_equal(written.spikes[name], spikes, name)
        (node,) = program.layout.populations[name]
        np.testing.assert_array_equal(found.spikes[node], spikes, name)
    for key in graph.outputs:
        node = program.layout.outputs[key]
        for each in (written.unrounded[key], found.unrounded[node]):
            np.testing.assert_allclose(each, wanted.unrounded[key], rtol=1e-12, atol=1e-12)
    for node in graph:
        if isinstance(node, (LeakyPopulation, LeakyIntegrator)) and not _is_step_function(node):
            other = back.graph[program.layout.sent[node.name]]
            if type(other) is type(node):  # with a bias a CubaLIF is written as two neurons
                assert_same_neuron(node, other, graph.types[node.name].shape)


def _is_step_function(node: Node) -> bool:
    return isinstance(node, LeakyPopulation) and not node.decay.any()


def as_nir_means(graph: Graph, version: str) -> Graph:
    """Return a graph whose neurons do only what a version of NIR says."""
    meant: dict[str, Any] = {"strict": True, "reset_delayed": False, "refractory": 0}
    meant["reset"] = "subtract" if version == "1.0.4" else "value"
    nodes = (
        replace(node, **meant) if isinstance(node, LeakyPopulation) else node
        for node in prepared(graph)
    )
    return Graph(nodes, graph.outputs)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rule", ["exact", "euler"])
@pytest.mark.parametrize("seed", [1, 5])
def test_what_nir_can_say_needs_no_metadata(
    seed: int, rule: str, version: str, tmp_path: Path
) -> None:
    h5py = pytest.importorskip("h5py")
    graph = as_nir_means(leaky_graph(seed), version)
    settings = {"version": version, "flavour": "strict", "dt": 1e-3, "discretisation": rule}
    program, _ = there_and_back(graph, tmp_path, **settings)
    with h5py.File(tmp_path / "network.nir", "a") as file:
        del file["node"]["metadata"]
    plain = snnc.compile(tmp_path / "network.nir", timesteps=STEPS, dt=1e-3, discretisation=rule)
    inputs = leaky_inputs(graph, seed)
    wanted = NumpyBackend().lower(graph, STEPS).run(inputs, record=True)
    found = plain.run(program.encoded(inputs), record=True)
    assert sum(int(spikes.sum()) for spikes in wanted.spikes.values()) > 5
    for name, spikes in wanted.spikes.items():
        (node,) = program.layout.populations[name]
        np.testing.assert_array_equal(found.spikes[node], spikes, name)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_nir_cannot_say_is_refused_or_told(version: str) -> None:
    graph = leaky_graph(1)
    odd: dict[str, Any] = {
        "strict": False,
        "reset": "none",
        "reset_delayed": False,
        "refractory": 2,
    }
    nodes = [
        replace(node, **odd, decay=np.full(1, 0.5)) if isinstance(node, (LIF, CubaLIF)) else node
        for node in graph
    ]
    odd_graph = Graph(nodes, graph.outputs)
    with pytest.raises(DesignRuleError) as caught:
        NirBackend(version, "strict").lower(odd_graph, STEPS)
    refused = " ".join(problem.message for problem in caught.value.problems)
    told = " ".join(
        each.message for each in NirBackend(version).lower(odd_graph, STEPS).differences
    )
    for words in ("fires at its threshold too", "leaves the membrane", "refractory for 2 steps"):
        assert words in refused
        assert words in told


def test_no_time_constant() -> None:
    graph = leaky_graph(1)
    nodes = [
        replace(node, decay=np.full(1, 1.5)) if isinstance(node, (LIF, CubaLIF)) else node
        for node in graph
    ]
    with pytest.raises(DesignRuleError, match=r"has a decay of 1\.5"):
        NirBackend().lower(Graph(nodes, graph.outputs), STEPS)


@pytest.mark.parametrize(("version", "flavour"), [("current", "subtractive"), ("1.0.4", "strict")])
def test_files_of_converted_networks_keep_their_soft_reset(
    version: str, flavour: str, tmp_path: Path
) -> None:
    """The current spec resets to a value; what the metadata say counts, and outputs are means."""
    graph = nir_graph(2)
    program = NirBackend(version, flavour).lower(graph, STEPS)
    program.save(tmp_path)
    inputs = random_inputs(graph, 2)
    wanted = program.run(inputs, record=True)
    fed = {
        name: np.repeat(x[:, None], STEPS, axis=1) for name, x in program.encoded(inputs).items()
    }
    back = snnc.compile(tmp_path / "network.nir", timesteps=STEPS)
    assert "snnc wrote the file" in str(back.report["approximations"])
    found = back.run(fed, record=True)
    for name, (written,) in program.layout.populations.items():
        np.testing.assert_array_equal(found.spikes[written], wanted.spikes[name], name)
    for key, name in graph.outputs.items():
        node = program.layout.outputs.get(name)
        if node is not None:
            np.testing.assert_allclose(found.decoded[node], wanted.decoded[key], atol=1e-4)
    hard = snnc.compile(tmp_path / "network.nir", timesteps=STEPS, reset="zero")
    assert {node.reset for node in hard.graph.of_type(LIF)} == {"value"}
    assert any("--reset zero" in message for message, _ in hard.report["warnings"])


def test_metadata_that_are_damaged(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    there_and_back(leaky_graph(1), tmp_path)
    path = tmp_path / "network.nir"
    other_version = '{"format": 2, "dt": 1, "outputs": {}}'
    nonsense = '{"format": 1, "dt": 1, "outputs": {"a": {"readout": 3}}}'
    for text in ("{", "[]", '{"format": 1, "dt": 0}', nonsense, other_version):
        with h5py.File(path, "a") as file:
            del file["node"]["metadata"]["snnc"]
            file["node"]["metadata"]["snnc"] = text
        found = snnc.compile(path, timesteps=STEPS)
        assert any("metadata of snnc" in message for message, _ in found.report["warnings"])
    outputs = {"nowhere": {"readout": "mean over the steps"}}
    said = {"format": 1, "dt": 1, "neurons": {}, "outputs": outputs}
    with h5py.File(path, "a") as file:
        del file["node"]["metadata"]["snnc"]
        file["node"]["metadata"]["snnc"] = json.dumps(said)
    with pytest.raises(ModelError, match="nowhere: is an output in the metadata"):
        snnc.compile(path, timesteps=STEPS)


def test_what_came_late_without_a_loop_is_a_delay(tmp_path: Path) -> None:
    spikes = TensorType((4,), Signal.SPIKES, (0, 1))
    rng = np.random.default_rng(2)
    nodes: list[Node] = [
        Input(name="x", type=TensorType((3,)), stepwise=True),
        Encoder(name="e", inputs=("x",)),
        Linear(name="a", inputs=("e",), weight=rng.integers(-4, 8, (4, 3)) / 4),
        LIF(name="n", inputs=("a",), decay=np.full(1, 0.5), threshold=np.ones(1), strict=True),
        Feedback(name="back", source="n", type=spikes),
        Linear(name="b", inputs=("back",), weight=rng.integers(-4, 8, (2, 4)) / 4),
        LI(name="m", inputs=("b",), decay=np.full(1, 0.75)),
    ]
    graph = Graph(nodes, {"y": "m"})
    program, back = there_and_back(graph, tmp_path)
    assert not program.layout.late
    assert back.graph.of_type(Delay)
    inputs = {"x": rng.integers(-8, 9, (3, STEPS, 3)) / 4}
    wanted = NumpyBackend().lower(graph, STEPS).run(inputs).decoded["y"]
    assert np.abs(wanted).max() > 0.5
    np.testing.assert_array_equal(program.run(inputs).decoded["y"], wanted)
    (found,) = back.run(program.encoded(inputs)).decoded.values()
    np.testing.assert_array_equal(found, wanted)


def framework_file(path: Path, version: str) -> Path:
    """Write what frameworks write: a recurrent CubaLIF, a delay, a convolution, an LI."""
    rng = np.random.default_rng(4)
    shape = (3, 6, 6)
    nodes = {
        "input": port("Input", (2, 6, 6)),
        "conv": conv(rng.normal(0, 0.5, (3, 2, 3, 3)), rng.normal(0, 0.1, 3), padding=[1, 1]),
        "lif": lif(shape, tau=2e-3, r=3.0, v_leak=0.1, v_threshold=0.4),
        "pool": pool("SumPool2d", 2),
        "flat": {"type": "Flatten", "input_type": [3, 3, 3], "start_dim": 0, "end_dim": -1},
        "late": {"type": "Delay", "delay": np.full(27, 3e-4)},
        "in": affine(rng.normal(0, 0.5, (5, 27)), rng.normal(0, 0.2, 5)),
        "cuba": neuron(
            "CubaLIF",
            (5,),
            tau_syn=1e-3,
            tau_mem=3e-3,
            r=4.0,
            v_leak=0.0,
            v_threshold=0.3,
            w_in=2.0,
        ),
        "back": affine(rng.normal(0, 0.5, (5, 5)), np.zeros(5)),
        "out": affine(rng.normal(0, 1, (2, 5)), np.zeros(2)),
        "li": neuron("LI", (2,), tau=5e-3, r=1.0, v_leak=0.0),
        "output": port("Output", (2,)),
        "spikes": port("Output", (5,)),
    }
    edges = pairs(["input", "conv", "lif", "pool", "flat", "late", "in", "cuba"])
    edges += [("cuba", "back"), ("back", "cuba"), ("cuba", "spikes")]
    edges += pairs(["cuba", "out", "li", "output"])
    return write(path, nodes, edges, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rule", ["exact", "euler"])
def test_in_and_out_and_in_again(rule: str, version: str, tmp_path: Path) -> None:
    path = framework_file(tmp_path / "net.nir", "1.0.4" if version == "1.0.4" else "1.0.8")
    first = snnc.compile(path, timesteps=30, dt=1e-4, discretisation=rule)
    assert first.graph.of_type(Feedback)
    assert first.graph.of_type(Conv)
    written = snnc.compile(
        path, timesteps=30, dt=1e-4, discretisation=rule, target="nir", nir_version=version
    )
    written.save(tmp_path / "out")
    again = snnc.compile(tmp_path / "out" / "network.nir", timesteps=30)
    assert again.artifact.manifest["options"]["discretisation"] == rule
    x = (np.random.default_rng(1).random((3, 30, 2, 6, 6)) < 0.3).astype(np.float32)
    wanted, found = first.run(x, record=True), again.run(x, record=True)
    assert wanted.spikes["cuba"].sum() > 20
    names = {name.split("_", 1)[1]: name for name in found.spikes}
    for name, spikes in wanted.spikes.items():
        np.testing.assert_array_equal(found.spikes[names[name]], spikes)
        assert_same_neuron(first.graph[name], again.graph[names[name]], spikes.shape[2:])
    last = {key.split("_", 1)[1]: trace for key, trace in found.decoded.items()}
    np.testing.assert_allclose(last["output"], wanted.decoded["output"], atol=1e-6)
    np.testing.assert_array_equal(last["spikes"], wanted.decoded["spikes"])


def test_nir_reads_the_files(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    old = nir.__version__.startswith(("0.", "1.0.4"))
    for seed in (1, 5, 9):
        NirBackend("1.0.4" if old else "current").lower(leaky_graph(seed), STEPS).save(tmp_path)
        graph = nir.read(tmp_path / "network.nir")
        kinds = {type(node).__name__ for node in graph.nodes.values()}
        assert kinds & {"LIF", "CubaLIF", "IF", "Threshold"}
        assert "snnc" in graph.metadata


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(framework_file(tmp_path / "net.nir", "1.0.8"))
    out = str(tmp_path / "out")
    arguments = ["--timesteps", "20", "--target", "nir", "-o", out]
    assert main([path, *arguments, "--discretisation", "exact"]) == 0
    assert "NIR has no time step" in capsys.readouterr().err
    assert main(["verify", out]) == 0
    x = (np.random.default_rng(1).random((2, 20, 2, 6, 6)) < 0.3).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    given = ["--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]
    assert main(["run", out, *given]) == 0
    assert np.load(tmp_path / "y.npz")["output"].shape == (2, 2)
    assert main([path, *arguments, "--nir-flavour", "strict"]) == 0
    assert main([path, *arguments, "--nir-flavour", "strict", "--nir-version", "1.0.4"]) == 2
    assert "this version of NIR takes it off" in capsys.readouterr().err
    assert main(["inspect", path, "--target", "nir", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["convertible"]
    assert main([path, "--nir-version", "1.0.4", "-o", out]) == 2
    assert "--nir-version has no meaning for target" in capsys.readouterr().err
