"""The file, run on Lava's own processes, gives exactly what the reference says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from snnc.backends.lava_process.recording import shared_zeros
from snnc.backends.netx_file import NetxBackend
from snnc.backends.netx_file.network import MEMBRANE
from snnc.backends.numpy_sim import NumpyBackend
from snnc.ir import IF, Array, Graph, reference
from snnc.ir.reference import State, step
from tests.backends.netx_file.conftest import windows

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(
        not NetxBackend().availability(), reason="the extras lava and netx are not installed"
    ),
]

Samples = Callable[[Graph, int], dict[str, Array]]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "stock"])
def test_equal_to_the_reference(graph: Graph, samples: Samples, fast: bool) -> None:
    x, timesteps = samples(graph, 2), 5
    result = NetxBackend().lower(graph, timesteps).run(x, record=True, fast=fast)
    expected = reference.run(graph, x, timesteps)
    for name, payloads in expected.spikes.items():
        np.testing.assert_array_equal(result.spikes[name], payloads.swapaxes(0, 1), name)
        assert 0.02 < payloads.mean() < 0.9, f"{name}: the test shows little"
    decoded = expected.outputs["y"].swapaxes(0, 1).astype(np.float32)
    np.testing.assert_array_equal(result.decoded["y"], decoded)


def test_activity_is_that_of_the_simulator(samples: Samples) -> None:
    graph = windows()
    x, timesteps = samples(graph, 2), 3
    result = NetxBackend().lower(graph, timesteps).run(x)
    expected = NumpyBackend().lower(graph, timesteps).run(x)
    assert result.activity.keys() == expected.activity.keys()
    for name, activity in expected.activity.items():
        for field in ("spikes", "units", "synops", "unit_synops"):
            counted = getattr(result.activity[name], field)
            np.testing.assert_array_equal(counted, getattr(activity, field), f"{name} {field}")


def test_saturated_membranes_of_lava_and_ours_fire_alike() -> None:
    """Lava's stop at 131071 and 63/64, ours at 131071: no whole number lies in between."""
    from snnc.backends.lava_process import runtime  # noqa: F401 (makes Lava importable)

    # isort: split
    from lava.magma.compiler.compiler import Compiler
    from lava.proc.lif.process import LIFReset

    from snnc.backends.lava_process.runtime.containment import contained
    from snnc.backends.lava_process.runtime.models import Schedule
    from snnc.backends.lava_process.runtime.processes import SampleSource
    from snnc.backends.lava_process.runtime.run_config import FixedPointConfig
    from snnc.backends.lava_process.runtime.simulation import Session
    from snnc.backends.netx_file.runtime.processes import WatchedLIF
    from snnc.backends.netx_file.runtime.simulation import OWN

    assert issubclass(WatchedLIF, LIFReset)
    steps, neurons, threshold = 60, 300, 131_000
    rng = np.random.default_rng(0)
    currents = rng.integers(-MEMBRANE, MEMBRANE + 1, (steps, neurons)).astype(np.int32)
    totals, clock = shared_zeros((1, steps, neurons), np.int64), shared_zeros((1,), np.int64)
    watch = {"schedule": Schedule(1, steps, 1), "totals": totals, "clock": clock}
    with contained():
        each_step = Schedule(1, 1, steps)
        source = SampleSource(samples=currents[:, None], once=False, schedule=each_step)
        lif = WatchedLIF(
            watch=watch,
            shape=(neurons,),
            vth=threshold - 1,
            du=4095,
            dv=0,
            reset_interval=steps,
            reset_offset=1,
        )
        source.s_out.connect(lif.a_in)
        config = FixedPointConfig(fast=False, more=OWN)
        executable = Compiler({"pypy_channel_size": 2}, logging.WARNING).compile(source, config)
        with closing(Session(executable)) as session:
            session.run(steps, 60, lambda: int(clock[0]))

    one = np.array([1])
    node = IF(
        name="n",
        inputs=("c",),
        threshold=threshold * one,
        bias=0 * one,
        initial=0 * one,
        reset="zero",
        clamp=MEMBRANE,
    )
    state, fired = State(), 0
    for t, current in enumerate(currents):
        fired += int(step(node, [current[None].astype(np.int64)], state, t + 1).sum())
        # Rounded down, a membrane that went to -131071 and 63/64 is one lower, until it fires.
        difference = state["v"][0] - totals[0, t]
        assert np.isin(difference, (0, 1)).all()
        np.testing.assert_array_equal(state["v"][0] == 0, totals[0, t] == 0)
    assert fired > 100
    assert (difference == 1).any(), "no membrane saturated: the test shows nothing"
