"""Statistics of activations over calibration data: streamed, with bounded memory.

ONNX Runtime runs the ANN once over the data, and a histogram of its magnitudes is filled for
every channel of each activation (``backends.numpy_sim.histogram``): of all of them, or of those on
a grid of places where there are very many. What is kept does not grow with the number of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..backends.numpy_sim.histogram import Histogram, add_all, grid, threads
from ..ir import Array, Graph
from ..ir.errors import DataError

BATCH = 32
BATCH_BYTES = 1 << 25
"""Samples, and memory for what is seen of their activations, of one batch; no thread is without a
sample for it."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Statistics:
    """Magnitudes of one activation over the calibration data.

    Attributes:
        counts: ``(channels, 1 + bins)``: zeros first, then magnitudes by bin; of a fixed part of
            them where they are very many (``backends.numpy_sim.histogram``).
        edges: ``(1 + bins,)``: borders of the bins, ANN units, from 0 to the largest magnitude.
            All bins but the last have one width, at most 1/2048 of that magnitude.
        largest: ``(channels,)``: the largest magnitude of each channel, of all values.
    """

    counts: Array
    edges: Array
    largest: Array

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
        progress: Called with samples done and in all.

    Returns:
        For each value, its statistics.

    Raises:
        DataError: A value overflows.
    """
    from ..backends.onnx_runtime import Activations

    watched = list(dict.fromkeys(values))
    if not watched:
        return {}
    samples = len(next(iter(data.values())))
    grids = {name: grid(graph.types[name].shape[1:], samples) for name in watched}
    workers = min(threads(), BATCH)
    activations = Activations(graph, grids, workers=workers)
    size = max(workers, min(BATCH, BATCH_BYTES // max(1, activations.sample_bytes)))
    histograms = {name: Histogram(graph.types[name].shape[0]) for name in watched}
    undefined: set[str] = set()
    done = 0
    with ThreadPoolExecutor(threads()) as pool:
        for seen, outputs in activations.stream(data, batch=size):
            add_all(list(histograms.values()), [seen[name].values for name in watched], pool)
            for name, part in seen.items():
                if part.largest is not None:
                    histograms[name].reach(part.largest)
            undefined |= {name for name, output in outputs.items() if np.isnan(output).any()}
            done += len(next(iter(seen.values())).values)
            if progress:
                progress(done, samples)
        lost = [name for name, h in histograms.items() if not np.isfinite(h.largest).all()]
        for name in (*lost, *sorted(undefined)):
            raise DataError(
                f"{name}: becomes infinite or NaN on the calibration data",
                hint="check the model in float32, and the range of the data",
            )
        counted = list(pool.map(Histogram.in_common, histograms.values()))
    return {
        name: Statistics(*found, histogram.largest)
        for (name, histogram), found in zip(histograms.items(), counted, strict=True)
    }
