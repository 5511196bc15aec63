"""NeuroBench's metrics, by its own definitions.

They are those of the package ``neurobench`` (Yik et al., *Nature Communications*, 2025), read in
its code (e521c28, 2026-05-12), and a test compares with it. Beware of what they mean:

- A layer is called once a step with all samples. All operations of a call are MACs if a single
  value of it is not -1, 0 or 1, else ACs. So graded events are MACs, and the numbers depend on
  which samples stand together: here all of them are one batch.
- Operations are summed over steps and divided by samples. Pools, neurons and biases have none.
- Dense operations take every weight and every value, those of 0 included, within the border.
- A membrane is updated if it is not the same after a step as before; at the first step all are.
- Parallel copies of a synapse count once: they are one weight to NeuroBench.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from ...backends.counting import fan_out
from ...ir import Array, Conv, Feedback, Graph, Input, Linear, Population, latency
from ...ir.errors import DataError
from ...ir.reference import State, at_step, brought_back, step
from .connections import connections

PARAMETERS = ("weight",)
"""Fields of nodes that are trained."""

BUFFERS = (
    *("bias", "threshold", "initial", "multiplier", "edges", "scale", "gain", "shift"),
    *("decay", "current_decay", "current_gain", "reset_to", "steps"),
    *("du", "dv", "bias_exp", "initial_current"),
)
"""Other arrays that a node needs to compute."""

MEMBRANES = ("v", "left")
"""What the reference calls a membrane in the state of a neuron."""


@dataclass(frozen=True)
class NeuroBench:
    """NeuroBench's metrics; operations and updates are means per sample.

    Attributes:
        samples: Samples of the one batch.
        footprint: Bytes of parameters and buffers.
        parameter_count: Weights.
        connection_sparsity: Share of weights that are 0, rounded to 4 digits.
        activation_sparsity: Share of neurons and steps without an event.
        effective_macs: Multiplications without those of zeros.
        effective_acs: Additions, likewise.
        dense: Synaptic operations, zeros included.
        membrane_updates: Membranes that changed.
    """

    samples: int
    footprint: int
    parameter_count: int
    connection_sparsity: float
    activation_sparsity: float
    effective_macs: float
    effective_acs: float
    dense: float
    membrane_updates: float

    def to_json(self) -> dict[str, Any]:
        """Return the metrics as a JSON object."""
        return asdict(self)


def neurobench(graph: Graph, samples: Mapping[str, Array], timesteps: int) -> NeuroBench:
    """Compute NeuroBench's metrics of a spiking network.

    It is run by the reference semantics, which equals every target event for event, so that
    membranes can be looked at. A few samples are enough, and many take long.

    Args:
        graph: The spiking graph.
        samples: For each input a batch ``(samples, *shape)``, of a stepwise input
            ``(samples, timesteps, *shape)``.
        timesteps: T.

    Raises:
        DataError: The network reads sequences.
    """
    if any(node.is_sequence for node in graph.of_type(Input)):
        raise DataError(
            "NeuroBench's metrics are not defined here for a network that reads sequences",
            hint="leave out --neurobench",
        )
    batch = {name: np.asarray(x, np.float64) for name, x in samples.items()}
    count = len(next(iter(batch.values())))
    run = _Run(graph)
    for t in range(1, timesteps + latency(graph) + 1):
        run.advance(batch, t)
    zeros, weights = _weights(graph)
    return NeuroBench(
        samples=count,
        footprint=_bytes(graph, (*PARAMETERS, *BUFFERS)),
        parameter_count=weights,
        connection_sparsity=round(zeros / weights, 4) if weights else 0.0,
        activation_sparsity=1 - run.sent / run.neurons if run.neurons else 0.0,
        effective_macs=run.macs / count,
        effective_acs=run.acs / count,
        dense=run.dense / count,
        membrane_updates=run.updates / count,
    )


@dataclass
class _Run:
    """A run of all samples, step by step."""

    graph: Graph
    macs: int = 0
    acs: int = 0
    dense: int = 0
    sent: int = 0
    neurons: int = 0
    updates: int = 0
    states: dict[str, State] = field(default_factory=dict)
    last: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = {node.name: {} for node in self.graph}
        synapses = [node for node in self.graph if isinstance(node, (Conv, Linear))]
        self.every = {n.name: connections(self.graph, n, zeros=True) // n.copies for n in synapses}
        self.reach = {n.name: fan_out(self.graph, n.name) // n.copies for n in synapses}

    def advance(self, batch: Mapping[str, Array], t: int) -> None:
        """Run one step."""
        values: dict[str, Array] = {}
        for node in self.graph:
            if isinstance(node, Input):
                values[node.name] = at_step(node, batch[node.name], t)
                continue
            if isinstance(node, Feedback):
                count = len(next(iter(batch.values())))
                values[node.name] = brought_back(node, self.last, count)
                continue
            arguments = [values[name] for name in node.inputs]
            if isinstance(node, (Conv, Linear)):
                self._operations(node.name, arguments[0])
            before = _membrane(self.states[node.name])
            values[node.name] = step(node, arguments, self.states[node.name], t)
            if isinstance(node, Population):
                self._neurons(values[node.name], before, _membrane(self.states[node.name]), t)
        self.last = values

    def _operations(self, name: str, x: Array) -> None:
        """Count the operations of one call of a layer."""
        done = int((np.count_nonzero(x, axis=0) * self.reach[name]).sum())
        if np.isin(x, (-1, 0, 1)).all():
            self.acs += done
        else:
            self.macs += done
        self.dense += self.every[name] * len(x)

    def _neurons(self, events: Array, before: Array | None, after: Array | None, t: int) -> None:
        self.sent += int(np.count_nonzero(events))
        self.neurons += events.size
        if t == 1:
            self.updates += events.size
        elif before is not None and after is not None:
            self.updates += int(np.count_nonzero(after != before))


def _membrane(state: State) -> Array | None:
    """Return the membranes of a neuron, or of a tracking one the last of its sums."""
    for name in MEMBRANES:
        if name in state:
            return state[name]
    sums = [value for name, value in state.items() if name.startswith("sum ")]
    return np.array(sum(sums[1:], sums[0])) if sums else None


def _weights(graph: Graph) -> tuple[int, int]:
    """Return how many weights are 0, and how many there are."""
    weights = [node.weight for node in graph if isinstance(node, (Conv, Linear))]
    return sum(int((w == 0).sum()) for w in weights), sum(w.size for w in weights)


def _bytes(graph: Graph, names: tuple[str, ...]) -> int:
    """Return the bytes of some arrays of all nodes, in the number types they are held in."""
    found = 0
    for node in graph:
        for each in fields(node):
            value = getattr(node, each.name)
            if each.name in names and isinstance(value, np.ndarray):
                found += value.nbytes
    return found
