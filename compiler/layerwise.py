"""A spiking network run layer by layer on calibration samples, while passes change it.

Front to back, each population is handed to a pass that may change it; then it is simulated
over all time steps, so that the next one receives what the changed network really sends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..backends.numpy_sim.kernels import in_step, max_pool, population, product, synapse
from ..ir import (
    IF,
    MOVES,
    VIEWS,
    Array,
    Clip,
    Concat,
    Conv,
    Encoder,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Node,
    Reshape,
    Staircase,
)
from ..ir.reference import step

FRAMES = 16384
"""Samples times steps that are simulated: more steps need fewer samples for the same noise."""

VALUES = 1 << 29
"""Activations of the ANN held in memory: samples are left out beyond 2 GiB."""

BLOCK = 16
"""Samples simulated at once."""

Progress = Callable[[int, int], None]


class LayerwiseRun:
    """One run under way: the graph so far, and what its populations send.

    Args:
        ann: The ANN the graph was made from.
        graph: A normalised, real-valued spiking graph (all thresholds 1).
        samples: For each input, calibration samples ``(samples, *shape)``, ANN units; only the
            first are used where memory or time would not do.
        timesteps: T.
        progress: Called with populations done and in all.

    Attributes:
        graph: The graph so far; ``replace`` changes it.
        count: Number of samples used.
        values: For the values populations represent, and those the activations in front of
            them were computed from: ``(samples, *shape)``, ANN units.
    """

    def __init__(
        self,
        ann: Graph,
        graph: Graph,
        samples: Mapping[str, Array],
        timesteps: int,
        progress: Progress | None = None,
    ) -> None:
        self.ann, self.graph, self.timesteps = ann, graph, timesteps
        self._progress = progress
        self._samples = self._chosen(samples)
        self.count = len(next(iter(self._samples.values())))
        self.values = self._ann_values()
        self._trains: dict[str, Array] = {}

    def layers(self) -> Iterator[IF | Integrator]:
        """Yield populations and readouts in order; each is simulated when the next is asked for."""
        total = sum(isinstance(node, (IF, Integrator)) for node in self.graph)
        done = 0
        for name in list(self.graph.nodes):
            node = self.graph[name]
            if isinstance(node, Encoder):
                x = np.asarray(self._samples[node.inputs[0]], np.float64)
                self._trains[name] = step(node, [x], {}, 1)[None]
            elif isinstance(node, MOVES) and node.inputs[0] in self._trains:
                self._trains[name] = node.moved(self._trains[node.inputs[0]], leading=2)
            elif isinstance(node, Reshape) and node.inputs[0] in self._trains:
                sent = self._trains[node.inputs[0]]
                self._trains[name] = sent.reshape(*sent.shape[:2], *node.shape)
            elif isinstance(node, Concat):
                parts = in_step([self._trains[source] for source in node.inputs])
                self._trains[name] = np.concatenate(parts, axis=2)
            elif isinstance(node, MaxPool):
                self._trains[name] = max_pool(node, self._trains[node.inputs[0]])
            elif isinstance(node, (IF, Integrator)):
                yield node
                changed = self.graph[name]
                if isinstance(changed, IF):
                    currents = self.currents(changed)
                    self._trains[name] = self.sent(changed, currents)
                done += 1
                if self._progress:
                    self._progress(done, total)
            self._forget(name)

    # -- the ANN -------------------------------------------------------------------------------

    def wanted_current(self, node: IF | Integrator) -> Array:
        """Return what a population should receive on average, ``(samples, *shape)``.

        In units of its threshold; for a readout in ANN units.
        """
        if isinstance(node, Integrator):
            value = self.values[self._readout_values()[node.name]]
        else:
            value = self.values[pre_activation(self.ann, node.represents)] / node.unit
        return np.asarray(value.reshape(self.count, *self.graph.types[node.inputs[0]].shape))

    def wanted_output(self, node: IF, samples: slice = slice(None)) -> Array:
        """Return what a population should send on average, in payload units a step, float32."""
        return (self.values[node.represents][samples] / node.unit).astype(np.float32)

    def _readout_values(self) -> dict[str, str]:
        found = {}
        for key, name in self.graph.outputs.items():
            value = self.ann.outputs[key]
            while isinstance(node := self.graph[name], VIEWS):
                (name,), (value,) = node.inputs, self.ann[value].inputs
            found[name] = value
        return found

    # -- the simulation ------------------------------------------------------------------------

    def synapses(self, node: IF | Integrator) -> list[Conv | Linear]:
        """Return the synapses that end at a population."""
        found = [self.graph[name] for name in node.inputs]
        return [synapse for synapse in found if isinstance(synapse, (Conv, Linear))]

    def received(self, synapse: Conv | Linear) -> Array:
        """Return the mean payloads a synapse receives, ``(samples, *in_shape)``, float32."""
        return np.asarray(self._trains[synapse.inputs[0]].mean(axis=0, dtype=np.float32))

    def mean_current(self, node: Conv | Linear, received: Array) -> Array:
        """Return the mean currents of a synapse, ``(samples, *shape)``."""
        return np.asarray(self._multiplied(node, received[None])[0])

    def currents(self, node: IF | Integrator, samples: slice = slice(None)) -> list[Array]:
        """Return the currents of each synapse, ``(timesteps, samples, *shape)``, float32."""
        return [
            self._multiplied(s, self._trains[s.inputs[0]][:, samples]) for s in self.synapses(node)
        ]

    def sent(self, node: IF, currents: Sequence[Array]) -> Array:
        """Return the payloads of a population, ``(timesteps, samples, *shape)``."""

        def part(block: slice) -> Array:
            return population(node, [c[:, block] for c in currents], self.timesteps, np.float32)

        return _side_by_side(part, currents[0].shape[1])

    def _multiplied(self, node: Conv | Linear, trains: Array) -> Array:
        multiply = product(node, np.float32)

        def part(block: slice) -> Array:
            return synapse(node, trains[:, block], np.float32, multiply)

        return _side_by_side(part, trains.shape[1])

    def replace(self, nodes: Mapping[str, Node]) -> None:
        """Put new nodes in the place of those of the same name."""
        self.graph = Graph((nodes.get(n.name, n) for n in self.graph), self.graph.outputs)

    # -- the data ------------------------------------------------------------------------------

    def _chosen(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        available = len(next(iter(samples.values())))
        values = sum(type.size for type in self.ann.types.values())
        count = min(available, max(1, FRAMES // self.timesteps), max(1, VALUES // values))
        return {name: x[:count] for name, x in samples.items()}

    def _ann_values(self) -> dict[str, Array]:
        from ..backends.onnx_runtime import AnnSession

        wanted: set[str] = set(self._readout_values().values())
        for node in self.graph.of_type(IF):
            wanted |= {node.represents, pre_activation(self.ann, node.represents)}
        session = AnnSession(self.ann, extra=sorted(wanted))
        found = session.run(self._samples, batch=BLOCK)
        return {name: found[name] for name in wanted}

    def _forget(self, done: str) -> None:
        """Drop trains that no node further on reads."""
        order = list(self.graph.nodes)
        later = {name for n in order[order.index(done) + 1 :] for name in self.graph[n].inputs}
        for name in order[: order.index(done) + 1]:
            if isinstance(self.graph[name], (Concat, Conv, Linear)) and name in later:
                later |= set(self.graph[name].inputs)
        for name in [name for name in self._trains if name not in later]:
            del self._trains[name]


def pre_activation(ann: Graph, name: str) -> str:
    """Return the value an activation was computed from; of a linear value, itself."""
    node = ann[name]
    return node.inputs[0] if isinstance(node, (Clip, Staircase)) else name


def _side_by_side(part: Callable[[slice], Array], count: int) -> Array:
    """Compute an array block by block along axis 1, on all cores."""
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, count, BLOCK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(part, blocks)), axis=1)
