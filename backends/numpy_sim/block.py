"""One block of samples, layer by layer over all time steps.

Populations run on compiled kernels where there are any for them, together with the synapses that
end there: currents never leave the cache. Everything else is computed by NumPy and ONNX Runtime.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...ir import (
    IF,
    MOVES,
    Array,
    Concat,
    Conv,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Population,
    Reshape,
    Signal,
)
from ...ir.reference import step
from ..base import Activity, Result
from ..counting import activity
from .convolution import Multiplication, Precision
from .kernels import delayed, in_step, max_pool, population, readout, stepwise, synapse
from .loops import Group, Loop, groups
from .native import library
from .native.frames import FramePool
from .native.payloads import Payloads
from .native.plan import NativePlan, emitter
from .native.populations import NativePopulation, image
from .native.traffic import Traffic

PREVIOUS_STEP = Delay(name="previous step", steps=1)


@dataclass(frozen=True)
class Prepared:
    """What all blocks of a run share.

    Attributes:
        graph: The spiking graph.
        steps: All steps of a run.
        products: For each synapse, its weights times frames.
        precisions: For each synapse, the float type in which its sums are exact.
        states: For each population, the float type in which its membrane is exact.
        reach: For each node that reads events, its fan-out.
        native: What the compiled kernels run.
    """

    graph: Graph
    steps: int
    products: Mapping[str, Callable[[], Multiplication]]
    precisions: Mapping[str, Precision]
    states: Mapping[str, Precision]
    reach: Mapping[str, Array]
    native: NativePlan

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """For each node that sends, those that read it and cause operations."""
        found: dict[str, tuple[str, ...]] = {}
        for node in self.graph:
            for name in node.inputs if node.name in self.reach else ():
                source = emitter(self.graph, name)
                if node.name not in found.get(source, ()):
                    found[source] = (*found.get(source, ()), node.name)
        return found

    @cached_property
    def traffic(self) -> Mapping[str, Traffic]:
        """For each node whose payloads the kernels lay out, what is counted on its edge."""
        found = {}
        for name, layout in self.native.layouts.items():
            if self.graph.types[name].signal is Signal.SPIKES:
                reaches = [self.reach[reader] for reader in self.readers.get(name, ())]
                graded = max(map(abs, layout.payload)) > 1
                found[name] = Traffic(layout, reaches, graded=graded)
        return found

    @cached_property
    def order(self) -> Sequence[tuple[Group, Sequence[str]]]:
        """What is computed one after the other, a node or a loop, and of each what it reads."""
        return [
            (group, [source for node in group for source in self.sources(node)])
            for group in groups(self.graph)
            if any(map(self.is_computed, group))
        ]

    @cached_property
    def loops(self) -> Mapping[Group, Loop]:
        """The loops among them."""
        return {
            group: Loop(self.graph, group, self.products, self.precisions)
            for group, _ in self.order
            if len(group) > 1
        }

    def is_computed(self, node: Node) -> bool:
        """Whether a node has payloads or values of its own, and is no mere synapse or view."""
        return not isinstance(node, Reshape) and not self.is_synapse(node.name)

    @cached_property
    def uses(self) -> Mapping[str, int]:
        """For each node that sends, how many computations read it."""
        return Counter(source for _, sources in self.order for source in sources)

    def sources(self, node: Node) -> list[str]:
        """Return the nodes whose payloads a computation reads, through its synapses."""
        if not self.is_computed(node):
            return []
        reads = (node.source,) if isinstance(node, Feedback) else node.inputs
        return [self.sender(name) for name in reads]

    def sender(self, name: str) -> str:
        """Return the node that sends what makes a value, behind a synapse and views."""
        through = self.graph[name].inputs[0] if self.is_synapse(name) else name
        return emitter(self.graph, through)

    def is_synapse(self, name: str) -> bool:
        """Whether a node carries current; it is computed for whoever reads it."""
        return self.graph.types[name].signal is Signal.CURRENT and isinstance(
            self.graph[name], (Conv, Linear)
        )


@dataclass
class BlockRun:
    """The simulation of one block of samples.

    Attributes:
        prepared: What all blocks share.
        pool: Memory for frames.
        record: Whether to keep all payloads.
        unrounded: Whether to keep outputs as they were decoded, in float64.
    """

    prepared: Prepared
    pool: FramePool
    record: bool
    unrounded: bool
    _edges: dict[str, Payloads] = field(default_factory=dict)
    _counted: dict[str, Activity] = field(default_factory=dict)
    _spikes: dict[str, Array] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, Array]) -> Result:
        """Simulate samples, ``(samples, *shape)`` for each input."""
        graph, left = self.prepared.graph, dict(self.prepared.uses)
        shown = set(map(self.prepared.sender, graph.outputs.values()))
        for group, sources in self.prepared.order:
            for name, edge in self._sent(group, inputs).items():
                self._edges[name] = edge
                self._count(graph[name], edge)
                if self.record and isinstance(graph[name], (Population, MaxPool)):
                    self._spikes[name] = self._all_steps(self._array(name))
            for name in sources:  # an edge nobody reads any more is freed
                left[name] -= 1
                if not left[name] and name not in shown:
                    self._edges.pop(name).release(self.pool)
        decoded = {key: self._output(name) for key, name in graph.outputs.items()}
        result = Result.of(decoded, self._counted, self._spikes, unrounded=self.unrounded)
        for edge in self._edges.values():
            edge.release(self.pool)
        return result

    def _output(self, name: str) -> Array:
        """Return an output, ``(samples, steps, *shape)``; any node may be one."""
        value = self._array(name)
        if isinstance(self.prepared.graph[name], Integrator):
            return value.swapaxes(0, 1)
        return self._all_steps(value).astype(np.float64, copy=False)

    def _sent(self, group: Group, inputs: Mapping[str, Array]) -> dict[str, Payloads]:
        """Return what is on the edges of a node, or of the nodes of a loop."""
        if len(group) == 1:
            (node,) = group
            if isinstance(node, Input):
                return {node.name: self._given(node, inputs[node.name])}
            return {node.name: self._computed(node)}
        loop = self.prepared.loops[group]
        kept = [node.name for node in group if self.prepared.is_computed(node)]
        entering = {name: self._array(name) for name in loop.entering}
        samples = len(next(iter(inputs.values())))
        traces = loop.run(entering, kept, samples, self.prepared.steps)
        return {name: Payloads(trace) for name, trace in traces.items()}

    def _given(self, node: Input, x: Array) -> Payloads:
        """Return samples for every step, 0 beyond those that are given; or for one."""
        values = np.asarray(x, np.float64)
        if not node.stepwise:
            return Payloads(values[None])
        given = values.swapaxes(0, 1)[: self.prepared.steps]
        silence = np.zeros((self.prepared.steps - len(given), *given.shape[1:]))
        return Payloads(np.concatenate([given, silence]))

    def _array(self, name: str) -> Array:
        """Return what is on an edge, ``(steps, samples, *shape)``; of a synapse, its currents."""
        graph = self.prepared.graph
        if self.prepared.is_synapse(name):
            return self._current(name)
        return self._edges[emitter(graph, name)].array(graph.types[name].shape)

    def _current(self, name: str) -> Array:
        """Return what a synapse delivers, ``(steps, samples, *shape)``."""
        graph, native = self.prepared.graph, self.prepared.native
        node, precision = graph[name], self.prepared.precisions[name]
        assert isinstance(node, (Conv, Linear))
        root = emitter(graph, node.inputs[0])
        edge, each, layout = self._edges[root], native.synapses.get(name), native.layouts.get(root)
        # Real sums are left to NumPy, which adds them alike whatever the density and the machine.
        method = each.method(edge.density) if each and layout and not each.real else None
        if method is None:
            payloads = self._array(node.inputs[0])
            return synapse(node, payloads, precision, self.prepared.products[name]())
        sides = image(graph.types[name].shape)
        assert each is not None
        assert layout is not None
        assert sides is not None
        current = each.currents(method, edge.laid_out(layout, self.pool), sides)
        return current.reshape(*current.shape[:2], *graph.types[name].shape).astype(precision)

    def _computed(self, node: Node) -> Payloads:
        native = self.prepared.native.populations.get(node.name)
        if native and (edge := self._native(native)):
            return edge
        if isinstance(node, MaxPool) and (edge := self._native_pool(node)):
            return edge
        if isinstance(node, Feedback):  # on no loop: its source is computed before
            return Payloads(delayed(PREVIOUS_STEP, self._array(node.source), self.prepared.steps))
        arguments = [self._array(name) for name in node.inputs]
        return Payloads(self._value(node, arguments))

    def _native(self, population: NativePopulation) -> Payloads | None:
        """Run a population on the compiled kernels, or return None where they would be slower."""
        graph, native = self.prepared.graph, self.prepared.native
        name, base, sources = population.node.name, population.bias, []
        if name not in native.layouts:
            return None
        for each in population.synapses:
            root = emitter(graph, each.node.inputs[0])
            edge = self._edges[root]
            samples, layout = edge.samples, native.layouts.get(root)
            method = each.method(edge.density) if layout else None
            if edge.steps == 1 and (each.real or method is None):
                base = population.with_current(base, self._current(each.node.name)[0])
                continue
            if method is None or layout is None:
                return None
            frames = edge.laid_out(layout, self.pool)
            if edge.steps == 1:
                base = population.with_synapse(base, each, method, frames)
            else:
                sources.append((each, method, frames))
        target = self.pool.take(native.layouts[name], samples, self.prepared.steps)
        population.run(sources, base, target)
        return Payloads(frames=target)

    def _native_pool(self, node: MaxPool) -> Payloads | None:
        """Run a max pool on the compiled kernels, or return None where they cannot."""
        graph, layouts = self.prepared.graph, self.prepared.native.layouts
        root = emitter(graph, node.inputs[0])
        edge, before, after = self._edges[root], layouts.get(root), layouts.get(node.name)
        if before is None or after is None or edge.steps == 1:
            return None
        if image(graph.types[node.inputs[0]].shape) != before.shape:
            return None
        source = edge.laid_out(before, self.pool)
        target = self.pool.take(after, edge.samples, edge.steps)
        window = library.WindowLayout(*node.kernel, *node.stride, *node.dilation, *node.padding[:2])
        library.max_pool(window, source.told, target.told, edge.samples, edge.steps)
        return Payloads(frames=target)

    def _value(self, node: Node, arguments: list[Array]) -> Array:
        steps = self.prepared.steps
        if isinstance(node, Encoder):
            given = arguments[0]  # of one step, or of all
            payload = step(node, [given.reshape(-1, *given.shape[2:])], {}, 1).reshape(given.shape)
            if not node.once:
                return payload
            silence = np.zeros((steps - 1, *payload.shape[1:]), payload.dtype)
            return np.concatenate([payload[:1], silence])
        if isinstance(node, Delay):
            return delayed(node, arguments[0], steps)
        if isinstance(node, MOVES):
            return node.moved(arguments[0], leading=2)
        if isinstance(node, Concat):
            return np.concatenate(in_step(arguments), axis=2)
        if isinstance(node, MaxPool):
            return max_pool(node, arguments[0])
        if isinstance(node, IF):
            return population(node, arguments, steps, self.prepared.states[node.name])
        if isinstance(node, Integrator) and (trace := readout(node, arguments, steps)) is not None:
            return trace
        return stepwise(node, arguments, steps)

    def _count(self, node: Node, edge: Payloads) -> None:
        """Count the events on a node's edge, for the node and for what reads it."""
        type = self.prepared.graph.types[node.name]
        if type.signal is not Signal.SPIKES:
            return
        readers = self.prepared.readers.get(node.name, ())
        sent, *felt = self._activity(node.name, edge)
        edge.density = int(sent.spikes.sum()) / max(1, sent.spikes.size * type.size)
        for name, found in zip(readers, felt, strict=True):
            here = _over_time(found, self.prepared.steps)
            known = self._counted.get(name)
            self._counted[name] = known + here if known else here  # two factors
        if isinstance(node, MaxPool):  # what it sent, and what it compared
            itself = self._counted[node.name]
            sent = _over_time(sent, self.prepared.steps)
            sent = Activity(sent.spikes, sent.units, itself.synops, itself.unit_synops)
        if isinstance(node, (Population, MaxPool)):
            self._counted[node.name] = sent

    def _activity(self, name: str, edge: Payloads) -> tuple[Activity, ...]:
        """Return what a node sent, then what each reader felt."""
        traffic = self.prepared.traffic.get(name)
        if traffic is None or (edge.frames is None and edge.steps > 1):
            assert edge.whole is not None
            readers = self.prepared.readers.get(name, ())
            return activity(edge.whole, [self.prepared.reach[reader] for reader in readers])
        frames = edge.laid_out(self.prepared.native.layouts[name], self.pool)
        (spikes, units), *felt = traffic.count(frames)
        none = np.zeros_like(spikes)
        return Activity(spikes, units, none, none), *(Activity(spikes, units, *f) for f in felt)

    def _all_steps(self, value: Array) -> Array:
        full = np.broadcast_to(value, (self.prepared.steps, *value.shape[1:]))
        return np.array(full.swapaxes(0, 1))


def _over_time(counts: Activity, steps: int) -> Activity:
    """Repeat the counts of a constant input for every step."""
    if counts.spikes.shape[1] == steps:
        return counts
    parts = (counts.spikes, counts.units, counts.synops, counts.unit_synops)
    return Activity(*(np.repeat(part, steps, axis=1) for part in parts))
