"""``LoihiLIF`` equals Lava's own fixed-point LIF, bit for bit: spikes, voltages and currents."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from snnc.backends.lava_process import LavaBackend

pytest.importorskip("examples.benchmarks", reason="runs in a checkout only")

from examples.benchmarks.loihi_lif import by_lava, by_reference, random_case

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
]


def test_neurons_equal_those_of_lava() -> None:
    import_module("snnc.backends.lava_process.runtime")  # mends the import of Lava
    spikes = wrapped = saturated = 0
    for seed in range(60):
        case = random_case(seed)
        found, expected = by_reference(case), by_lava(case)
        np.testing.assert_array_equal(found.u, expected.u, f"u of case {seed}")
        np.testing.assert_array_equal(found.v, expected.v, f"v of case {seed}")
        np.testing.assert_array_equal(found.spikes, expected.spikes, f"spikes of case {seed}")
        spikes += int(found.spikes.sum())
        wrapped += int(np.count_nonzero(np.abs(found.u) > 2**23))
        saturated += int(np.count_nonzero(np.abs(found.v) == 2**23 - 1))
    assert min(spikes, wrapped, saturated) > 1000  # the comparison sees all of it
