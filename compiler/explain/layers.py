"""The layers that are compared: values of the ANN, each beside the nodes that stand for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ...backends.base import Result
from ...ir import (
    MOVES,
    Array,
    Concat,
    Encoder,
    Graph,
    Integrator,
    MaxPool,
    Reshape,
)
from ...ir.reference import step
from ..data import Samples
from .split import (
    Parts,
    Population,
    Versions,
    split_input,
    split_output,
    split_pool,
)


@dataclass(frozen=True)
class Observed:
    """What the ANN and the spiking network did with some samples.

    Attributes:
        timesteps: T.
        samples: For each input, ``(samples, *shape)``.
        values: Values of the ANN, ``(samples, *shape)``, by the names of its nodes.
        result: The run of the spiking network, with all payloads.
        sums: For each edge that carries events, the sum of its payloads over time,
            ``(samples, *shape)``.
        start: The first step that counts in the sums.
    """

    timesteps: int
    samples: Samples
    values: Mapping[str, Array]
    result: Result
    sums: Mapping[str, Array]
    start: int = 1

    @property
    def steps(self) -> int:
        """Number of steps that count in the sums."""
        return self.timesteps - self.start + 1

    def mean(self, name: str, steps: int) -> Array:
        """Return the mean payload of a node over the first steps."""
        sent = self.result.spikes[name][:, :steps]
        return np.asarray(sent.sum(axis=1, dtype=np.float64) / steps)


def observe(
    graph: Graph,
    samples: Samples,
    values: Mapping[str, Array],
    result: Result,
    timesteps: int,
    start: int = 1,
) -> Observed:
    """Return what was observed, with the payloads on every edge summed over time."""
    sums: dict[str, Array] = {}
    for node in graph:
        if isinstance(node, Encoder):
            sample = np.asarray(samples[node.inputs[0]], np.float64)
            payload = step(node, [sample], {}, 1).astype(np.float64)
            sums[node.name] = (timesteps - start + 1) * payload
        elif node.name in result.spikes:
            sent = result.spikes[node.name][:, start - 1 :]
            sums[node.name] = sent.sum(axis=1, dtype=np.float64)
        elif isinstance(node, Concat) and node.inputs[0] in sums:
            sums[node.name] = np.concatenate([sums[source] for source in node.inputs], axis=1)
        elif isinstance(node, Reshape) and node.inputs[0] in sums:
            viewed = sums[node.inputs[0]]
            sums[node.name] = viewed.reshape(len(viewed), *node.shape)
        elif isinstance(node, MOVES) and node.inputs[0] in sums:
            sums[node.name] = node.moved(sums[node.inputs[0]])
    return Observed(timesteps, samples, values, result, sums, start)


class Layer(Protocol):
    """One value of the ANN and what stands for it.

    Attributes:
        kind: ``input``, ``population``, ``max pool`` or ``output``.
    """

    kind: ClassVar[str]

    @property
    def value(self) -> str:
        """Name of the ANN's node."""
        ...

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes of the spiking network that stand for it."""
        ...

    def target(self, seen: Observed) -> Array:
        """Return the ANN's value, ``(samples, *shape)``, float64."""
        ...

    def sent(self, seen: Observed, steps: int) -> Array:
        """Return what it is in the spiking network after some steps, in ANN units."""
        ...

    def split(self, seen: Observed) -> Parts:
        """Return the parts of its error after all steps."""
        ...


@dataclass(frozen=True)
class InputLayer:
    """A quantised input."""

    kind: ClassVar[str] = "input"
    node: Encoder

    @property
    def value(self) -> str:
        return self.node.inputs[0]

    @property
    def nodes(self) -> tuple[str, ...]:
        return (self.node.name,)

    def target(self, seen: Observed) -> Array:
        return np.asarray(seen.samples[self.value], np.float64)

    def sent(self, seen: Observed, steps: int) -> Array:
        return np.asarray(seen.sums[self.node.name] * ((self.node.scale or 1.0) / seen.timesteps))

    def split(self, seen: Observed) -> Parts:
        sent = seen.sums[self.node.name] / seen.timesteps
        return split_input(self.node, self.target(seen), sent)


@dataclass(frozen=True)
class PopulationLayer:
    """An activation, or a value between two linear maps: a population, or a pair of them.

    Attributes:
        members: The population; two for a signed value in code ``rate``.
        added: Whether the ANN has no activation function there.
    """

    kind: ClassVar[str] = "population"
    members: tuple[Population, ...]
    added: bool

    @property
    def value(self) -> str:
        return self.members[0].node.represents

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(member.node.name for member in self.members)

    def target(self, seen: Observed) -> Array:
        return seen.values[self.value].astype(np.float64)

    def sent(self, seen: Observed, steps: int) -> Array:
        parts = [m.sign * m.node.unit * seen.mean(m.node.name, steps) for m in self.members]
        return np.asarray(sum(parts))

    def split(self, seen: Observed) -> Parts:
        target, parts = self.target(seen), dict[str, Array]()
        for member in self.members:
            share = target if len(self.members) == 1 else np.maximum(member.sign * target, 0)
            for name, part in member.split(share, seen.sums, seen.timesteps).items():
                parts[name] = parts.get(name, 0) + member.sign * part
        return parts


@dataclass(frozen=True)
class PoolLayer:
    """A max pool of events.

    Attributes:
        node: The pool.
        unit: ANN units of one payload unit, of its shape.
    """

    kind: ClassVar[str] = "max pool"
    node: MaxPool
    unit: Array

    @property
    def value(self) -> str:
        return self.node.name

    @property
    def nodes(self) -> tuple[str, ...]:
        return (self.node.name,)

    def target(self, seen: Observed) -> Array:
        return seen.values[self.value].astype(np.float64)

    def sent(self, seen: Observed, steps: int) -> Array:
        return np.asarray(self.unit * seen.mean(self.node.name, steps))

    def split(self, seen: Observed) -> Parts:
        return split_pool(self.node, self.target(seen), self.unit / seen.timesteps, seen.sums)


@dataclass(frozen=True)
class OutputLayer:
    """An output.

    Attributes:
        node: The integrator.
        output: The name the output has for the user.
        value: Name of the ANN's node.
        shape: Shape of the integrator; the output may be a view of it.
        versions: What flows into the integrator.
    """

    kind: ClassVar[str] = "output"
    node: Integrator
    output: str
    value: str
    shape: tuple[int, ...]
    versions: Versions

    @property
    def nodes(self) -> tuple[str, ...]:
        return (self.node.name,)

    def target(self, seen: Observed) -> Array:
        return seen.values[self.value].reshape(-1, *self.shape).astype(np.float64)

    def sent(self, seen: Observed, steps: int) -> Array:
        decoded = seen.result.decoded[self.output][:, steps - 1]
        return decoded.reshape(-1, *self.shape).astype(np.float64)

    def split(self, seen: Observed) -> Parts:
        sent = self.sent(seen, seen.timesteps)
        return split_output(self.versions, self.target(seen), sent, seen.sums, seen.steps)
