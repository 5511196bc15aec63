"""What a run of an exact network leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir import Array, Graph, MaxPool, Population
from ..base import Activity, Result
from .tracking import payload_type


@dataclass
class Record:
    """What a run leaves behind, for all its samples and steps.

    Attributes:
        decoded: Per output, ``(samples, steps, *shape)``.
        counted: Per node that is counted, the four arrays of ``Activity``.
        spikes: Per node that sends events, ``(samples, steps, *shape)``, if wanted.
        settled: The step after which a sample was at rest, 0 if it never was.
        sent: Per node whose value is carried on, what it sent in all, ``(samples, *shape)``.
    """

    decoded: dict[str, Array]
    counted: dict[str, Activity]
    spikes: dict[str, Array]
    settled: Array
    sent: dict[str, Array]

    def feel(self, name: str, counts: Activity, where: Any, *, pool: bool) -> None:
        """Add what a reader felt; a max pool counts the events it sent, not those it received.

        Args:
            name: The reader.
            counts: Of some samples and steps, ``(samples, steps)``.
            where: Which they are.
            pool: Whether it is a max pool.
        """
        entry = self.counted[name]
        entry.synops[where] += counts.synops
        entry.unit_synops[where] += counts.unit_synops
        if not pool:
            entry.spikes[where] += counts.spikes
            entry.units[where] += counts.units


def empty(
    graph: Graph, reach: Mapping[str, Array], samples: int, steps: int, *, record: bool
) -> Record:
    """Return the record of a run in which nothing has happened yet.

    Args:
        graph: The graph.
        reach: Those that read events.
        samples: Number of samples.
        steps: All steps of a run.
        record: Whether to keep all payloads.
    """
    shape, types = (samples, steps), graph.types
    sending = [node.name for node in graph if isinstance(node, (Population, MaxPool))]
    names = [node.name for node in graph if node.name in sending or node.name in reach]
    return Record(
        {
            key: np.zeros((*shape, *types[name].shape), np.float32)
            for key, name in graph.outputs.items()
        },
        {name: Activity(*(np.zeros(shape, np.int64) for _ in range(4))) for name in names},
        {
            name: np.zeros((*shape, *types[name].shape), payload_type(types[name]))
            for name in sending
            if record
        },
        np.zeros(samples, np.int64),
        {
            name: np.zeros((samples, *types[name].shape), np.int64)
            for name in graph.carried.values()
        },
    )


def of_sequence(records: Sequence[Record]) -> Result:
    """Return what the records of all elements give together."""
    last = records[-1]
    if len(records) == 1:
        return Result(last.decoded, last.counted, last.spikes, last.settled)
    counted = {
        name: Activity(
            *(
                np.sum([getattr(record.counted[name], part) for record in records], axis=0)
                for part in ("spikes", "units", "synops", "unit_synops")
            )
        )
        for name in last.counted
    }
    spikes = {
        name: np.concatenate([record.spikes[name] for record in records], axis=1)
        for name in last.spikes
    }
    settled = np.stack([record.settled for record in records])
    slowest = np.where((settled == 0).any(axis=0), 0, settled.max(axis=0))
    return Result(last.decoded, counted, spikes, slowest)
