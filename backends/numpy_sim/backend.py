"""The program of the target ``numpy``: layer by layer over all time steps of some samples.

A converted network has no loops, so a layer can be computed for every time step before the
next one begins; this turns many small products into a few large ones and lets a constant
input be multiplied once. Nothing else differs from ``ir.reference``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...ir import (
    IF,
    Array,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Reshape,
    Signal,
)
from ...ir.bounds import is_quantized
from ...ir.reference import step
from ..base import Activity, Progress, Result
from ..rules import check
from ..target import Target
from .events import activity, fan_out
from .kernels import Precision, integrate, max_pool, population, synapse

BLOCK_BYTES = 1 << 28
"""Memory for the edges of one block of samples."""

TARGET = Target(
    name="numpy",
    summary="event simulator in NumPy; runs everywhere, equal to the reference spike for spike",
    supports=frozenset({Input, Encoder, Conv, Linear, MaxPool, Reshape, IF, Integrator}),
)


@dataclass(frozen=True)
class NumpyProgram:
    """A spiking graph, simulated; see ``backends.base.Program``."""

    graph: Graph
    timesteps: int
    depth_latency: int = 0

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        record: bool = False,
        progress: Progress | None = None,
    ) -> Result:
        """Simulate samples in blocks; see ``Program.run``."""
        samples = len(next(iter(inputs.values())))
        size = self._block_size
        parts = []
        for begin in range(0, samples, size):
            block = {name: x[begin : begin + size] for name, x in inputs.items()}
            parts.append(self._run_block(block, record))
            if progress:
                progress(min(begin + size, samples), samples)
        return _joined(parts)

    def save(self, folder: Path) -> None:
        """Write nothing: the graph is all the simulator needs."""

    @cached_property
    def _reach(self) -> dict[str, Array]:
        spiking = (n for n in self.graph if n.inputs and self._reads_spikes(n.inputs[0]))
        return {
            n.name: fan_out(self.graph, n.name)
            for n in spiking
            if isinstance(n, (Conv, Linear, MaxPool))
        }

    def _reads_spikes(self, name: str) -> bool:
        return self.graph.types[name].signal is Signal.SPIKES

    @cached_property
    def _exact(self) -> dict[str, Precision]:
        """For each synapse, the float type in which all its sums are exact.

        float32 holds every integer up to 2**24, float64 up to 2**53; the bound is on the
        largest partial sum, so the order of additions does not matter.
        """
        synapses = self.graph.of_type(Conv) + self.graph.of_type(Linear)
        if not is_quantized(self.graph):
            return {node.name: np.float64 for node in synapses}
        return {
            node.name: np.float32 if self._partial_sum(node) < 2**24 else np.float64
            for node in synapses
        }

    def _partial_sum(self, node: Conv | Linear) -> int:
        payload = self.graph.types[node.inputs[0]].payload or (0, 0)
        magnitude = np.abs(node.weight.astype(np.int64)).reshape(len(node.weight), -1).sum(axis=1)
        return int(magnitude.max(initial=0)) * max(abs(payload[0]), abs(payload[1]))

    @cached_property
    def _block_size(self) -> int:
        largest = max(type.size for type in self.graph.types.values())
        # About four edges of eight bytes are alive at a time.
        return int(max(1, BLOCK_BYTES // (32 * self.timesteps * largest)))

    def _run_block(self, inputs: Mapping[str, Array], record: bool) -> Result:
        values: dict[str, Array] = {}
        counted: dict[str, Activity] = {}
        spikes: dict[str, Array] = {}
        readers = {name: len(users) for name, users in self.graph.users.items()}
        for node in self.graph:
            arguments = [values[name] for name in node.inputs]
            if isinstance(node, Input):
                value: Array = np.asarray(inputs[node.name], np.float64)[None]
            else:
                value = self._value(node, arguments)
            values[node.name] = value
            if (counts := self._counts(node, arguments, value)) is not None:
                counted[node.name] = counts
            if record and isinstance(node, (IF, MaxPool)):
                spikes[node.name] = self._all_steps(value)
            for name in node.inputs:  # an edge nobody reads any more is freed
                readers[name] -= 1
                if not readers[name] and name not in self.graph.outputs.values():
                    del values[name]
        decoded = {
            key: values[name].astype(np.float32).swapaxes(0, 1)
            for key, name in self.graph.outputs.items()
        }
        return Result(decoded, counted, spikes)

    def _value(self, node: Node, arguments: list[Array]) -> Array:
        if isinstance(node, Encoder):
            return step(node, [arguments[0][0]], {}, 1)[None]
        if isinstance(node, Reshape):
            return arguments[0].reshape(*arguments[0].shape[:2], *node.shape)
        if isinstance(node, (Conv, Linear)):
            return synapse(node, arguments[0], self._exact[node.name])
        if isinstance(node, MaxPool):
            return max_pool(node, arguments[0])
        if isinstance(node, IF):
            return population(node, arguments, self.timesteps)
        assert isinstance(node, Integrator)
        return integrate(node, arguments, self.timesteps)

    def _counts(self, node: Node, arguments: list[Array], value: Array) -> Activity | None:
        if isinstance(node, (Conv, Linear)):
            return self._received(node.name, arguments[0])
        if isinstance(node, MaxPool):
            return self._pooled(node.name, arguments[0], value)
        return activity(value) if isinstance(node, IF) else None

    def _received(self, name: str, payloads: Array) -> Activity:
        return _over_time(activity(payloads, self._reach[name]), self.timesteps)

    def _pooled(self, name: str, received: Array, sent: Array) -> Activity:
        arriving, leaving = self._received(name, received), activity(sent)
        leaving = _over_time(leaving, self.timesteps)
        return Activity(leaving.spikes, leaving.units, arriving.synops, arriving.unit_synops)

    def _all_steps(self, value: Array) -> Array:
        full = np.broadcast_to(value, (self.timesteps, *value.shape[1:]))
        return full.swapaxes(0, 1)


class NumpyBackend:
    """The target that runs everywhere."""

    target = TARGET

    def lower(self, graph: Graph, timesteps: int) -> NumpyProgram:
        """Check the graph and wrap it; see ``Backend.lower``."""
        check(graph, self.target)
        return NumpyProgram(graph, timesteps)

    def availability(self) -> str:
        """Return the version of NumPy."""
        return np.__version__


def _over_time(counts: Activity, timesteps: int) -> Activity:
    """Repeat the counts of a constant input for every step."""
    if counts.spikes.shape[1] == timesteps:
        return counts
    return Activity(
        *(
            np.repeat(part, timesteps, axis=1)
            for part in (counts.spikes, counts.units, counts.synops, counts.unit_synops)
        )
    )


def _joined(parts: list[Result]) -> Result:
    def join(arrays: list[Array]) -> Array:
        return np.concatenate(arrays)

    first = parts[0]
    return Result(
        {key: join([part.decoded[key] for part in parts]) for key in first.decoded},
        {
            name: Activity(
                *(
                    join([getattr(part.activity[name], field) for part in parts])
                    for field in ("spikes", "units", "synops", "unit_synops")
                )
            )
            for name in first.activity
        },
        {name: join([part.spikes[name] for part in parts]) for name in first.spikes},
    )
