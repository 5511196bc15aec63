"""What stands in a ``.nir`` file, and that the package ``nir`` reads it."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnc.backends.nir_file import NirBackend, hdf5
from snnc.backends.nir_file.contract import contract_of, rule
from snnc.ir import Encoder
from snnc.ir.errors import ArtifactError, MissingDependencyError
from tests.backends.nir_file.graphs import nir_graph, pair_graph

h5py = pytest.importorskip("h5py", reason="the extra nir is not installed")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("draw", [nir_graph, pair_graph])
def test_what_is_written_is_read_back(seed: int, draw: Callable[[int], Any]) -> None:
    network = NirBackend().lower(draw(seed), 7).network
    back = hdf5.passed_through(network)
    assert (back.edges, dict(back.metadata)) == (network.edges, dict(network.metadata))
    assert back.version == network.version == "1.0.8"
    assert list(back.nodes) == list(network.nodes), "readers take the nodes in this order"
    for name, wanted in network.nodes.items():
        got = back.nodes[name]
        assert type(wanted) is type(got)
        for field, value in vars(wanted).items():
            np.testing.assert_array_equal(value, vars(got)[field], f"{name}.{field}")


def test_every_neuron_has_threshold_one_and_kernels_are_plain() -> None:
    for seed in range(4):
        network = NirBackend().lower(nir_graph(seed), 7).network
        with h5py.File("x", "w", driver="core", backing_store=False) as file:
            hdf5.write(network, file)
            nodes = file["node/nodes"]
            for name, node in network.nodes.items():
                group = nodes[name]
                if group["type"][()] == b"IF":
                    assert group["r"].shape == node.shape
                    for field, value in (("r", 1), ("v_threshold", 1), ("v_reset", 0)):
                        assert np.all(group[field][()] == value)
                elif group["type"][()] == b"Conv2d":
                    out, inputs, height, width = group["weight"].shape
                    assert height == width
                    assert group["groups"][()] == 1
                    assert group["bias"].shape == (out,)
                    (source,) = network.sources(name)
                    assert network.nodes[source].shape == (inputs, *group["input_shape"][()])
            assert sorted(nodes) == list(nodes), "the order of the names is that of the network"


def test_files_for_old_readers_have_no_reset() -> None:
    network = NirBackend("1.0.4").lower(nir_graph(1), 7).network
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        hdf5.write(network, file)
        assert file["version"][()] == b"1.0.4"
        for group in file["node/nodes"].values():
            assert "v_reset" not in group
            assert "metadata" not in group, "Conv2d of nir 1.0.4 takes none"


def test_the_contract_says_what_the_network_means() -> None:
    graph = nir_graph(2)
    program = NirBackend().lower(graph, 7)
    contract = contract_of(program.network.metadata)
    assert contract["timesteps"] == 7
    assert contract["dt"] == 1
    assert contract["neuron"]["reset"] == "subtract"
    assert not rule(contract).strict
    assert {entry["name"] for entry in contract["populations"].values()} == {
        node.name for node in graph.populations
    }
    assert [entry["what"] for entry in contract["differences"]] == [
        problem.message for problem in program.differences
    ]
    assert "present it for 7 steps" in " ".join(program.network.metadata["usage"].split())


def test_the_input_is_described_so_that_it_can_be_computed() -> None:
    graph = nir_graph(2)
    (encoder,) = graph.of_type(Encoder)
    offset = replace(encoder, gain=np.array([[[2.0]]]), bounds=(0, 9), offset=1)
    graph = type(graph)((offset if n is encoder else n for n in graph), graph.outputs)
    program = NirBackend().lower(graph, 7)
    (entry,) = contract_of(program.network.metadata)["inputs"].values()
    x = np.linspace(-1, 1, 2 * graph.types["x"].size).reshape(2, *graph.types["x"].shape)
    names = {"x": x, "gain": np.array(entry["gain"]), "clip": np.clip, "round": np.rint}
    wanted = eval(entry["value"], {"__builtins__": {}}, names)
    (got,) = program.encoded({"x": x}).values()
    np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_the_half_unit_keeps_membranes_off_their_thresholds() -> None:
    """In an integer network ``>`` and ``>=`` decide alike, so that readers may use either."""
    from snnc.backends.nir_file.execution import execute
    from snnc.backends.nir_file.neuron_rules import NeuronRule
    from tests.spiking_graphs import random_inputs

    for seed in range(2):
        for reset in ("subtract", "value"):
            graph = nir_graph(seed, reset="zero" if reset == "value" else reset)
            program = NirBackend().lower(graph, 25)
            inputs = program.encoded(random_inputs(graph, seed))
            at, above = (
                execute(program.network, inputs, 25, NeuronRule(reset=reset, strict=strict))
                for strict in (False, True)
            )
            for name, sent in at.spikes.items():
                np.testing.assert_array_equal(sent, above.spikes[name])


@pytest.mark.parametrize("version", ["current", "1.0.4"])
@pytest.mark.parametrize("draw", [nir_graph, pair_graph])
def test_the_package_nir_reads_it(version: str, draw: Callable[[int], Any], tmp_path: Path) -> None:
    nir = pytest.importorskip("nir", reason="the package nir is not installed")
    if version == "current" and nir.version == "1.0.4":
        pytest.skip("nir 1.0.4 knows no v_reset")
    for seed in range(4):
        program = NirBackend(version).lower(draw(seed), 7)
        program.save(tmp_path)
        graph = nir.read(tmp_path / "network.nir")
        assert list(graph.nodes) == list(program.network.nodes)
        assert set(graph.edges) == set(program.network.edges)
        assert json.loads(graph.metadata["snnc"])["timesteps"] == 7
        nir.write(tmp_path / "again.nir", graph)
        assert list(nir.read(tmp_path / "again.nir").nodes) == list(graph.nodes)


def test_a_file_of_others_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.nir", "w") as file:
        file["version"] = "1.0.8"
        graph = file.create_group("node")
        graph["edges"] = np.array([("a", "b")], dtype=h5py.string_dtype())
        graph.create_group("metadata")
        graph.create_group("nodes/a")["type"] = "SumPool2d"
        with pytest.raises(ArtifactError, match="SumPool2d"):
            hdf5.read(file)
    with pytest.raises(ArtifactError, match="no contract"):
        contract_of({})


def test_without_h5py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def without(name: str, *rest: Any, real: Any = builtins.__import__) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match="target nir needs h5py"):
        NirBackend().lower(nir_graph(0), 7).save(tmp_path)
