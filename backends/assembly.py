"""One result from the results of blocks of samples, each written to its place as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from ..ir import Array, Graph, MaxPool, Population
from .base import Activity, Result

COUNT_BYTES = 8
"""Of one count."""


@dataclass
class _Rows:
    """Arrays that are filled from the front, a block of samples at a time."""

    samples: int
    whole: dict[str, Array] = field(default_factory=dict)

    def put(self, begin: int, block: Mapping[str, Array]) -> None:
        for name, part in block.items():
            if name not in self.whole:
                self.whole[name] = np.empty((self.samples, *part.shape[1:]), part.dtype)
            self.whole[name][begin : begin + len(part)] = part


COUNTS = tuple(each.name for each in fields(Activity))


def assembled(parts: Iterable[Result], samples: int) -> Result:
    """Return the result of all samples.

    Args:
        parts: Results of consecutive samples; at least one, also where there are no samples.
        samples: Number of samples in all.
    """
    decoded, spikes, unrounded, settled = (_Rows(samples) for _ in range(4))
    counts = {count: _Rows(samples) for count in COUNTS}
    begin = 0
    for part in parts:
        decoded.put(begin, part.decoded)
        spikes.put(begin, part.spikes)
        unrounded.put(begin, part.unrounded)
        if part.settled is not None:
            settled.put(begin, {"settled": part.settled})
        for count, rows in counts.items():
            rows.put(begin, {name: getattr(done, count) for name, done in part.activity.items()})
        begin += len(next(iter(part.decoded.values())))
    activity = {
        name: Activity(*(rows.whole[name] for rows in counts.values()))
        for name in counts["spikes"].whole
    }
    return Result(
        decoded.whole,
        activity,
        spikes.whole,
        settled.whole.get("settled"),
        unrounded.whole,
    )


def result_bytes(graph: Graph, steps: int, *, record: bool) -> int:
    """Return about how many bytes the result of one sample takes.

    Args:
        graph: A spiking graph.
        steps: Steps of a run.
        record: Whether all payloads are kept.
    """
    decoded = sum(graph.types[name].size for name in graph.outputs.values())
    # In float32; of a recorded real-valued run in float64 too.
    size = steps * (decoded * (12 if record else 4) + len(COUNTS) * COUNT_BYTES * len(graph))
    if record:
        sending = (node for node in graph if isinstance(node, (Population, MaxPool)))
        size += steps * sum(payload_bytes(graph, node.name) for node in sending)
    return size


def payload_bytes(graph: Graph, name: str) -> int:
    """Return the bytes of all payloads that a node sends in one step."""
    type = graph.types[name]
    if type.payload is None:
        return 8 * type.size
    return type.size * (1 if max(map(abs, type.payload)) <= 127 else 4)
