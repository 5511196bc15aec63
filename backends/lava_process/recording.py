"""What a run writes down: memory shared with the processes of a simulation.

Lava hands out the state of a process one number a message, 20 microseconds each. Here each
process writes into a map that it inherited when it was forked. The maps have no name and no
file, so that nothing can be left behind.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from ...ir import Array
from ..base import Activity
from .layout import lava_shape
from .plan import (
    ConcatPlan,
    Listener,
    MaxPoolPlan,
    Plan,
    PopulationPlan,
    ProcessPlan,
    ReadoutPlan,
    SourcePlan,
)


def shared_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of zeros that forked children share with this process."""
    count = prod(shape)
    memory = mmap.mmap(-1, max(1, count * np.dtype(dtype).itemsize))
    return np.frombuffer(memory, dtype, count).reshape(shape)


@dataclass(frozen=True)
class Tally:
    """Counts what one population sends; its process writes, the parent reads.

    Attributes:
        counts: ``(samples, timesteps, 2 + 2 * listeners)``, int64: events, units, and for
            each listener the synaptic operations, by event and by unit.
        reach: Fan-out of each place for each listener, ``(size, listeners)``, float64.
        payloads: ``(samples, timesteps, *lava_shape)`` or None when nothing is recorded.
        waiting: For each sample, whether a neuron has something left to send; tracking neurons
            alone say so.
    """

    counts: Array
    reach: Array
    payloads: Array | None
    waiting: Array

    def write(self, sample: int, step: int, events: Array) -> None:
        """Count one step's payloads, laid out as Lava has them."""
        row = self.counts[sample, step]
        magnitude = np.abs(events).ravel()
        event = magnitude != 0
        row[0] = np.count_nonzero(event)
        row[1] = np.rint(magnitude.sum())  # of real payloads: counted in whole units
        row[2::2] = event @ self.reach  # below 2**53: exact
        row[3::2] = np.rint(magnitude @ self.reach)
        if self.payloads is not None:
            self.payloads[sample, step] = events


class Recording:
    """All that is written in one run.

    Args:
        plan: The network.
        samples: Number of samples.
        timesteps: Steps of each.
        record: Whether to keep all payloads.
    """

    def __init__(self, plan: Plan, samples: int, timesteps: int, *, record: bool) -> None:
        grid = (samples, timesteps)
        self.plan = plan
        self.tallies: dict[str, Tally] = {}
        self.totals: dict[str, Array] = {}
        for process in plan.processes:
            shape = (*grid, *lava_shape(process.shape))
            if isinstance(process, (PopulationPlan, MaxPoolPlan, ConcatPlan)):
                listeners = plan.listeners[process.name]
                counts = shared_zeros((*grid, 2 + 2 * len(listeners)), np.int64)
                kept = record and not isinstance(process, ConcatPlan)
                payloads = shared_zeros(shape, _payload_type(process)) if kept else None
                reach = _columns(listeners, prod(process.shape))
                waiting = shared_zeros((samples,), np.bool_)
                self.tallies[process.name] = Tally(counts, reach, payloads, waiting)
            elif isinstance(process, ReadoutPlan):
                number = np.int64 if plan.arithmetic == "integer" else np.float64
                self.totals[process.name] = shared_zeros(shape, number)
        self.clocks = shared_zeros((len(self.totals),), np.int64)
        """The step each readout has finished, in the order of ``totals``."""

    def total(self, name: str) -> Array:
        """Return an integrator's sums, ``(samples, timesteps, *shape)``, channels first."""
        return _from_lava(self.totals[name])

    def spikes(self) -> dict[str, Array]:
        """Return all payloads, ``(samples, timesteps, *shape)``; none if they were not kept."""
        return {
            name: np.ascontiguousarray(_from_lava(tally.payloads))
            for name, tally in self.tallies.items()
            if tally.payloads is not None
        }

    def settled(self) -> Array:
        """Return the step after which no population did anything more, 0 where one was not done.

        Returns:
            ``(samples,)``, of a network of tracking neurons.
        """
        samples, timesteps = next(iter(self.totals.values())).shape[:2]
        last, waiting = np.ones(samples, np.int64), np.zeros(samples, bool)
        for process in self.plan.processes:
            if isinstance(process, PopulationPlan):
                tally = self.tallies[process.name]
                sent = (tally.counts[..., 0] > 0) * np.arange(1, timesteps + 1)
                last = np.maximum(last, sent.max(axis=1))
                waiting |= tally.waiting
        return np.where(waiting, 0, last)

    def activity(self, injected: dict[str, Array]) -> dict[str, Activity]:
        """Return what each population, max pool and synapse did.

        Args:
            injected: For each source, what it injected, ``(samples, *lava_shape)``.
        """
        timesteps = next(iter(self.totals.values())).shape[1]
        rows = {name: tally.counts for name, tally in self.tallies.items()}
        for source in self.plan.processes:
            if isinstance(source, SourcePlan):
                payloads, listeners = injected[source.name], self.plan.listeners[source.name]
                rows[source.name] = _injected(payloads, listeners, timesteps)
                rows[source.name][:, 1 if source.encoder.once else timesteps :] = 0
        joins = {process.name for process in self.plan.processes if isinstance(process, ConcatPlan)}
        sent = {name: rows[name] for name in self.tallies if name not in joins}
        done: dict[str, Activity] = {}
        for name, counts in rows.items():
            for place, listener in enumerate(self.plan.listeners[name]):
                spikes, units = (sent.get(listener.name, counts)[..., i] for i in (0, 1))
                synops, unit_synops = (counts[..., 2 + 2 * place + i] for i in (0, 1))
                done[listener.name] = Activity(
                    spikes.copy(), units.copy(), synops.copy(), unit_synops.copy()
                )
        for name, counts in sent.items():
            if name not in done:  # a population: it causes no operations of its own
                spikes, units = counts[..., 0].copy(), counts[..., 1].copy()
                done[name] = Activity(spikes, units, np.zeros_like(spikes), np.zeros_like(spikes))
        return done


def _payload_type(process: ProcessPlan) -> DTypeLike:
    """Return a type that holds what a process sends: long runs have many steps to keep."""
    if isinstance(process, PopulationPlan) and max(map(abs, process.node.payload)) <= 127:
        return np.int8
    if isinstance(process, MaxPoolPlan) and process.payload is None:
        return np.float64
    return np.int32


def _columns(listeners: Iterable[Listener], size: int) -> Array:
    columns = [listener.reach.astype(np.float64) for listener in listeners]
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0))


def _injected(payloads: Array, listeners: tuple[Listener, ...], timesteps: int) -> Array:
    """Return the rows of a tally for samples that are injected at every step."""
    counts = np.zeros((len(payloads), 1, 2 + 2 * len(listeners)), np.int64)
    reach, waiting = _columns(listeners, prod(payloads.shape[1:])), np.zeros(len(payloads), bool)
    tally = Tally(counts, reach, None, waiting)
    for sample, injected in enumerate(payloads):
        tally.write(sample, 0, injected)
    return np.repeat(counts, timesteps, axis=1)


def _from_lava(array: Array) -> Array:
    """Return ``(samples, timesteps, *lava_shape)`` with channels first, as a view."""
    return array.transpose(0, 1, *range(array.ndim - 1, 1, -1))
