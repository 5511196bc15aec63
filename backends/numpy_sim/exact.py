"""Exact networks in the simulator: all layers of one time step, until nothing moves any more.

A network of tracking neurons comes to rest, mostly long before its static bound of steps. So it
is advanced step by step through all its nodes, and each sample leaves as soon as it is at rest;
its outputs hold for the steps that are left. Nothing is computed where nothing happens: edges
without events are None, samples without events on an edge are skipped, and of a population only
those neurons are looked at that received something or have not sent all they are due.

All sums are exact: a synapse's summed current is bounded by the values it reads, not by the number
of steps (``ir.bounds.accumulated_bounds``), and is kept in a float type that holds every integer
up to that bound. Drives are int64.

What compiled kernels can compute is left to ``exact_compiled``, with the same results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...ir import (
    VIEWS,
    Array,
    Concat,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    MaxPool,
    Population,
    Previous,
    Product,
    TrackingIF,
)
from ...ir.reference import carried, elements, step
from ..base import Result
from ..counting import activity
from .convolution import Multiplication, Precision
from .exact_record import Record, empty, of_sequence
from .kernels import synapse, window_maximum
from .tracking import Tracking

Edge = Array | None
"""What is on an edge in one step, ``(samples, *shape)``; None where no sample has an event."""


@dataclass
class Accumulated:
    """Sums that a node keeps for each sample of a run."""

    sums: list[Array] = field(default_factory=list)

    def keep(self, chosen: Array) -> None:
        """Forget the samples that are not chosen."""
        self.sums = [total[chosen] for total in self.sums]


class Pool(Accumulated):
    """A max pool in its telescoping form."""

    def __init__(
        self, node: MaxPool, samples: int, before: tuple[int, ...], after: tuple[int, ...]
    ):
        self.node = node
        super().__init__([np.zeros((samples, *shape), np.int32) for shape in (before, after)])

    def advance(self, payloads: Array) -> Array:
        """Return what the maximum rose by."""
        received, maximum = self.sums
        events = np.zeros_like(maximum)
        moved = payloads.reshape(len(payloads), -1).any(axis=1)
        received[moved] += payloads[moved]
        now = window_maximum(self.node, received[moved])
        events[moved] = now - maximum[moved]
        maximum[moved] = now
        return events


class Multiplier(Accumulated):
    """A product in its telescoping form: both factors and what was delivered of it, int64."""

    def __init__(self, samples: int, shape: tuple[int, ...]) -> None:
        super().__init__([np.zeros((samples, *shape), np.int64) for _ in range(3)])

    def advance(self, payloads: Sequence[Edge]) -> Edge:
        """Return what the product rose by, None where neither factor changed."""
        if all(part is None for part in payloads):
            return None
        for factor, part in zip(self.sums[:2], payloads, strict=True):
            if part is not None:
                factor += part.astype(np.int64)
        left, right, before = self.sums
        self.sums[2] = left * right
        return np.asarray(self.sums[2] - before)


class Readout(Accumulated):
    """An integrator: a sum, decoded after every step."""

    def __init__(self, node: Integrator, samples: int, shape: tuple[int, ...]) -> None:
        self.node = node
        super().__init__([np.broadcast_to(node.bias.astype(np.float64), (samples, *shape)).copy()])

    def advance(self, currents: Sequence[Edge]) -> Array:
        """Return the decoded output."""
        for current in currents:
            if current is not None:
                self.sums[0] += current
        return np.asarray(self.sums[0] * self.node.scale)


State = Tracking | Pool | Multiplier | Readout
"""What a node keeps from one step to the next."""


class ExactRun:
    """One run of a block of samples.

    Args:
        graph: An exact spiking graph (``ir.settling.is_exact``).
        products: For each synapse, its weights times frames.
        precisions: For each synapse, the float type of one step's currents.
        reach: For each node that reads events, its fan-out (``events.fan_out``).
        steps: All steps of a run.
    """

    def __init__(
        self,
        graph: Graph,
        products: Mapping[str, Multiplication],
        precisions: Mapping[str, Precision],
        reach: Mapping[str, Array],
        steps: int,
    ) -> None:
        self.graph, self.products, self.precisions = graph, products, precisions
        self.reach, self.steps = reach, steps
        self.readers = {
            node.name: [user.name for user in graph.users[node.name] if user.name in reach]
            for node in graph
        }

    def run(self, inputs: Mapping[str, Array], *, record: bool) -> Result:
        """Advance all samples until they are at rest; of sequences, element after element.

        Every element begins at rest. What is carried to the next one is what was sent in all.
        Of a sequence outputs are those of the last element; counts of a step are summed over the
        elements, and recorded payloads are those of all elements, one behind the other.
        """
        samples = len(next(iter(inputs.values())))
        before = {node.name: carried(node, None, samples) for node in self.graph.of_type(Previous)}
        records = []
        for element in elements(self.graph, inputs):
            found = empty(self.graph, self.reach, samples, self.steps, record=record)
            self.run_element(element, before, found)
            before = {name: found.sent[source] for name, source in self.graph.carried.items()}
            records.append(found)
        return of_sequence(records)

    def run_element(
        self, values: Mapping[str, Array], before: Mapping[str, Array], found: Record
    ) -> None:
        """Advance all samples, from rest, until they are at rest again.

        Args:
            values: For each input, ``(samples, *shape)``.
            before: What is carried into the element.
            found: Where it is written down.
        """
        samples = len(found.settled)
        states = self.states(samples)
        values = {**values, **before}
        active = np.arange(samples)  # the samples that still move
        for t in range(1, self.steps + 1):
            edges = self.advance(t, values, states)
            self.note(t, active, edges, found)
            rest = self.at_rest(t, len(active), states)
            if rest.any():
                found.settled[active[rest]] = t
                for key, name in self.graph.outputs.items():
                    held = edges[name]
                    assert held is not None
                    found.decoded[key][active[rest], t:] = held[rest, None]
                active = active[~rest]
                values = {name: x[~rest] for name, x in values.items()}
                for state in states.values():
                    state.keep(~rest)
            if not len(active):
                break

    def at_rest(self, t: int, samples: int, states: Mapping[str, State]) -> Array:
        """Return which samples will send nothing more.

        At rest a neuron has sent the quantised value of its drive. If all neurons of a sample are
        at rest after step t, there is no event in step t + 1: encoders are silent from step 2 on,
        so the drives of the first populations stay and so do their values; then nothing reaches
        the next ones, and so on along the order of the graph. The state is then the same after
        step t + 1, and by induction after every later one.
        """
        rest = np.ones(samples, bool)
        for state in states.values():
            if isinstance(state, Tracking):
                rest &= state.at_rest(t)
        return rest

    def advance(
        self, t: int, inputs: Mapping[str, Array], states: Mapping[str, State]
    ) -> dict[str, Edge]:
        """Return what is on every edge in step t."""
        edges: dict[str, Edge] = {}
        for node in self.graph:
            arguments = [edges[name] for name in node.inputs]
            state = states.get(node.name)
            value: Edge = None
            if isinstance(node, Input) or (isinstance(node, Previous) and t == 1):
                value = inputs[node.name]
            elif isinstance(node, Encoder):
                sample = inputs[node.inputs[0]]
                value = step(node, [sample], {}, 1) if t == 1 else None
            elif isinstance(state, Tracking):
                value = state.advance(t, arguments)
            elif isinstance(state, (Readout, Multiplier)):
                value = state.advance(arguments)
            elif isinstance(node, Concat):
                value = self.concatenated(node, edges)
            elif isinstance(node, VIEWS) and arguments[0] is not None:
                value = step(node, [arguments[0]], {}, 1)
            elif isinstance(state, Pool) and arguments[0] is not None:
                value = state.advance(arguments[0])
            elif isinstance(node, (Conv, Linear)) and arguments[0] is not None:
                precision = self.precisions[node.name]
                value = synapse(node, arguments[0][None], precision, self.products[node.name])[0]
            edges[node.name] = value
        return edges

    def concatenated(self, node: Concat, edges: Mapping[str, Edge]) -> Edge:
        parts = [(name, edges[name]) for name in node.inputs]
        samples = next((len(part) for _, part in parts if part is not None), None)
        if samples is None:
            return None
        shapes = {name: self.graph.types[name].shape for name in node.inputs}
        return np.concatenate(
            [np.zeros((samples, *shapes[n]), np.int32) if p is None else p for n, p in parts],
            axis=1,
        )

    def note(self, t: int, active: Array, edges: Mapping[str, Edge], found: Record) -> None:
        """Write down the outputs and the events of a step."""
        for key, name in self.graph.outputs.items():
            found.decoded[key][active, t - 1] = edges[name]
        for name, total in found.sent.items():
            if (events := edges[name]) is not None:
                total[active] += events
        for node in self.graph:
            value = edges[node.name]
            readers, sends = self.readers[node.name], node.name in found.counted
            sends = sends and isinstance(node, (Population, MaxPool))
            if value is None or not (readers or sends):
                continue
            moved = value.reshape(len(value), -1).any(axis=1)
            if not moved.any():
                continue
            who = active[moved]
            if node.name in found.spikes:
                found.spikes[node.name][who, t - 1] = value[moved]
            sent, *felt = activity(value[moved][None], [self.reach[name] for name in readers])
            for name, counts in zip(readers, felt, strict=True):
                found.feel(name, counts, (who, slice(t - 1, t)), pool=name in self.pools)
            if sends:
                entry = found.counted[node.name]
                entry.spikes[who, t - 1] = sent.spikes[:, 0]
                entry.units[who, t - 1] = sent.units[:, 0]

    @property
    def pools(self) -> set[str]:
        """The max pools: ``Activity`` counts the events they sent, not those they received."""
        return {node.name for node in self.graph.of_type(MaxPool)}

    def states(self, samples: int) -> dict[str, State]:
        """Return what nodes keep, at rest."""
        made: dict[str, State] = {}
        for node in self.graph:
            shape = self.graph.types[node.name].shape
            if isinstance(node, TrackingIF):
                made[node.name] = Tracking(self.graph, node, samples)
            elif isinstance(node, Integrator):
                made[node.name] = Readout(node, samples, shape)
            elif isinstance(node, Product):
                made[node.name] = Multiplier(samples, shape)
            elif isinstance(node, MaxPool):
                made[node.name] = Pool(node, samples, self.graph.types[node.inputs[0]].shape, shape)
        return made
