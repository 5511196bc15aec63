"""Exact networks on the compiled kernels: layer by layer, over a few steps at a time.

A network of tracking neurons has no loops between its steps, so a layer can take some steps before
the next one begins: what its neurons keep then stays in the cache, and few samples go on for long
after they are at rest, which costs next to nothing, as nothing happens in them. Otherwise the same
as ``exact.ExactRun``, which computes all that cannot be computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import (
    MOVES,
    Array,
    Concat,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Reshape,
    TrackingIF,
)
from ...ir.reference import step
from ..base import Activity, Result
from ..counting import activity
from .block import Prepared
from .exact_record import Record, empty, of_sequence
from .kernels import synapse, window_maximum
from .native import library
from .native.frames import FramePool
from .native.payloads import Payloads
from .native.plan import emitter
from .native.populations import image
from .native.synapses import NativeSynapse
from .native.tracking import NativeTracking, Source, TrackingRun, can_track

TOGETHER = 8
"""Steps that a layer takes before the next one begins."""

COMPUTED = (Input, Encoder, Concat, Conv, Linear, MaxPool, Integrator, TrackingIF, Reshape, *MOVES)


def can_compile(graph: Graph) -> bool:
    """Whether an exact graph can be computed here."""
    return (
        library.library() is not None
        and all(isinstance(node, COMPUTED) for node in graph)
        and not any(node.is_sequence for node in graph.of_type(Input))
        and all(can_track(graph, node) for node in graph.of_type(TrackingIF))
        and all(isinstance(graph[name], Integrator) for name in graph.outputs.values())
    )


@dataclass(frozen=True)
class CompiledExact:
    """What all blocks of a run share.

    Attributes:
        prepared: The graph, and what of it compiled kernels run.
        tracking: The populations.
        rows: Synapses that kernels compute for them, row by row. Those that end at one position
            are better off as the rows of one matrix.
    """

    prepared: Prepared
    tracking: Mapping[str, NativeTracking]
    rows: Mapping[str, NativeSynapse]


def compiled_exact(prepared: Prepared) -> CompiledExact:
    """Return what blocks share, of a graph that can be computed here."""
    graph, native = prepared.graph, prepared.native
    tracking = {
        node.name: NativeTracking(node, graph.types[node.name].shape)
        for node in graph.of_type(TrackingIF)
    }
    rows = {
        name: each
        for name, each in native.synapses.items()
        if emitter(graph, each.node.inputs[0]) in native.layouts and not each.one_position
    }
    _ = prepared.traffic, prepared.order, prepared.uses  # made before threads share them
    return CompiledExact(prepared, tracking, rows)


class ExactBlock:
    """A run of a block of samples.

    Args:
        shared: What all blocks share.
        pool: Memory for frames.
        inputs: For each input, ``(samples, *shape)``.
    """

    def __init__(self, shared: CompiledExact, pool: FramePool, inputs: Mapping[str, Array]) -> None:
        self.prepared, self.shared, self.pool = shared.prepared, shared, pool
        self.graph = shared.prepared.graph
        self.inputs = {name: np.asarray(x, np.float64) for name, x in inputs.items()}
        self.samples = len(next(iter(inputs.values())))
        self.populations = {
            name: TrackingRun(native, self.samples) for name, native in shared.tracking.items()
        }
        self.edges: dict[str, Payloads | None] = {}
        self.events: dict[str, Array] = {}
        self.kept = {node.name: self.sums(node) for node in self.graph}

    def sums(self, node: Node) -> list[Array]:
        """Return what a readout or a max pool keeps from step to step."""
        types = self.graph.types
        if isinstance(node, Integrator):
            bias = node.bias.astype(np.float64)
            return [np.broadcast_to(bias, (self.samples, *types[node.name].shape))]
        if isinstance(node, MaxPool):
            each = types[node.inputs[0]].shape, types[node.name].shape
            return [np.zeros((self.samples, *shape), np.int32) for shape in each]
        return []

    def run(self, *, record: bool) -> Result:
        """Go on until all samples are at rest."""
        reach, steps = self.prepared.reach, self.prepared.steps
        found = empty(self.graph, reach, self.samples, steps, record=record)
        for begin in range(0, steps, TOGETHER):
            some = range(begin, min(steps, begin + TOGETHER))
            rests = ~self.advance(some, found)
            first = np.where(rests.any(axis=1), begin + 1 + rests.argmax(axis=1), 0)
            found.settled[:] = np.where(found.settled, found.settled, first)
            if found.settled.all():
                for trace in found.decoded.values():
                    trace[:, some.stop :] = trace[:, some.stop - 1, None]
                break
        return of_sequence([found])

    def advance(self, some: range, found: Record) -> Array:
        """Let all layers take some steps, counted from 0.

        Returns:
            After which of them neurons of a sample have more to send, ``(samples, steps)``.
        """
        waits = np.zeros((self.samples, len(some)), bool)
        left = dict(self.prepared.uses)
        for (node,), sources in self.prepared.order:
            if isinstance(node, Integrator):
                self.read_out(node, some, found)
            else:
                edge = self.sent(node, some, waits)
                self.edges[node.name] = self.noted(node, edge, some, found)
            for name in sources:
                left[name] -= 1
                if not left[name]:
                    self.release(name)
        for name in list(self.edges):  # those that nobody reads
            self.release(name)
        return waits

    def release(self, name: str) -> None:
        """Forget what is on an edge."""
        edge = self.edges.pop(name)
        if edge is not None:
            edge.release(self.pool)

    def sent(self, node: Node, some: range, waits: Array) -> Payloads | None:
        """Return what a node sends in some steps, or None where that is nothing."""
        if isinstance(node, TrackingIF):
            return self.tracked(node, some, waits)
        if isinstance(node, Encoder):
            return self.encoded(node, some)
        arguments = [self.payloads(name) for name in node.inputs]
        if all(part is None for part in arguments):
            return None
        if isinstance(node, Concat):
            return Payloads(self.joined(node, some))
        (payloads,) = arguments
        assert payloads is not None
        if isinstance(node, MaxPool):
            return Payloads(self.maximum(node, payloads))
        assert isinstance(node, MOVES)
        return Payloads(node.moved(payloads, leading=2))

    def encoded(self, node: Encoder, some: range) -> Payloads | None:
        """Return the sample, injected in the first step."""
        if some.start:
            return None
        payloads = step(node, [self.inputs[node.inputs[0]]], {}, 1)
        whole = np.zeros((len(some), *payloads.shape), payloads.dtype)
        whole[0] = payloads
        return Payloads(whole)

    def joined(self, node: Concat, some: range) -> Array:
        """Return edges side by side."""
        parts = []
        for name in node.inputs:
            part = self.payloads(name)
            silence = len(some), self.samples, *self.graph.types[name].shape
            parts.append(np.zeros(silence, np.int32) if part is None else part)
        return np.concatenate(parts, axis=2)

    def maximum(self, node: MaxPool, payloads: Array) -> Array:
        """Return what the maximum of a window rose by, step by step."""
        before, highest = self.kept[node.name]
        received = before + np.cumsum(payloads, axis=0, dtype=np.int32)
        found = window_maximum(node, received.reshape(-1, *received.shape[2:]))
        found = found.reshape(len(received), *highest.shape)
        self.kept[node.name] = [received[-1], found[-1]]
        return np.diff(found, axis=0, prepend=highest[None])

    def tracked(self, node: TrackingIF, some: range, waits: Array) -> Payloads | None:
        """Let a population go on."""
        population = self.populations[node.name]
        sources = [self.source(name, population.native.lanes) for name in node.inputs]
        if all(source.silent for source in sources) and not population.waits.any():
            return None
        layout = self.prepared.native.layouts[node.name]
        target = self.pool.take(layout, self.samples, len(some))
        waits |= population.advance(sources, target)
        return Payloads(frames=target)

    def source(self, name: str, lanes: int) -> Source:
        """Return what a branch reads: a synapse's events or its currents."""
        node = self.synapse(name)
        edge = self.edges[root := emitter(self.graph, node.inputs[0])]
        if edge is None:
            return Source()
        if name in self.shared.rows:
            frames = edge.laid_out(self.prepared.native.layouts[root], self.pool)
            return Source(None, self.shared.rows[name], frames, self.events[root])
        current, sides = self.current(node, edge), image(self.graph.types[name].shape)
        assert sides is not None
        channels, *grid = sides
        laid_out = np.zeros((self.samples, len(current), *grid, lanes), np.int32)
        images = current.reshape(*current.shape[:2], *sides).transpose(1, 0, 3, 4, 2)
        laid_out[..., :channels] = images.astype(np.int64)  # in 32 bits their sums are exact
        return Source(laid_out)

    def synapse(self, name: str) -> Conv | Linear:
        """Return a synapse."""
        node = self.graph[name]
        assert isinstance(node, (Conv, Linear))
        return node

    def current(self, node: Conv | Linear, edge: Payloads) -> Array:
        """Return what a synapse delivers, ``(steps, samples, *shape)``."""
        native, name = self.prepared.native, node.name
        root = emitter(self.graph, node.inputs[0])
        each, layout = native.synapses.get(name), native.layouts.get(root)
        method = each.summing_method(edge.density) if each and layout else None
        if each is None or layout is None or method is None:
            payloads = edge.array(self.graph.types[node.inputs[0]].shape)
            precision = self.prepared.precisions[name]
            return synapse(node, payloads, precision, self.prepared.products[name]())
        sides, shape = image(self.graph.types[name].shape), self.graph.types[name].shape
        assert sides is not None
        current = each.currents(method, edge.laid_out(layout, self.pool), sides)
        return current.reshape(*current.shape[:2], *shape)

    def read_out(self, node: Integrator, some: range, found: Record) -> None:
        """Write down the decoded outputs."""
        (total,) = self.kept[node.name]
        sums = np.repeat(total[None], len(some), axis=0)
        for name in node.inputs:
            synapse = self.synapse(name)
            if (edge := self.edges[emitter(self.graph, synapse.inputs[0])]) is not None:
                sums += np.cumsum(self.current(synapse, edge), axis=0, dtype=np.float64)
        self.kept[node.name] = [sums[-1]]
        for key, name in self.graph.outputs.items():
            if name == node.name:
                found.decoded[key][:, some.start : some.stop] = (sums * node.scale).swapaxes(0, 1)

    def payloads(self, name: str) -> Array | None:
        """Return what is on an edge, ``(steps, samples, *shape)``, or None for silence."""
        edge = self.edges[emitter(self.graph, name)]
        return None if edge is None else edge.array(self.graph.types[name].shape)

    def noted(
        self, node: Node, edge: Payloads | None, some: range, found: Record
    ) -> Payloads | None:
        """Count the events of a node and write them down; None where there are none."""
        if edge is None:
            return None
        readers = self.prepared.readers.get(node.name, ())
        sent, *felt = self.counted(node.name, edge, readers)
        if not sent.spikes.any():
            edge.release(self.pool)
            return None
        size = self.graph.types[node.name].size
        self.events[node.name] = np.ascontiguousarray(sent.spikes)
        edge.density = float(sent.spikes.sum()) / (sent.spikes.size * size)
        where = slice(None), slice(some.start, some.stop)
        for name, counts in zip(readers, felt, strict=True):
            found.feel(name, counts, where, pool=isinstance(self.graph[name], MaxPool))
        if isinstance(node, (Population, MaxPool)):
            entry = found.counted[node.name]
            entry.spikes[where], entry.units[where] = sent.spikes, sent.units
        if node.name in found.spikes:
            payloads = edge.array(self.graph.types[node.name].shape)
            found.spikes[node.name][where] = payloads.swapaxes(0, 1)
        return edge

    def counted(self, name: str, edge: Payloads, readers: Sequence[str]) -> tuple[Activity, ...]:
        """Return what a node sent, then what each reader felt."""
        traffic = self.prepared.traffic.get(name)
        if traffic is None:
            assert edge.whole is not None
            return activity(edge.whole, [self.prepared.reach[reader] for reader in readers])
        frames = edge.laid_out(self.prepared.native.layouts[name], self.pool)
        (spikes, units), *felt = traffic.count(frames)
        none = np.zeros_like(spikes)
        return Activity(spikes, units, none, none), *(Activity(spikes, units, *f) for f in felt)
