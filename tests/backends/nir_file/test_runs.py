"""A run of the file is that of the simulator, spike for spike."""

from __future__ import annotations

import numpy as np
import pytest

from snnc.backends.comparison import Answers, compare
from snnc.backends.nir_file import NirBackend
from snnc.backends.numpy_sim import NumpyBackend
from snnc.ir import Graph
from tests.backends.nir_file.graphs import nir_graph, pair_graph, renamed
from tests.spiking_graphs import TIMESTEPS, random_inputs

pytest.importorskip("h5py", reason="the extra nir is not installed")


def assert_equal_runs(graph: Graph, seed: int, timesteps: int = TIMESTEPS) -> None:
    inputs = random_inputs(graph, seed)
    program = NirBackend().lower(graph, timesteps)
    wanted = NumpyBackend().lower(graph, timesteps).run(inputs, record=True)
    got = program.run(inputs, record=True)
    assert wanted.spikes.keys() == got.spikes.keys()
    for name, sent in wanted.spikes.items():
        np.testing.assert_array_equal(sent, got.spikes[name], name)
    for key, decoded in wanted.decoded.items():
        np.testing.assert_array_equal(decoded, got.decoded[key])
    assert wanted.activity.keys() == got.activity.keys()
    for name, counted in wanted.activity.items():
        for what in ("spikes", "units", "synops", "unit_synops"):
            np.testing.assert_array_equal(
                getattr(counted, what), getattr(got.activity[name], what), f"{name} {what}"
            )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_integer_networks(seed: int, reset: str) -> None:
    assert_equal_runs(nir_graph(seed, reset=reset), seed)


@pytest.mark.parametrize("seed", range(4))
def test_signed_spikes_are_pairs_of_populations(seed: int) -> None:
    graph = pair_graph(seed)
    assert_equal_runs(graph, seed)
    network = NirBackend().lower(graph, TIMESTEPS).network
    assert len(network.neurons) == 2 * len(graph.populations)


def test_many_steps() -> None:
    assert_equal_runs(nir_graph(3), 3, timesteps=100)


def test_names_of_any_kind() -> None:
    assert_equal_runs(renamed(nir_graph(5), "/ü.class"), 5)


@pytest.mark.parametrize("seed", range(3))
def test_real_networks_differ_at_edges_only(seed: int) -> None:
    graph, signed = nir_graph(seed, integer=False), pair_graph(seed, integer=False)
    for each in (graph, signed):
        inputs = random_inputs(each, seed)
        wanted = NumpyBackend().lower(each, TIMESTEPS).run(inputs, record=True)
        got = NirBackend().lower(each, TIMESTEPS).run(inputs, record=True)
        found = compare(
            each,
            inputs,
            Answers(wanted.spikes, wanted.unrounded),
            Answers(got.spikes, got.unrounded),
        )
        assert not found.wrong
