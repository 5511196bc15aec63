"""From real weights to integer weights, thresholds and biases.

All synapses that enter one neuron are quantised jointly with one step a channel: the step is
chosen so that the threshold is a whole number of steps and the largest weight of any branch
fits, ``Theta = floor(limit / max|w|)`` with weights in thresholds. Thresholds are exact;
weights are rounded to half a step, biases likewise at every time step; what a bias loses over
T steps the membrane gets at the start. A target may want one step for the whole population, and
membranes that start at 0: then what rounding a bias loses is lost.

A branch much weaker than another would be left with few bits. Then the stronger branch is
split into a power-of-two number of parallel copies, each with a share of its weight, until the
weakest branch has ``MIN_BITS`` bits. Membranes that cannot be bounded below the target's limit,
24 bits unless it has less, saturate; both are listed in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from ...backends.target import Target
from ...ir import IF, Array, Conv, Graph, Integrator, Linear, Node
from ...ir.bounds import membrane_bound
from ...ir.neurons import SATURATION
from .normalize import in_thresholds

MIN_BITS = 6
"""Bits, sign included, that a branch keeps at least (the compiler's choice)."""

MAX_COPIES = 64
"""Most parallel copies a branch is split into; beyond that the weak branch keeps fewer bits."""

BIAS_STEPS = 4096
"""Steps of a threshold where no weight sets the step: a neuron driven by its bias alone."""

BLOCK = 1 << 16
"""Weights that are rounded at a time: half a MB of real numbers, which stays in the cache."""

Note = Callable[[str], None]


@dataclass(frozen=True)
class Quantize:
    """The pass.

    Attributes:
        bits: Width of a weight, sign included.
        timesteps: T, for the bounds of the membranes.
        note: Receives one sentence for each approximation that a user should know of.
        saturating: Whether membranes that could leave 24 bits saturate; neurons with a schedule
            do not, for no target with such membranes runs them.
        target: Whose limits the integers keep to, or None for 24 bits and no other.
    """

    bits: int
    timesteps: int
    note: Note
    saturating: bool = True
    target: Target | None = None

    def __call__(self, graph: Graph) -> Graph:
        """Return the integer graph of a real-valued one."""
        made: dict[str, Node] = {}
        for node in graph:
            if isinstance(node, (IF, Integrator)):
                synapses = [graph[name] for name in node.inputs]
                made |= self._population(
                    node, [s for s in synapses if isinstance(s, (Conv, Linear))]
                )
        quantized = Graph((made.get(node.name, node) for node in graph), graph.outputs)
        return self._clamped(quantized) if self.saturating else quantized

    def rounded(self, node: IF | Integrator, synapses: Sequence[Conv | Linear]) -> dict[str, Array]:
        """Return, for the synapses of a population, the weights it will have.

        Returns:
            For each synapse its weights after rounding, in thresholds, copies counted.
        """
        made = self._population(node, synapses)
        neuron = made[node.name]
        assert isinstance(neuron, (IF, Integrator))
        steps = neuron.threshold if isinstance(neuron, IF) else _scale(node) / neuron.scale
        found = {}
        for synapse in synapses:
            whole = made[synapse.name]
            assert isinstance(whole, (Conv, Linear))
            by_channel = np.reshape(steps, (-1, *(1,) * (whole.weight.ndim - 1)))
            weights = whole.weight.astype(np.float64)
            weights *= whole.copies  # in place: of a large layer a copy is most of the memory
            weights /= by_channel
            found[synapse.name] = weights
        return found

    @property
    def limit(self) -> int:
        """Largest magnitude of a weight."""
        return int(2 ** (self.bits - 1)) - 1

    @property
    def membrane(self) -> int:
        """Largest magnitude of a membrane."""
        return self.target.membrane if self.target else SATURATION

    def _population(
        self, node: IF | Integrator, synapses: Sequence[Conv | Linear]
    ) -> dict[str, Node]:
        # Weights are divided by thresholds here, block by block: a copy of all of them in real
        # numbers would take eight times the memory of the result.
        thresholds = np.ones(1)
        if isinstance(node, IF):
            node, thresholds = in_thresholds(node), node.threshold.reshape(-1)
        largest = [_largest(s.weight) / thresholds for s in synapses]
        copies = self._copies(node.name, largest)
        demand = np.max([m / n for m, n in zip(largest, copies, strict=True)], axis=0)
        steps = self._steps(node, demand)
        if self.target and self.target.threshold_per_layer:
            steps = np.full_like(steps, steps.min())
        made: dict[str, Node] = {}
        for synapse, count in zip(synapses, copies, strict=True):
            weight = self._weights(synapse.weight, thresholds, steps, count)
            made[synapse.name] = replace(synapse, weight=weight, copies=count)
        shaped = steps.reshape(-1, 1, 1) if isinstance(synapses[0], Conv) else steps
        made[node.name] = self._with_steps(node, shaped)
        return made

    def _weights(self, weight: Array, thresholds: Array, steps: Array, copies: int) -> Array:
        """Return integer weights, given the thresholds and the steps of a threshold by channel."""
        rows = weight.reshape(len(weight), -1)
        whole = np.empty(rows.shape, np.int8 if self.bits <= 8 else np.int16)
        divisors = np.broadcast_to(thresholds, len(rows))[:, None]
        multipliers = np.broadcast_to(steps, len(rows))[:, None]
        each = max(1, BLOCK // max(1, rows.shape[1]))
        for begin in range(0, len(rows), each):
            part = slice(begin, begin + each)
            block = rows[part] / divisors[part]
            block *= multipliers[part]
            block /= copies
            np.rint(block, out=block)
            whole[part] = np.clip(block, -self.limit, self.limit, out=block)
        return whole.reshape(weight.shape)

    def _copies(self, name: str, largest: list[Array]) -> list[int]:
        """Return for each branch how many copies it is split into."""
        kept = min(MIN_BITS, self.bits)
        reach = 2 ** (kept - 1) - 1  # the smallest magnitude that needs so many bits
        copies = [1] * len(largest)
        distinct = {array.tobytes(): index for index, array in enumerate(largest)}
        for strong, weak in permutations(distinct.values(), 2):
            both = (largest[strong] > 0) & (largest[weak] > 0)
            if both.any():
                ratio = float(np.median(largest[strong][both] / largest[weak][both]))
                needed = 2 ** int(np.ceil(np.log2(max(1.0, ratio * reach / self.limit))))
                copies[strong] = max(copies[strong], needed)
        copies = [copies[distinct[array.tobytes()]] for array in largest]
        if max(copies) > MAX_COPIES:
            self.note(
                f"{name}: its branches differ so much in scale that the weakest keeps fewer than "
                f"{kept} bits; the strongest is split into {MAX_COPIES} parallel copies"
            )
        elif max(copies) > 1:
            self.note(
                f"{name}: its branches differ in scale; the strongest is split into "
                f"{max(copies)} parallel copies so that the weakest keeps {kept} bits"
            )
        return [min(count, MAX_COPIES) for count in copies]

    def _steps(self, node: IF | Integrator, demand: Array) -> Array:
        """Return for each channel how many integer steps one unit of current has."""
        used = np.where(demand > 0, demand, 1.0)
        if isinstance(node, Integrator):
            # The bias alone must not fill half of the accumulator in T steps.
            bias = np.abs(np.broadcast_to(node.bias.reshape(-1), demand.shape))
            most = self.membrane / (2 * self.timesteps * np.where(bias > 0, bias, 1.0))
            wanted = np.where(demand > 0, self.limit / used, most)
            return np.where(bias > 0, np.minimum(wanted, most), wanted)
        steps = np.where(demand > 0, np.floor(self.limit / used), float(BIAS_STEPS))
        if np.any(steps < 1):
            self.note(
                f"{node.name}: a single event exceeds {self.limit} thresholds in "
                f"{int(np.sum(steps < 1))} channels; their weights are cut off"
            )
        # More steps than this would only enlarge the membrane, not what a weight can say.
        return np.clip(steps, 1, 2**16)

    def _with_steps(self, node: IF | Integrator, steps: Array) -> IF | Integrator:
        exact = node.bias * steps
        bias = np.rint(exact).astype(np.int64)
        if isinstance(node, Integrator):
            return replace(node, bias=bias, scale=node.scale / steps)
        threshold = np.rint(node.threshold * steps).astype(np.int64)
        at_zero = bool(self.target and self.target.starts_at_zero)
        lost = 0 * exact if at_zero else self.timesteps * (exact - bias)
        initial = np.rint(node.initial * steps + lost).astype(np.int64)
        return replace(node, threshold=threshold, bias=bias, initial=initial)

    def _clamped(self, graph: Graph) -> Graph:
        """Let the membranes saturate that could pass the limit."""
        nodes: list[Node] = []
        for node in graph:
            if isinstance(node, (IF, Integrator)):
                bound = membrane_bound(graph, node, self.timesteps)
                if bound > self.membrane:
                    self.note(
                        f"{node.name}: its membrane can reach {bound} in {self.timesteps} steps; "
                        f"it saturates at {self.membrane}"
                    )
                    nodes.append(replace(node, clamp=self.membrane))
                    continue
            nodes.append(node)
        return Graph(nodes, graph.outputs)


def _largest(weight: Array) -> Array:
    """Return the largest magnitude of each channel's weights."""
    rows = weight.reshape(len(weight), -1)
    return np.asarray(np.maximum(rows.max(axis=1), -rows.min(axis=1)))


def _scale(node: IF | Integrator) -> Array:
    assert isinstance(node, Integrator)
    return node.scale
