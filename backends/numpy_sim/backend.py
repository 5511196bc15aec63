"""The program of the target ``numpy``: layer by layer over all time steps of some samples.

A converted network has no loops, so a layer can be computed for every time step before the
next one begins; this turns many small products into a few large ones and lets a constant
input be multiplied once. Blocks of samples are small enough for the cache and run side by
side on all cores. Nothing else differs from ``ir.reference``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...ir import (
    IF,
    Array,
    Concat,
    Conv,
    DifferentialIF,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Previous,
    Product,
    RadixIF,
    Rearrange,
    Reshape,
    Signal,
    TrackingIF,
    TwoPhaseIF,
    latency,
)
from ...ir.bounds import is_quantized, largest_current, membrane_bound
from ...ir.reference import step
from ...ir.settling import is_exact
from ..base import Activity, Progress, Result
from ..rules import check
from ..target import Target
from .convolution import Multiplication, Precision
from .events import activity, fan_out
from .exact import ExactRun
from .kernels import in_step, max_pool, population, product, stepwise, synapse

BLOCK_BYTES = 1 << 23
"""Size of the largest edge of one block of samples, in float32. Small blocks stay in the cache,
and memory that is freed and asked for again in such sizes is not fetched anew from the system."""

TARGET = Target(
    name="numpy",
    summary="event simulator in NumPy; runs everywhere, equal to the reference spike for spike",
    supports=frozenset(
        [
            *(Input, Encoder, Concat, Conv, Linear, MaxPool, Rearrange, Reshape),
            *(IF, Integrator),
            *(DifferentialIF, Previous, Product, RadixIF, TrackingIF, TwoPhaseIF),
        ]
    ),
)


@dataclass(frozen=True)
class NumpyProgram:
    """A spiking graph, simulated; see ``backends.base.Program``."""

    graph: Graph
    timesteps: int

    @property
    def depth_latency(self) -> int:
        """Steps that neurons wait or rehearse beyond T; a synapse takes no time here."""
        return latency(self.graph)

    @property
    def steps(self) -> int:
        """All steps of a run."""
        return self.timesteps + self.depth_latency

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
        self._prepare()
        blocks = [
            {name: x[begin : begin + size] for name, x in inputs.items()}
            for begin in range(0, max(samples, 1), size)
        ]
        parts = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for part in pool.map(lambda block: self._run_block(block, record), blocks):
                parts.append(part)
                if progress:
                    progress(min(len(parts) * size, samples), samples)
        return _joined(parts)

    def save(self, folder: Path) -> None:
        """Write nothing: the graph is all the simulator needs."""

    def _prepare(self) -> None:
        """Make what is made once, before threads share it."""
        _ = self._products, self._reach, self._states, self._comes_to_rest, self._real

    @cached_property
    def _reach(self) -> dict[str, Array]:
        spiking = (n for n in self.graph if n.inputs and self._reads_spikes(n.inputs[0]))
        return {
            n.name: fan_out(self.graph, n.name)
            for n in spiking
            if isinstance(n, (Conv, Linear, MaxPool, Product))
        }

    def _reads_spikes(self, name: str) -> bool:
        return self.graph.types[name].signal is Signal.SPIKES

    @cached_property
    def _real(self) -> bool:
        return not is_quantized(self.graph)

    @cached_property
    def _exact(self) -> dict[str, Precision]:
        """For each synapse, the float type in which all its sums are exact.

        float32 holds every integer up to 2**24, float64 up to 2**53; the bound is on the
        largest partial sum, so the order of additions does not matter.
        """
        synapses = self.graph.of_type(Conv) + self.graph.of_type(Linear)
        if self._real:
            return {node.name: np.float64 for node in synapses}
        return {node.name: _holding(self._partial_sum(node)) for node in synapses}

    def _partial_sum(self, node: Conv | Linear) -> int:
        payload = self.graph.types[node.inputs[0]].payload or (0, 0)
        magnitude = np.abs(node.weight.astype(np.int64)).reshape(len(node.weight), -1).sum(axis=1)
        largest = int(magnitude.max(initial=0)) * node.copies
        return largest * max(abs(payload[0]), abs(payload[1]))

    @cached_property
    def _states(self) -> dict[str, Precision]:
        """For each population, the float type in which its membrane is exact."""
        populations = self.graph.of_type(IF)
        if self._real:
            return {node.name: np.float64 for node in populations}
        return {node.name: _holding(self._largest_membrane(node)) for node in populations}

    def _largest_membrane(self, node: IF) -> int:
        """Return a bound on the membrane before it is clamped, and on what firing computes."""
        bound = membrane_bound(self.graph, node, self.timesteps)
        if node.clamp is not None:
            current = sum(largest_current(self.graph, name) for name in node.inputs)
            bound = min(bound, node.clamp + current + int(np.abs(node.bias).max()))
        return bound + int(node.threshold.max()) * max(node.max_positive, node.max_negative)

    @cached_property
    def _products(self) -> dict[str, Multiplication]:
        return {name: product(self._synapse(name), exact) for name, exact in self._exact.items()}

    def _synapse(self, name: str) -> Conv | Linear:
        node = self.graph[name]
        assert isinstance(node, (Conv, Linear))
        return node

    @cached_property
    def _comes_to_rest(self) -> bool:
        return is_exact(self.graph)

    @cached_property
    def _block_size(self) -> int:
        largest = max(type.size for type in self.graph.types.values())
        if self._comes_to_rest:  # advanced step by step
            return int(max(1, BLOCK_BYTES // (4 * largest)))
        return int(max(1, BLOCK_BYTES // (4 * self.steps * largest)))

    def _run_block(self, inputs: Mapping[str, Array], record: bool) -> Result:
        if self._comes_to_rest:
            run = ExactRun(self.graph, self._products, self._exact, self._reach, self.steps)
            return run.run(inputs, record=record)
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
            self._count(node, value, counted)
            if record and isinstance(node, (Population, MaxPool)):
                spikes[node.name] = self._all_steps(value)
            for name in node.inputs:  # an edge nobody reads any more is freed
                readers[name] -= 1
                if not readers[name] and name not in self.graph.outputs.values():
                    del values[name]
        decoded = {key: values[name].swapaxes(0, 1) for key, name in self.graph.outputs.items()}
        rounded = {key: trace.astype(np.float32) for key, trace in decoded.items()}
        kept = decoded if record and self._real else {}
        return Result(rounded, counted, spikes, unrounded=kept)

    def _value(self, node: Node, arguments: list[Array]) -> Array:
        if isinstance(node, Encoder):
            payload = step(node, [arguments[0][0]], {}, 1)[None]
            if not node.once:
                return payload
            silence = np.zeros_like(np.broadcast_to(payload, (self.steps - 1, *payload.shape[1:])))
            return np.concatenate([payload, silence])
        if isinstance(node, Reshape):
            return arguments[0].reshape(*arguments[0].shape[:2], *node.shape)
        if isinstance(node, Rearrange):
            return node.moved(arguments[0], leading=2)
        if isinstance(node, Concat):
            return np.concatenate(in_step(arguments), axis=2)
        if isinstance(node, (Conv, Linear)):
            name = node.name
            return synapse(node, arguments[0], self._exact[name], self._products[name])
        if isinstance(node, MaxPool):
            return max_pool(node, arguments[0])
        if isinstance(node, IF):
            return population(node, arguments, self.steps, self._states[node.name])
        return stepwise(node, arguments, self.steps)

    def _count(self, node: Node, value: Array, counted: dict[str, Activity]) -> None:
        """Count the events on a node's edge, for the node and for what reads it."""
        if not self._reads_spikes(node.name):
            return
        readers = [user.name for user in self.graph.users[node.name] if user.name in self._reach]
        sent, *felt = activity(value, [self._reach[name] for name in readers])
        for name, found in zip(readers, felt, strict=True):
            here = _over_time(found, self.steps)
            counted[name] = counted[name] + here if name in counted else here  # two factors
        if isinstance(node, MaxPool):  # what it sent, and what it compared
            sent, felt_itself = _over_time(sent, self.steps), counted[node.name]
            sent = Activity(sent.spikes, sent.units, felt_itself.synops, felt_itself.unit_synops)
        if isinstance(node, (Population, MaxPool)):
            counted[node.name] = sent

    def _all_steps(self, value: Array) -> Array:
        full = np.broadcast_to(value, (self.steps, *value.shape[1:]))
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


def _holding(bound: int) -> Precision:
    """Return the float type that holds every integer below a bound."""
    return np.float32 if bound < 2**24 else np.float64


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
        join([settled for part in parts if (settled := part.settled) is not None])
        if first.settled is not None
        else None,
        {key: join([part.unrounded[key] for part in parts]) for key in first.unrounded},
    )
