"""Builds the processes that lava-dl builds from a file, and runs them under guard."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from lava.magma.compiler.compiler import Compiler
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset

from ....ir import Array
from ...base import Progress
from ...lava_process.layout import lava_shape
from ...lava_process.legalize import lava_kernel
from ...lava_process.plan import Plan, PopulationPlan, ReadoutPlan
from ...lava_process.recording import Recording
from ...lava_process.runtime.containment import contained
from ...lava_process.runtime.models import Schedule
from ...lava_process.runtime.network import EIGHT_BITS, GRADED, reversed_axes
from ...lava_process.runtime.processes import SampleSource
from ...lava_process.runtime.run_config import FixedPointConfig
from ...lava_process.runtime.simulation import CHANNEL_SLOTS, Session
from ..network import ConvLayer, DenseLayer, NetxNetwork
from .processes import EventTap, EventTapModel, WatchedLIF, WatchedLIFModel

OWN: dict[type, type] = {
    LIFReset: PyLifResetModelBitAcc,
    EventTap: EventTapModel,
    WatchedLIF: WatchedLIFModel,
}


def simulate(
    network: NetxNetwork,
    plan: Plan,
    samples: Mapping[str, Array],
    recording: Recording,
    *,
    fast: bool,
    progress: Progress | None,
    timeout: float | None,
) -> None:
    """Stream samples through the layers of a file and write down what they do.

    Args:
        network: What was read from the file.
        plan: The same network as target ``lava`` lays it out: names what is written down.
        samples: For the one source, ``(samples, 1, *lava_shape)``, int32.
        recording: Where the processes write.
        fast: Whether Lava's Conv and Dense run on our process models.
        progress: Called with the number of samples done and their total.
        timeout: Seconds until the run is given up, or None.

    Raises:
        ExecutionError: A process failed or died, or the network does not advance.
    """
    (given,) = samples.values()
    told = -1

    def advanced() -> int:
        nonlocal told
        step = int(recording.clocks.min())
        done = max(0, step - len(network.layers)) // network.timesteps
        if progress and done != told:
            told = done
            progress(done, len(given))
        return step

    with contained():
        processes = build(network, plan, given, recording)
        compiler = Compiler({"pypy_channel_size": CHANNEL_SLOTS}, logging.WARNING)
        config = FixedPointConfig(fast=fast, more=OWN)
        with closing(Session(compiler.compile(processes[0], config))) as session:
            steps = len(given) * network.timesteps + len(network.layers)
            session.run(steps, timeout, advanced)


def build(network: NetxNetwork, plan: Plan, given: Array, recording: Recording) -> list[Any]:
    """Create and connect the processes of a file, and those that look on."""
    schedule = Schedule(1, network.timesteps, len(given))
    source = SampleSource(samples=given, once=False, schedule=schedule)
    processes: list[Any] = [source]
    port = source.s_out
    names = [p for p in plan.processes if isinstance(p, (PopulationPlan, ReadoutPlan))]
    for depth, (layer, place) in enumerate(zip(network.layers, names, strict=True), start=1):
        if isinstance(layer, DenseLayer) and len(port.shape) > 1:
            port = reversed_axes(port).flatten()
        synapse = create_synapse(layer, port.shape)
        port.connect(synapse.s_in)
        schedule = replace(schedule, start=depth + 1)
        neurons = create_neurons(layer, place, schedule, recording)
        synapse.a_out.connect(neurons.a_in)
        port = neurons.s_out
        processes += [synapse, neurons]
        if isinstance(place, PopulationPlan):
            tally = recording.tallies[place.name]
            tap = EventTap(shape=port.shape, schedule=schedule, tally=tally)
            port.connect(tap.s_in)
            processes.append(tap)
    return processes


def create_neurons(
    layer: ConvLayer | DenseLayer,
    place: PopulationPlan | ReadoutPlan,
    schedule: Schedule,
    recording: Recording,
) -> Any:
    """Create Lava's own neurons of a layer, reset when a sample begins to arrive."""
    settings = {
        "shape": lava_shape(layer.shape),
        "vth": layer.threshold,
        "du": 4095,
        "dv": 0,
        "bias_mant": full_bias(layer),
        "bias_exp": 6,
        "reset_interval": schedule.timesteps,
        "reset_offset": schedule.start,
    }
    if isinstance(place, PopulationPlan):
        return LIFReset(**settings)
    watch = {
        "schedule": schedule,
        "totals": recording.totals[place.name],
        "clock": recording.clocks,
    }
    return WatchedLIF(watch=watch, **settings)


def create_synapse(layer: ConvLayer | DenseLayer, source: tuple[int, ...]) -> Any:
    """Create Lava's own synapse of a layer that reads a source, in Lava's layout.

    lava-dl doubles dense weights once or several times and undoes it behind the sum; once is
    enough to keep all 8 bits.
    """
    if isinstance(layer, DenseLayer):
        return Dense(weights=2 * layer.weight, **EIGHT_BITS)
    return Conv(
        weight=lava_kernel(layer.weight),
        input_shape=source,
        stride=layer.stride[::-1],
        padding=layer.padding[::-1],
        dilation=layer.dilation[::-1],
        groups=layer.groups,
        **GRADED,
    )


def full_bias(layer: ConvLayer | DenseLayer) -> Array:
    """Return the bias of each neuron, in Lava's layout."""
    bias = layer.bias
    if bias.ndim < len(layer.shape):
        bias = bias.reshape(-1, *(1,) * (len(layer.shape) - 1))
    return np.ascontiguousarray(np.broadcast_to(bias, layer.shape).transpose())
