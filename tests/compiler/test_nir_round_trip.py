"""What target ``nir`` writes is read back by the importer as the same network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.backends.nir_file import NirBackend
from tests.backends.nir_file.graphs import nir_graph
from tests.spiking_graphs import random_inputs

pytest.importorskip("h5py", reason="the extra nir is not installed")

STEPS = 9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("version", "reset"), [("1.0.4", "subtract"), ("current", "zero")])
def test_written_and_imported(seed: int, version: str, reset: str, tmp_path: Path) -> None:
    """Each version means one reset, and no membrane lies on its threshold: spikes are equal."""
    graph = nir_graph(seed, reset=reset)
    program = NirBackend(version, "strict").lower(graph, STEPS)
    program.save(tmp_path)
    inputs = random_inputs(graph, seed)
    wanted = program.run(inputs, record=True)
    ((node, x),) = program.encoded(inputs).items()
    back = snnc.compile(tmp_path / "network.nir", timesteps=STEPS, dt=1.0)
    repeated = np.repeat(x[:, None], STEPS, axis=1)
    got = back.run({node: repeated}, record=True)
    for name, (written,) in program.layout.populations.items():
        np.testing.assert_array_equal(got.spikes[written], wanted.spikes[name], name)
