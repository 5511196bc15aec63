"""One time step of a network as nodes of ONNX: what ``ir.reference.run`` does in its inner loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from ...ir import (
    VIEWS,
    Array,
    Concat,
    Conv,
    Encoder,
    Feedback,
    Graph,
    Input,
    Linear,
    Node,
    Previous,
    TrackingIF,
)
from ...ir.bounds import is_quantized
from ...ir.settling import is_exact
from .number import Number, of_edge
from .value import Scope, Value


@dataclass
class State:
    """A tensor that is kept from one step to the next.

    Attributes:
        name: Of the node and of what it keeps: ``conv1.v``.
        shape: Without the batch axis.
        initial: What it is when a sample begins, for every sample: broadcastable to that shape.
        now: Its value when the step begins.
        next: Its value when the step has ended.
        carried: Whether a sequence carries it from one element to the next.
    """

    name: str
    shape: tuple[int, ...]
    initial: Array
    now: Value
    next: Value
    carried: bool = False


class StepWriter:
    """Writes a step.

    Args:
        graph: A spiking graph.
        steps: Steps of a run, or of one element of a sequence.
        scope: Where to write it.
        t: The number of the step, counted from 1: a scalar, int64.
        inputs: For each input, its sample, its element, or its value at this step, float32.
    """

    def __init__(
        self, graph: Graph, steps: int, scope: Scope, t: Value, inputs: Mapping[str, Value]
    ) -> None:
        self.graph, self.steps, self.scope, self.t = graph, steps, scope, t
        self.real = not is_quantized(graph)
        self.first, self.last = t.equals(1), t.equals(steps)
        self.states: list[State] = []
        self.values: dict[str, Value] = {}
        self.waiting: dict[str, Value] = {}
        """For each tracking population, the most that a neuron of a sample has left to send."""
        self._injected_once: set[str] = set()
        for node in graph:
            scope.root.prefix = f"{node.name}/"
            self.values[node.name] = (
                inputs[node.name] if isinstance(node, Input) else self._written(node)
            )
        scope.root.prefix = ""
        for node in graph.of_type(Previous):
            self._carry(node)
        for loop in graph.of_type(Feedback):
            self._state_of(f"{loop.name}.before").next = self.read(loop.source)
        self.sequence = any(node.is_sequence for node in graph.of_type(Input))
        if self.sequence:
            self._begin_elements()

    def state(
        self, node: Node, label: str, initial: Array | float, number: Number, shape: object = None
    ) -> State:
        """Return something that a node keeps; the caller says what it is next."""
        sizes = self.graph.types[node.name].shape if shape is None else shape
        assert isinstance(sizes, tuple)
        name = f"{node.name}.{label}"
        now = Value(self.scope, self.scope.fresh(f"state.{name}"), number)
        made = State(name, sizes, np.asarray(initial, number.dtype), now, now)
        self.states.append(made)
        return made

    def read(self, name: str) -> Value:
        """Return what is on an edge in this step."""
        if name in self._injected_once:
            self._injected_once.remove(name)
            value = self.values[name]
            self.values[name] = self.first.where(value, 0)
        return self.values[name]

    def shown(self, name: str) -> Value:
        """Return the value of an output, float32, or of a real-valued network float64."""
        return self.read(name).cast(Number.DOUBLE if self.real else Number.FLOAT)

    def moving(self) -> Value | None:
        """Return whether anything is left to send; None for a network that need not come to rest.

        Nothing happens after a step in which every neuron has sent all it is due: see
        ``numpy_sim.exact``.
        """
        if self.sequence or not is_exact(self.graph):
            return None
        moving = self.t < digits_end(self.graph)
        for left in self.waiting.values():
            moving = moving | (left.then("ReduceMax", keepdims=0) > 0)
        return moving

    def _written(self, node: Node) -> Value:
        """Write a node. What is injected once stays as it is through all that keeps a 0 a 0."""
        once = bool(node.inputs) and all(name in self._injected_once for name in node.inputs)
        if once and isinstance(node, (Conv, Linear, Concat, *VIEWS)):
            value = write(node, self, [self.values[name] for name in node.inputs])
        else:
            value = write(node, self, [self.read(name) for name in node.inputs])
            once = isinstance(node, (Encoder, Previous)) and getattr(node, "once", True)
        if once:
            self._injected_once.add(node.name)
        return value

    def _carry(self, node: Previous) -> None:
        """Write what a sequence carries: all that its source has sent in an element."""
        kept = self._state_of(f"{node.name}.carried")
        sent = self.state(node, "sent", 0, kept.now.number)
        sent.next = sent.now + self.read(node.source)
        kept.next = self.last.where(sent.next, kept.now)

    def _state_of(self, name: str) -> State:
        return next(state for state in self.states if state.name == name)

    def _begin_elements(self) -> None:
        """Let all else begin the next element from rest."""
        for state in self.states:
            if not state.carried:
                number = state.now.number
                rest = self.scope.constant(state.initial, number)
                state.next = self.last.where(rest, state.next.cast(number))


def digits_end(graph: Graph) -> int:
    """Return the step of the last digit that a tracking population sends, at least 1."""
    ends = (n.start + n.digits - 1 for n in graph.of_type(TrackingIF) if n.digits)
    return max(ends, default=1)


@singledispatch
def write(node: Node, to: StepWriter, inputs: list[Value]) -> Value:
    """Write what a node computes in one step.

    Args:
        node: The node.
        to: The step; it takes the node's states.
        inputs: What is on the edges it reads.

    Returns:
        The node's value; payloads and currents in any type that holds them.
    """
    raise NotImplementedError(type(node).__name__)


@write.register
def _(node: Previous, to: StepWriter, inputs: list[Value]) -> Value:
    number = Number.DOUBLE if node.type.payload is None else Number.INT64
    kept = to.state(node, "carried", node.initial, number)
    kept.carried = True
    return kept.now.cast(of_edge(to.graph, node.name))


from . import (  # noqa: E402 (register what nodes write)
    edges,  # noqa: F401
    leaky,  # noqa: F401
    neurons,  # noqa: F401
    recurrence,  # noqa: F401
    scheduled,  # noqa: F401
    tracking,  # noqa: F401
)
