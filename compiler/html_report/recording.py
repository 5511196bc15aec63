"""What each layer sent in a few samples: events over time, rates, payloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backends.base import Result
from ...ir import Array
from .topology import Layer

NEURONS = 48
"""Neurons of a layer that a raster shows: taken evenly, in row-major order."""

COLUMNS = 96
"""Columns of a raster; of a longer run each stands for several steps."""

BINS = 12
"""Bins of a histogram of rates."""


@dataclass(frozen=True)
class Recording:
    """What one layer sent.

    Attributes:
        samples: Number of samples that everything but the raster is over.
        steps: Steps of a sample, those that neurons wait or rehearse included.
        shown: Indices of the neurons in the raster.
        steps_a_column: Steps that one column of the raster stands for.
        positive: Of the first sample, the positive payloads that each neuron sent in each column,
            added up, ``(neurons, columns)``.
        negative: Likewise the magnitudes of the negative ones.
        events: Events of a mean sample in each column, ``(columns,)``.
        edges: Edges of the bins of rates, events a step, ``(bins + 1,)``.
        rates: How many neurons have a mean rate in each bin, ``(bins,)``.
        silent: Share of the neurons that sent nothing in any sample.
        payloads: For each payload that occurred, how many events of a mean sample had it.
    """

    samples: int
    steps: int
    shown: Array
    steps_a_column: int
    positive: Array
    negative: Array
    events: Array
    edges: Array
    rates: Array
    silent: float
    payloads: Mapping[int, float]

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object; the raster has one list a neuron."""
        return {
            "samples": self.samples,
            "steps": self.steps,
            "events": self.events.tolist(),
            "steps_a_column": self.steps_a_column,
            "raster": {
                "neurons": self.shown.tolist(),
                "positive": self.positive.tolist(),
                "negative": self.negative.tolist(),
            },
            "rates": {"edges": self.edges.tolist(), "neurons": self.rates.tolist()},
            "silent": self.silent,
            "payloads": {str(payload): count for payload, count in self.payloads.items()},
        }


def record(result: Result, layers: tuple[Layer, ...]) -> dict[str, Recording]:
    """Return what the layers sent in a run that kept all payloads."""
    return {
        layer.name: record_layer(result.spikes[layer.name])
        for layer in layers
        if layer.name in result.spikes
    }


def record_layer(sent: Array) -> Recording:
    """Return what a layer sent, from its payloads ``(samples, steps, *shape)``."""
    samples, steps = sent.shape[:2]
    flat = sent.reshape(samples, steps, -1)
    neurons = flat.shape[2]
    shown = np.unique(np.linspace(0, neurons - 1, min(NEURONS, neurons)).round().astype(np.int64))
    width = -(-steps // COLUMNS)
    first = flat[0][:, shown].T.astype(np.int64)
    active = flat != 0
    rate = active.mean(axis=(0, 1))
    counts, edges = np.histogram(rate, bins=BINS, range=(0, max(float(rate.max()), 1 / steps)))
    payloads, times = np.unique(flat[active], return_counts=True)
    return Recording(
        samples=samples,
        steps=steps,
        shown=shown,
        steps_a_column=width,
        positive=_columns(np.maximum(first, 0), width),
        negative=_columns(np.maximum(-first, 0), width),
        events=_columns(active.sum(axis=(0, 2))[None] / samples, width)[0],
        edges=edges,
        rates=counts,
        silent=float(np.mean(rate == 0)),
        payloads={int(p): float(n) / samples for p, n in zip(payloads, times, strict=True)},
    )


def _columns(values: Array, width: int) -> Array:
    """Return values ``(rows, steps)`` with so many steps added up to each column."""
    return np.add.reduceat(values, np.arange(0, values.shape[1], width), axis=1)
