"""How many bytes a block of samples takes while it is simulated, and how large it may then be.

The estimate follows ``block.BlockRun`` node by node: payloads that are still to be read, as bytes
for the compiled kernels and as arrays, currents of one population at a time, the copies in which
products are computed and events are counted. It is an upper bound in all but what libraries take
for themselves, for which some of the limit is left free.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod

import numpy as np

from ...ir import (
    IF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    MaxPool,
    Node,
    Population,
    Product,
    Reshape,
    Signal,
    TrackingIF,
)
from ...ir.errors import OptionError
from ...ir.leaky import LeakyIntegrator
from ..assembly import payload_bytes
from ..resources import Resources, megabytes
from .block import Prepared
from .blocks import AHEAD
from .native import library
from .native.frames import FrameLayout
from .native.plan import emitter
from .native.populations import NativePopulation
from .native.synapses import padded_lanes

SPARE = 0.92
"""Share of what is left that is given out: allocators keep some of what was freed."""

JOB_BYTES = (1 << 26) + (1 << 24)
"""What a job takes whatever the block: memory that the C library keeps of what was freed, up to
64 MiB for each thread (``M_TRIM_THRESHOLD`` of ``mallopt``), and columns of unrolled products."""


LISTED = 5
"""Bytes of a payload that is listed as an event, or packed, for a population of one position."""


@dataclass(frozen=True)
class Footprint:
    """What samples take.

    Attributes:
        block: Bytes for each sample of a block that is being computed.
        result: Bytes for each sample that is done.
    """

    block: int
    result: int

    def fitting(
        self, size: int, jobs: int, samples: int, resources: Resources, *, kept: bool
    ) -> tuple[int, int]:
        """Return the samples of a block and the jobs that a memory limit allows.

        Args:
            size: The most samples of a block.
            jobs: The most jobs.
            samples: Samples in all.
            resources: The limit.
            kept: Whether the results of all samples are held.

        Raises:
            OptionError: Not even one sample fits.
        """
        left = resources.left()
        if left is None:
            return size, jobs
        free = SPARE * left - (self.result * samples if kept else 0)
        for wanted in range(jobs, 0, -1):  # fewer jobs where even blocks of one sample are large
            most = (free - wanted * self.fixed) // (wanted * self.each)
            if most >= 1:
                return int(min(size, most)), wanted
        assert resources.memory is not None
        least = resources.memory + (self.each + self.fixed - free) / SPARE
        held = " and to keep all results" if kept else ""
        raise OptionError(
            f"memory {megabytes(resources.memory)}: too little to run one sample at a time{held}",
            hint=f"give at least {megabytes(1.05 * least)}"
            + (", or take the results block by block: stream" if kept else ""),
        )

    @property
    def each(self) -> int:
        """Bytes for each sample that a job has in its hands, under way and waiting."""
        return self.block + AHEAD * self.result

    @property
    def fixed(self) -> int:
        """Bytes for each job."""
        return JOB_BYTES + library.scratch_bytes()


def block_bytes(prepared: Prepared, record: bool) -> int:
    """Return the bytes of each sample of a block, layer by layer over all steps.

    Args:
        prepared: What is run.
        record: Whether all payloads are kept.
    """
    return _Walk(prepared, record).largest()


@dataclass
class _Walk:
    """``BlockRun.run`` with sizes for arrays."""

    prepared: Prepared
    record: bool
    arrays: dict[str, int] = field(default_factory=dict)
    framed: dict[str, FrameLayout] = field(default_factory=dict)
    pooled: Counter[FrameLayout] = field(default_factory=Counter)
    most: int = 0

    def largest(self) -> int:
        """Return the most bytes that are held at a time."""
        graph, left = self.prepared.graph, dict(self.prepared.uses)
        shown = set(map(self.prepared.sender, graph.outputs.values()))
        for node in graph:
            if isinstance(node, Reshape) or self.prepared.is_synapse(node.name):
                continue
            work = self.computing(node)
            self.note(work)
            self.note(self.counting(node))
            for name in self.prepared.sources(node):
                left[name] -= 1
                if not left[name] and name not in shown:
                    self.arrays.pop(name, None)
                    self.framed.pop(name, None)
        frames = sum(count * self.frame_bytes(layout) for layout, count in self.pooled.items())
        return self.most + frames

    def note(self, work: int) -> None:
        """Take note of arrays that are held with those on the edges."""
        self.most = max(self.most, work + sum(self.arrays.values()))

    def computing(self, node: Node) -> int:
        """Put what a node sends on its edge; return the bytes it is computed in."""
        name, graph = node.name, self.prepared.graph
        population = self.prepared.native.populations.get(name)
        if population and self.runs_native(population):
            work = sum(
                max(  # the current, laid out, and their sum; or this and the next one, both padded
                    3 * self.current_bytes(each.node.name),
                    2 * self.padded_bytes(population),
                )
                for each in population.synapses
                if self.steps(each.node.inputs[0]) == 1
            )
            roots = [emitter(graph, each.node.inputs[0]) for each in population.synapses]
            for root in roots:
                if self.steps(root) > 1:
                    self.frame(root)
            self.frame(name)
            if population.one_position:  # lists of events, or rows packed for dense products
                work += sum(
                    LISTED * self.steps(each.node.inputs[0]) * each.node.weight[0].size
                    for each in population.synapses
                )
            dense = any(each.method(1.0) is None for each in population.synapses)
            return work + (self.by_arrays(node) if dense else 0)
        work = self.by_arrays(node)
        self.arrays[name] = self.edge_bytes(node)
        return work

    def padded_bytes(self, population: NativePopulation) -> int:
        """Return the bytes of a current of one step as the compiled kernels lay it out."""
        channels, height, width = population.shape
        return np.dtype(population.number).itemsize * padded_lanes(channels) * height * width

    def runs_native(self, population: NativePopulation) -> bool:
        layouts, graph = self.prepared.native.layouts, self.prepared.graph
        sources = [each.node.inputs[0] for each in population.synapses]
        framed = (emitter(graph, name) in layouts for name in sources if self.steps(name) > 1)
        return population.node.name in layouts and all(framed)

    def by_arrays(self, node: Node) -> int:
        """Return the bytes in which NumPy computes a node from arrays."""
        if isinstance(node, Input):
            return 0
        graph, currents, products = self.prepared.graph, 0, 0
        for name in node.inputs:
            source = graph[name].inputs[0] if self.prepared.is_synapse(name) else name
            self.array(emitter(graph, source))
            if self.prepared.is_synapse(name):
                currents += self.current_bytes(name)
                cast = 8 if self.prepared.precisions[name].__name__ == "float64" else 4
                product = self.steps(source) * graph.types[source].size * (2 * cast + 1)
                products = max(products, product + self.current_bytes(name))
        if isinstance(node, IF):
            return currents + products
        if isinstance(node, MaxPool):  # what was received, its maxima, and their differences
            before = graph.types[node.inputs[0]].size
            return 8 * self.steps(node.name) * (before + 3 * graph.types[node.name].size)
        return currents + products + 2 * self.edge_bytes(node)  # step by step, then stacked

    def counting(self, node: Node) -> int:
        """Return the bytes in which events are counted, or outputs decoded and payloads kept."""
        graph, name = self.prepared.graph, node.name
        size = self.steps(name) * graph.types[name].size
        if isinstance(node, Integrator):
            return 2 * 8 * size
        if graph.types[name].signal is not Signal.SPIKES:
            return 0
        work = 0 if name in self.framed else self.arrays[name] + 9 * size
        if self.record and isinstance(node, (Population, MaxPool)):
            self.array(name)
            work += 2 * self.arrays[name]
        return work

    def array(self, root: str) -> None:
        """Have what is on an edge as an array too."""
        graph = self.prepared.graph
        self.arrays.setdefault(root, self.steps(root) * payload_bytes(graph, root))

    def frame(self, root: str) -> None:
        """Have what is on an edge as frames too; they are kept to be used again."""
        if root not in self.framed:
            layout = self.framed[root] = self.prepared.native.layouts[root]
            alive = sum(other == layout for other in self.framed.values())
            self.pooled[layout] = max(self.pooled[layout], alive)

    def frame_bytes(self, layout: FrameLayout) -> int:
        return self.prepared.steps * prod(layout.grid)

    def edge_bytes(self, node: Node) -> int:
        """Return the bytes of an array that NumPy made of a node."""
        graph = self.prepared.graph
        if isinstance(node, (IF, MaxPool)):
            return self.steps(node.name) * payload_bytes(graph, node.name)
        return 8 * self.steps(node.name) * graph.types[node.name].size

    def current_bytes(self, name: str) -> int:
        """Return the bytes of a synapse's currents."""
        graph = self.prepared.graph
        each = 8 if self.prepared.precisions[name].__name__ == "float64" else 4
        return each * self.steps(name) * graph.types[name].size

    def steps(self, name: str) -> int:
        """Return the steps that an edge has: one, if it does not change."""
        node = self.prepared.graph[name]
        if isinstance(node, Input):
            return self.prepared.steps if node.stepwise else 1
        if isinstance(node, Encoder) and not node.once:
            return self.steps(node.inputs[0])
        if isinstance(node, (Encoder, Population, LeakyIntegrator, Delay, Feedback)):
            return self.prepared.steps
        return max(map(self.steps, node.inputs))


def compiled_exact_bytes(prepared: Prepared, together: int, record: bool) -> int:
    """Return the bytes of each sample of a block of an exact network on the compiled kernels.

    Args:
        prepared: What is run.
        together: Steps that a layer takes before the next one begins.
        record: Whether all payloads are kept.
    """
    graph, native = prepared.graph, prepared.native
    kept, work = 0, 0
    for node in graph:
        size = graph.types[node.name].size
        before = sum(graph.types[name].size for name in node.inputs)
        if isinstance(node, TrackingIF):  # sums of branches, units sent, who has more to send
            channels, *grid = (*graph.types[node.name].shape, 1, 1)[:3]
            kept += padded_lanes(channels) * prod(grid) * (4 * len(node.inputs) + 5)
        elif isinstance(node, MaxPool):
            kept += 4 * (size + before)
        if isinstance(node, Integrator):
            work = max(work, 3 * 8 * together * size)
        elif graph.types[node.name].signal is Signal.SPIKES:
            layout = native.layouts.get(node.name)
            framed = prod(layout.grid) if layout else 0
            others = (user.name not in native.synapses for user in graph.users[node.name])
            arrays = 8 * size if record or not layout or any(others) else 0
            kept += together * (framed + arrays)
            if not isinstance(node, TrackingIF):
                work = max(work, 8 * together * 3 * (size + before))
        elif node.name not in native.synapses:  # a product of floats, as it is and laid out
            work = max(work, 8 * together * 2 * (size + before))
    return kept + work


def exact_bytes(graph: Graph) -> int:
    """Return the bytes of each sample of a block that is advanced step by step until it rests."""
    kept = 0
    for node in graph:
        size = graph.types[node.name].size
        kept += 8 * size  # on the edge in one step
        if isinstance(node, TrackingIF):
            kept += size * (8 * len(node.inputs) + 4 + 1 + (8 if node.digits else 0))
        elif isinstance(node, MaxPool):
            kept += 4 * (size + graph.types[node.inputs[0]].size)
        elif isinstance(node, (Integrator, Product)):
            kept += 3 * 8 * size
    # What one node computes in: drives and their quantised values, products, counts.
    return kept + 6 * 8 * max(type.size for type in graph.types.values())
