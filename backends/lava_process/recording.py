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

from ...ir import Array, Population
from ..base import Activity
from .layout import lava_shape
from .plan import (
    ConcatPlan,
    FeedbackPlan,
    Listener,
    MaxPoolPlan,
    Plan,
    PopulationPlan,
    PreviousPlan,
    ProcessPlan,
    ReadoutPlan,
    SourcePlan,
    StatefulPlan,
)

PASSING = (ConcatPlan, FeedbackPlan, PreviousPlan)
"""Processes that send what others sent, and count it for those that read it."""


def shared_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of zeros that forked children share with this process."""
    count = prod(shape)
    memory = mmap.mmap(-1, max(1, count * np.dtype(dtype).itemsize))
    return np.frombuffer(memory, dtype, count).reshape(shape)


@dataclass(frozen=True)
class Tally:
    """Counts what one process sends; it writes, the parent reads.

    Attributes:
        counts: ``(samples, timesteps, 2 + 2 * listeners)``, int64: events, units, and for
            each listener the synaptic operations, by event and by unit. Of a sequence they are
            summed over its elements.
        reach: Fan-out of each place for each listener, ``(size, listeners)``, float64.
        payloads: ``(samples, elements, timesteps, *lava_shape)`` or None when nothing is recorded.
        waiting: ``(samples, elements)``, whether a neuron has something left to send; tracking
            neurons alone say so.
    """

    counts: Array
    reach: Array
    payloads: Array | None
    waiting: Array

    def write(self, sample: int, element: int, step: int, events: Array) -> None:
        """Count one step's payloads, laid out as Lava has them."""
        row = self.counts[sample, step]
        magnitude = np.abs(events).ravel()
        event = magnitude != 0
        row[0] += np.count_nonzero(event)
        row[1] += whole(magnitude.sum())
        row[2::2] += whole(event @ self.reach)
        row[3::2] += whole(magnitude @ self.reach)
        if self.payloads is not None:
            self.payloads[sample, element, step] = events


class Recording:
    """All that is written in one run.

    Args:
        plan: The network.
        samples: Number of samples.
        timesteps: Steps of each element.
        elements: Elements of each sample; one that is no sequence is its only element.
        record: Whether to keep all payloads.
    """

    def __init__(
        self, plan: Plan, samples: int, timesteps: int, *, elements: int = 1, record: bool
    ) -> None:
        grid = (samples, timesteps)
        self.plan = plan
        self.tallies: dict[str, Tally] = {}
        self.totals: dict[str, Array] = {}
        for process in plan.processes:
            shape = lava_shape(process.shape)
            if isinstance(process, (PopulationPlan, MaxPoolPlan, StatefulPlan, *PASSING)):
                listeners = plan.listeners[process.name]
                counts = shared_zeros((*grid, 2 + 2 * len(listeners)), np.int64)
                kept = record and _sends(process)
                every = (samples, elements, timesteps, *shape)
                payloads = shared_zeros(every, _payload_type(process)) if kept else None
                reach = _columns(listeners, prod(process.shape))
                waiting = shared_zeros((samples, elements), np.bool_)
                self.tallies[process.name] = Tally(counts, reach, payloads, waiting)
            elif isinstance(process, ReadoutPlan):
                number = np.int64 if plan.arithmetic == "integer" else np.float64
                self.totals[process.name] = shared_zeros((*grid, *shape), number)
        self.clocks = shared_zeros((len(self.totals),), np.int64)
        """The step each readout has finished, in the order of ``totals``."""

    def total(self, name: str) -> Array:
        """Return an integrator's sums, ``(samples, timesteps, *shape)``, channels first.

        Of a sequence they are those of the last element.
        """
        return _from_lava(self.totals[name])

    def spikes(self) -> dict[str, Array]:
        """Return all payloads, ``(samples, steps, *shape)``; none if they were not kept.

        Of a sequence the steps are those of all its elements, one behind the other.
        """
        return {
            name: np.ascontiguousarray(_from_lava(np.concatenate(sent.swapaxes(0, 1), axis=1)))
            for name, tally in self.tallies.items()
            if (sent := tally.payloads) is not None
        }

    def settled(self) -> Array:
        """Return the step after which no population did anything more, 0 where one was not done.

        Returns:
            ``(samples,)``, of a network of tracking neurons; of a sequence, that of its slowest
            element.
        """
        samples, timesteps = next(iter(self.totals.values())).shape[:2]
        last, waiting = np.ones(samples, np.int64), np.zeros(samples, bool)
        for process in self.plan.processes:
            if isinstance(process, PopulationPlan):
                tally = self.tallies[process.name]
                sent = (tally.counts[..., 0] > 0) * np.arange(1, timesteps + 1)
                last = np.maximum(last, sent.max(axis=1))
                waiting |= tally.waiting.any(axis=1)
        return np.where(waiting, 0, last)

    def activity(self, injected: dict[str, Array]) -> dict[str, Activity]:
        """Return what each population, max pool and synapse did.

        Args:
            injected: For each source, what it injected, ``(samples, elements, *lava_shape)``.
        """
        timesteps = next(iter(self.totals.values())).shape[1]
        rows = {name: tally.counts for name, tally in self.tallies.items()}
        for source in self.plan.processes:
            if isinstance(source, SourcePlan):
                payloads, listeners = injected[source.name], self.plan.listeners[source.name]
                rows[source.name] = _injected(payloads, listeners, timesteps, source.stepwise)
                rows[source.name][:, 1 if source.encoder.once else timesteps :] = 0
        sent = {p.name: rows[p.name] for p in self.plan.processes if _sends(p)}
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


def whole(count: Array) -> Array:
    """Return counts in whole numbers; float64 holds those of integers, real ones are rounded."""
    return np.asarray(np.rint(count), np.int64)


def _sends(process: ProcessPlan) -> bool:
    """Whether events of a process are its own: those of populations and max pools."""
    if isinstance(process, StatefulPlan):
        return isinstance(process.node, Population)
    return isinstance(process, (PopulationPlan, MaxPoolPlan))


def _payload_type(process: ProcessPlan) -> DTypeLike:
    """Return a type that holds what a process sends: long runs have many steps to keep."""
    if isinstance(process, StatefulPlan):
        return np.int8
    if isinstance(process, PopulationPlan) and max(map(abs, process.node.payload)) <= 127:
        return np.int8
    if isinstance(process, MaxPoolPlan) and process.payload is None:
        return np.float64
    return np.int32


def _columns(listeners: Iterable[Listener], size: int) -> Array:
    columns = [listener.reach.astype(np.float64) for listener in listeners]
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0))


def _injected(
    payloads: Array, listeners: tuple[Listener, ...], timesteps: int, stepwise: bool
) -> Array:
    """Return the rows of a tally for samples that are injected at every step."""
    if stepwise:
        each = [_injected(payloads[:, :, t], listeners, 1, False) for t in range(timesteps)]
        return np.concatenate(each, axis=1)
    samples, elements, *shape = payloads.shape
    counts = np.zeros((samples, 1, 2 + 2 * len(listeners)), np.int64)
    waiting = np.zeros((samples, elements), bool)
    tally = Tally(counts, _columns(listeners, prod(shape)), None, waiting)
    for sample, element in np.ndindex(samples, elements):
        tally.write(sample, element, 0, payloads[sample, element])
    return np.repeat(counts, timesteps, axis=1)


def _from_lava(array: Array) -> Array:
    """Return ``(samples, timesteps, *lava_shape)`` with channels first, as a view."""
    return array.transpose(0, 1, *range(array.ndim - 1, 1, -1))
