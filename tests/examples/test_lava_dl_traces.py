"""Traces of lava-dl, where the wheel is unpacked: ``LAVA_DL`` is its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.lava_dl_traces import LAYERS, TRACES, compare

FOLDER = Path(os.environ.get("LAVA_DL", "lava-dl"))


@pytest.mark.skipif(not (FOLDER / TRACES).is_dir(), reason="no wheel of lava-dl is unpacked here")
def test_neurons_do_what_lava_dl_recorded() -> None:
    pytest.importorskip("h5py")
    found = compare(FOLDER)
    assert found.keys() == LAYERS.keys()
    assert {name: each.different for name, each in found.items()} == dict.fromkeys(LAYERS, 0)
    assert sum(each.spikes for each in found.values()) > 200_000
