"""snnc's simulator: compiled artifacts, and the choice of a kernel overridden."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock, get_ident
from time import perf_counter
from typing import Any

import numpy as np

import snnc
from examples.benchmarks.throughput.contestant import Job, Outcome, Prepared
from snnc.backends.base import Program, Result
from snnc.backends.numpy_sim import block
from snnc.backends.numpy_sim.native import library
from snnc.backends.numpy_sim.native.synapses import NativeSynapse
from snnc.compiler.event_counts import reads_input, total_activity
from snnc.compiler.network import Network
from snnc.ir import Conv, Graph, Input, Linear

UNCORRECTED = {"correction": "none"}
"""Fitting to the ANN takes minutes and changes numbers only, not how many there are."""

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "rate": {"code": "rate", **UNCORRECTED},
    "ternary": {"code": "ternary", **UNCORRECTED},
    "augmented": {"code": "augmented", **UNCORRECTED},
    "exact": {"code": "exact", "quantize": 8},
}


def compiled(job: Job, options: Mapping[str, Any]) -> Network:
    """Return a network compiled for a job; what was compiled before is read again."""
    timesteps = {} if job.timesteps is None else {"timesteps": job.timesteps}
    chosen = {**options, **timesteps}
    words = "-".join(str(value) for value in chosen.values())
    name = f"{job.network.name}-{job.network.sha256[:8]}-{words}-{job.calibration}"
    folder = job.keep / name
    if not folder.exists():
        x = job.network.calibration(job.calibration)
        network = snnc.compile(job.network.model, calibration=x, include_ann=False, **chosen)
        network.save(folder)
    return snnc.load(folder)


def simulator(
    job: Job, *, options: Mapping[str, Any], method: int | None = None, inside: bool = False
) -> Prepared:
    """Make the simulator ready.

    Args:
        job: What to compute.
        options: Of ``snnc.compile``.
        method: A kernel to use whatever the density, or None for the simulator's choice.
        inside: Whether to time the kernels of populations and synapses alone.
    """
    network = compiled(job, options)
    x, _ = job.network.test_samples(job.samples)
    return program(network.graph, network.program, x, method=method, inside=inside)


def program(
    graph: Graph, lowered: Program, x: Any, *, method: int | None = None, inside: bool = False
) -> Prepared:
    """Make a program of the simulator ready for some samples; see ``simulator``."""
    if method is not None:
        _force(method)
    stopwatch = _Stopwatch()
    if inside:
        stopwatch.install()
    inputs = {node.name: x for node in graph.of_type(Input)}
    steps = lowered.timesteps + lowered.depth_latency
    multiplications = per_step(graph)

    def describe(result: Result) -> Outcome:
        rested = result.settled
        image_steps = float(rested.sum()) if rested is not None else float(len(x) * steps)
        (decoded,) = result.decoded.values()
        neurons = sum(graph.types[node.name].size for node in graph.populations)
        spikes = sum(result.activity[node.name].spikes.sum() for node in graph.populations)
        synops = total_activity(graph, result.activity).synops.sum()
        return Outcome(
            image_steps=image_steps,
            operations=2.0 * multiplications * image_steps,
            outputs=decoded[:, -1],
            density=float(spikes) / neurons / image_steps,
            synops=float(synops) / image_steps,
            seconds=stopwatch.taken() if inside else None,
            note=_rest(rested, lowered.timesteps) if rested is not None else "",
        )

    return Prepared(lambda: lowered.run(inputs), describe)


def _rest(rested: Any, timesteps: int) -> str:
    return (
        f"T = {timesteps}; at rest after {rested.mean():.1f} steps on average, and later "
        "steps do not count"
    )


def per_step(graph: Graph) -> int:
    """Return the multiplications of one sample in one step, were all synapses dense.

    Synapses of the constant input are computed once and left out.
    """
    return sum(
        node.weight[0].size * graph.types[node.name].size
        for node in graph
        if isinstance(node, (Conv, Linear)) and not reads_input(graph, node)
    )


def _force(method: int) -> None:
    """Let this process use one kind of kernel; dense means a product of floats without VNNI."""

    def chosen(synapse: NativeSynapse, density: float) -> int | None:
        if synapse.is_channelwise:
            return library.CHANNELWISE
        if method == library.DENSE and not synapse.can_be_dense:
            return None
        return method

    NativeSynapse.method = chosen  # type: ignore[method-assign, assignment]


class _Stopwatch:
    """Sums the time that threads spend in kernels of populations and their synapses.

    Without compiled kernels that is synapses alone, unfolding and copies included.
    """

    def __init__(self) -> None:
        self._seconds, self._lock = dict[int, float](), Lock()

    def install(self) -> None:
        """Time every call from now on, in this process."""
        library.advance = self._timed(library.advance)
        block.synapse = self._timed(block.synapse)  # type: ignore[attr-defined]

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            begin = perf_counter()
            value = function(*arguments, **options)
            seconds = perf_counter() - begin
            with self._lock:
                known = self._seconds.get(get_ident(), 0.0)
                self._seconds[get_ident()] = known + seconds
            return value

        return timed

    def taken(self) -> float:
        """Return the mean over threads since the last call."""
        seconds = list(self._seconds.values())
        self._seconds.clear()
        return float(np.mean(seconds)) if seconds else 0.0
