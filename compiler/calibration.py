"""Statistics of activations over calibration data: streamed, with bounded memory.

ONNX Runtime runs the ANN twice over the data. The first pass finds the largest magnitude of
each activation, the second fills a histogram of its magnitudes for every channel. What is
kept does not grow with the number of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Graph
from ..ir.errors import DataError

BINS = 2048
"""Bins of a histogram up to the largest magnitude: thresholds are found to 0.05 % of it."""

BATCH_BYTES = 1 << 27
"""Memory for the activations of one batch."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Statistics:
    """Magnitudes of one activation over the calibration data.

    Attributes:
        counts: ``(channels, 1 + BINS)``: zeros first, then magnitudes by bin.
        edges: ``(1 + BINS,)``: borders of the bins, ANN units, from 0 to the largest magnitude.
    """

    counts: Array
    edges: Array

    def pooled(self) -> Array:
        """Return the counts of all channels together, ``(1 + BINS,)``."""
        return np.asarray(self.counts.sum(axis=0))

    def convergence(self, full_scale: Array) -> float | None:
        r"""Return how slowly the rates of a population approach its activations.

        With the rates :math:`r = \min(a / lam, 1)` it is :math:`\|r\|_1 / \|r\|_2^2`, at least 1
        and near 1 where most neurons are silent or at full scale: the coefficient of the optimal
        fit curve (Ding et al., IJCAI 2021), a small number for rates that are right after few
        steps. A diagnosis only.

        Args:
            full_scale: ``lam``, ``(1,)`` or ``(channels,)``, ANN units.

        Returns:
            The coefficient, or None where no activation is above 0.
        """
        centre = (self.edges[:-1] + self.edges[1:]) / 2
        rate = np.minimum(centre / full_scale[:, None], 1)
        first, second = (float(np.sum(self.counts[:, 1:] * power)) for power in (rate, rate**2))
        return first / second if second else None


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each channel of a value, ``(channels,)``."""

    mean: Array
    deviation: Array

    def pooled(self) -> Moments:
        """Return those of all channels together, ``(1,)``; channels are of equal size."""
        mean = self.mean.mean()
        square = (np.square(self.deviation) + np.square(self.mean)).mean()
        return Moments(np.array([mean]), np.sqrt([max(square - mean**2, 0.0)]))


def collect_moments(
    graph: Graph, values: Sequence[str], data: Mapping[str, Array]
) -> dict[str, Moments]:
    """Return mean and deviation of some values of an ANN over the data.

    Args:
        graph: The ANN.
        values: Names of the nodes to watch.
        data: For each input, samples ``(samples, *shape)``.
    """
    from ..backends.onnx_runtime import AnnSession

    watched = list(dict.fromkeys(values))
    sums: dict[str, Array] = {}
    count = len(next(iter(data.values())))
    for found in AnnSession(graph, extra=watched).stream(data):
        for name in watched:
            x = found[name].astype(np.float64)
            x = x.swapaxes(0, 1).reshape(x.shape[1], -1)
            sums[name] = sums.get(name, 0.0) + np.stack([x.sum(axis=1), np.square(x).sum(axis=1)])
    moments = {}
    for name, (total, square) in sums.items():
        size = count * graph.types[name].size // len(total)
        mean = total / size
        moments[name] = Moments(mean, np.sqrt(np.maximum(square / size - np.square(mean), 0)))
    return moments


def collect(
    graph: Graph,
    values: Sequence[str],
    data: Mapping[str, Array],
    progress: Progress | None = None,
) -> dict[str, Statistics]:
    """Collect statistics of some values of an ANN.

    Args:
        graph: The ANN.
        values: Names of the nodes to watch.
        data: For each input, samples ``(samples, *shape)``.
        progress: Called with samples done and in all; each sample is run twice.

    Returns:
        For each value, its statistics.

    Raises:
        DataError: A value overflows.
    """
    from ..backends.onnx_runtime import AnnSession

    watched = list(dict.fromkeys(values))
    if not watched:
        return {}
    session = AnnSession(graph, extra=watched)
    samples = len(next(iter(data.values())))
    size = max(1, BATCH_BYTES // (4 * sum(graph.types[name].size for name in graph.nodes)))
    largest = dict.fromkeys(watched, 0.0)
    done = 0
    for found in session.stream(data, batch=size):
        for name in watched:
            largest[name] = float(np.maximum(largest[name], np.abs(found[name]).max(initial=0.0)))
        done += _report(progress, done, len(found[watched[0]]), 2 * samples)
    for name, value in largest.items():
        if not np.isfinite(value):
            raise DataError(
                f"{name}: becomes infinite or NaN on the calibration data",
                hint="check the model in float32, and the range of the data",
            )
    edges = {name: np.linspace(0, largest[name] or 1.0, BINS + 1) for name in watched}
    counts: dict[str, Array] = {}
    for found in session.stream(data, batch=size):
        for name in watched:
            magnitude = np.abs(found[name].astype(np.float64))
            counts[name] = counts.get(name, 0) + _histogram(magnitude, edges[name])
        done += _report(progress, done, len(found[watched[0]]), 2 * samples)
    return {name: Statistics(counts[name], edges[name]) for name in watched}


def _report(progress: Progress | None, done: int, more: int, total: int) -> int:
    if progress:
        progress(done + more, total)
    return more


def _histogram(magnitude: Array, edges: Array) -> Array:
    """Return ``(channels, 1 + BINS)`` counts; a value on a border belongs to the bin below."""
    bins = np.ceil(magnitude * (BINS / edges[-1])).astype(np.int64).clip(0, BINS)
    by_channel = bins.swapaxes(0, 1).reshape(bins.shape[1], -1)
    offset = np.arange(len(by_channel))[:, None] * (BINS + 1)
    flat = np.bincount((by_channel + offset).ravel(), minlength=len(by_channel) * (BINS + 1))
    return flat.reshape(len(by_channel), BINS + 1)
