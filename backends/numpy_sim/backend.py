"""The program of the target ``numpy``: layer by layer over all time steps of some samples.

A converted network has no loops between its steps (those of a trained one are in ``loops``), so a
layer can be computed for every time step before the next one begins; this turns many small
products into a few large ones and lets a constant input be multiplied once. Blocks of samples are
small enough for the cache and run side by side on all cores. Nothing else differs from
``ir.reference``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np

from ...ir import (
    IF,
    LI,
    LIF,
    VIEWS,
    Array,
    Concat,
    Conv,
    CubaLI,
    CubaLIF,
    Delay,
    DifferentialIF,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    MaxPool,
    Previous,
    Product,
    RadixIF,
    Signal,
    TrackingIF,
    TwoPhaseIF,
)
from ...ir.bounds import largest_current, membrane_bound
from ...ir.neurons import RESETS
from ...ir.settling import is_exact
from ..assembly import result_bytes
from ..base import Result
from ..block_program import BlockProgram, Request
from ..counting import fan_out
from ..rules import check
from ..sample_blocks import number_of_samples
from ..target import Target
from .block import BlockRun, Prepared
from .blocks import Blocks
from .convolution import Multiplication, Precision
from .exact import ExactRun
from .exact_compiled import (
    TOGETHER,
    CompiledExact,
    ExactBlock,
    can_compile,
    compiled_exact,
)
from .footprint import Footprint, block_bytes, compiled_exact_bytes, exact_bytes
from .kernels import product
from .native.frames import FramePool
from .native.plan import plan

BLOCK_BYTES = 1 << 23
"""Size of the largest edge of one block of samples, in float32. Small blocks stay in the cache,
and memory that is freed and asked for again in such sizes is not fetched anew from the system."""

VECTORS = 4
"""Blocks are so many times as large where all populations have one position: there it is weights
that the cache holds, and they are read once for a block."""

TARGET = Target(
    name="numpy",
    summary="event simulator in NumPy; runs everywhere, equal to the reference spike for spike",
    supports=frozenset(
        [
            *(Input, Encoder, Concat, Conv, Linear, MaxPool, *VIEWS),
            *(IF, Integrator),
            *(DifferentialIF, Previous, Product, RadixIF, TrackingIF, TwoPhaseIF),
            *(LI, LIF, CubaLI, CubaLIF, LoihiLIF, Delay, Feedback),
        ]
    ),
    stepwise_inputs=True,
    resets=RESETS,
)


@dataclass(frozen=True)
class NumpyProgram(BlockProgram):
    """A spiking graph, simulated; see ``backends.base.Program``."""

    def _results(self, asked: Request) -> Iterator[Result]:
        return self._blocks(asked).results(asked.progress)

    @cached_property
    def _prepared(self) -> Prepared:
        """What is made once, before threads share it."""
        native = plan(self.graph, self._membranes, real=self._real)
        prepared = Prepared(
            self.graph, self.steps, self._products, self._exact, self._states, self._reach, native
        )
        _ = prepared.traffic, prepared.order, prepared.uses, prepared.loops
        return prepared

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
        rows = node.weight.reshape(len(node.weight), -1)  # of bytes: no copy in long integers
        magnitude = np.maximum(rows, 0).sum(axis=1, dtype=np.int64)
        magnitude -= np.minimum(rows, 0).sum(axis=1, dtype=np.int64)
        largest = int(magnitude.max(initial=0)) * node.copies
        return largest * max(abs(payload[0]), abs(payload[1]))

    @cached_property
    def _states(self) -> dict[str, Precision]:
        """For each population, the float type in which its membrane is exact."""
        return {
            name: np.float64 if bound is None else _holding(bound)
            for name, bound in self._membranes.items()
        }

    @cached_property
    def _membranes(self) -> dict[str, int | None]:
        """For each population, a bound on its integer membrane; None where it is real."""
        populations = self.graph.of_type(IF)
        if self._real:
            return dict.fromkeys((node.name for node in populations), None)
        return {node.name: self._largest_membrane(node) for node in populations}

    def _largest_membrane(self, node: IF) -> int:
        """Return a bound on the membrane before it is clamped, and on what firing computes."""
        bound = membrane_bound(self.graph, node, self.timesteps)
        if node.clamp is not None:
            current = sum(largest_current(self.graph, name) for name in node.inputs)
            bound = min(bound, node.clamp + current + int(np.abs(node.bias).max()))
        return bound + int(node.threshold.max()) * max(node.max_positive, node.max_negative)

    @cached_property
    def _products(self) -> dict[str, Callable[[], Multiplication]]:
        """For each synapse, what makes its product; not made before somebody asks."""
        return {
            name: cache(partial(product, self._synapse(name), exact))
            for name, exact in self._exact.items()
        }

    def _synapse(self, name: str) -> Conv | Linear:
        node = self.graph[name]
        assert isinstance(node, (Conv, Linear))
        return node

    @cached_property
    def _compiled(self) -> CompiledExact | None:
        """What all blocks of an exact network share, if the compiled kernels can run it."""
        return compiled_exact(self._prepared) if can_compile(self.graph) else None

    @cached_property
    def _comes_to_rest(self) -> bool:
        return is_exact(self.graph)

    def _blocks(self, asked: Request) -> Blocks:
        """Return how to cut up samples."""
        inputs, record, resources = asked.inputs, asked.record, asked.resources
        samples = number_of_samples(inputs)
        _ = (
            self._compiled if self._comes_to_rest else self._prepared
        )  # made once, before threads share it
        even = -(-samples // resources.threads)  # one block for each thread, if they are few
        size, jobs = max(1, min(self._block_size, even)), resources.threads
        if resources.memory is not None:
            few = {name: x[:1] for name, x in inputs.items()}
            self._run_block(few, FramePool(), record)  # makes what all blocks share
            footprint = self._footprint(few, record)
            size, jobs = footprint.fitting(size, jobs, samples, resources, kept=asked.kept)
        return Blocks(inputs, size, jobs, partial(self._run_block, record=record))

    def _footprint(self, sample: Mapping[str, Array], record: bool) -> Footprint:
        if not self._comes_to_rest:
            result = result_bytes(self.graph, self.steps, record=record)
            return Footprint(block_bytes(self._prepared, record), result)
        elements = max(x.size // self.graph.types[name].size for name, x in sample.items())
        result = elements * result_bytes(self.graph, self.steps, record=record)
        if self._compiled is not None:
            block = compiled_exact_bytes(self._prepared, TOGETHER, record)
            return Footprint(block, result)
        return Footprint(exact_bytes(self.graph), result)

    @cached_property
    def _block_size(self) -> int:
        """The most samples of a block, so that it stays in the cache."""
        largest = max(type.size for type in self.graph.types.values())
        if self._comes_to_rest:  # advanced a few steps at a time, or one
            steps = 1 if self._compiled is None else TOGETHER
            return int(max(1, BLOCK_BYTES // (4 * steps * largest)))
        native = self._prepared.native.populations.values()
        vectors = native and all(each.one_position for each in native)
        most = BLOCK_BYTES * VECTORS if vectors else BLOCK_BYTES
        return int(max(1, most // (4 * self.steps * largest)))

    def _run_block(self, inputs: Mapping[str, Array], pool: FramePool, record: bool) -> Result:
        if self._comes_to_rest:
            if self._compiled is not None:
                return ExactBlock(self._compiled, pool, inputs).run(record=record)
            products = {name: product() for name, product in self._products.items()}
            run = ExactRun(self.graph, products, self._exact, self._reach, self.steps)
            return run.run(inputs, record=record)
        return BlockRun(self._prepared, pool, record, record and self._real).run(inputs)


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
