"""Finds the neurons of trained spiking networks in an ONNX graph, to say what they are.

snnTorch, norse and SpikingJelly compute a neuron in ordinary tensor arithmetic, and an exporter
unrolls it over the T steps of ``forward``. What is left of a step, by all three:

    u' = decay * u + (1 - decay or 1) * input      Mul, Add, Sub, Div
    s  = u' > threshold                            Sub, Greater or GreaterOrEqual, Cast
    u  = u' - threshold * s                        reset by subtraction; also delayed by a step
    u  = (1 - s) * u' (+ s * reset)                reset to a value

So a neuron is a membrane that is compared and cast, and whose next membrane is computed from both
the membrane and the spike by element-wise operators alone. Spikes that go to the next layer pass a
weight; those of a shortcut do not come with the membrane. A membrane without a next one was
exported at T = 1, or the module kept it as hidden state, which no exporter writes to the file
(``init_hidden=True`` of snnTorch); it may also be a binary activation, which has no state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from onnx import GraphProto, NodeProto

from .result import Unsupported

_COMPARISONS = {"Greater": ">", "GreaterOrEqual": ">=", "Less": "<", "LessOrEqual": "<="}
_OPERATORS = "Add Cast Clip Div Identity Mul Neg Not Reshape Squeeze Sub Unsqueeze Where"
_ELEMENT_WISE = frozenset(_OPERATORS.split())

MOST_VISITS = 1_000_000
"""Nodes that the search looks at, over all membranes; a hostile graph would make it quadratic."""

_OTHERWISE = (
    "docs/trained_snn.md says which trained spiking networks are taken: write it so and export it "
    "again, or put Relu in the place of its neurons"
)
_LOST = (
    "where it is a spiking neuron, its membrane was lost at the export: run all steps in forward, "
    "or make the membrane an input and an output; a binary activation is taken as a quantiser "
    "(QuantizeLinear and DequantizeLinear, or BipolarQuant)"
)


@dataclass(frozen=True)
class SpikingNeuron:
    """A layer of spiking neurons that an exporter has unrolled.

    Attributes:
        comparison: The node that compares its first membrane with the threshold.
        steps: How often it fires.
        reset: What a spike does to the membrane; None where nothing of that is left.
        state: The input of the graph that its first membrane is, or None.
        parts: All nodes of its dynamics.
    """

    comparison: NodeProto
    steps: int
    reset: Literal["subtraction", "value"] | None
    state: str | None
    parts: tuple[NodeProto, ...]

    @property
    def reason(self) -> str:
        """What it is, in words."""
        sign = _COMPARISONS[self.comparison.op_type]
        if self.state is not None:
            steps = f"one step, its membrane the input {self.state!r}"
        elif self.steps == 1:
            return f"compares with a threshold ({sign}) once: a spiking neuron without its state"
        else:
            steps = f"unrolled over {self.steps} steps"
        how = {"subtraction": "reset by subtraction", "value": "reset to a value", None: "no reset"}
        return f"is the threshold ({sign}) of a trained spiking neuron, {steps}, {how[self.reset]}"

    @property
    def hint(self) -> str:
        """The way round."""
        return _LOST if self.steps == 1 and self.state is None else _OTHERWISE


def spiking_neurons(graph: GraphProto, nodes: Sequence[NodeProto]) -> tuple[SpikingNeuron, ...]:
    """Return the spiking neurons of a graph, in the order of their first comparison.

    Args:
        graph: The graph.
        nodes: Its nodes that the outputs depend on, in order.
    """
    return tuple(_Search(graph, nodes).neurons())


def explained(
    unsupported: Sequence[Unsupported],
    neurons: Sequence[SpikingNeuron],
    title: Mapping[int, tuple[str, str]],
    not_rolled_up: str = "",
) -> list[Unsupported]:
    """Name neurons among what cannot be converted, in the place of the operators they consist of.

    A membrane that is compared once is named only where its comparison was refused.

    Args:
        unsupported: The nodes that cannot be converted.
        neurons: The neurons of the graph.
        title: Operator and name of each node, by its ``id``.
        not_rolled_up: Why their steps cannot be rolled up; empty where that was not tried.
    """
    refused = {(entry.operator, entry.node) for entry in unsupported}
    found = [
        neuron
        for neuron in neurons
        if neuron.steps > 1 or neuron.state or title[id(neuron.comparison)] in refused
    ]
    parts = {title[id(node)] for neuron in found for node in neuron.parts}
    named = [
        Unsupported(*title[id(neuron.comparison)], _reason(neuron, not_rolled_up), neuron.hint)
        for neuron in found
    ]
    return named + [entry for entry in unsupported if (entry.operator, entry.node) not in parts]


def _reason(neuron: SpikingNeuron, not_rolled_up: str) -> str:
    if not not_rolled_up or (neuron.steps == 1 and neuron.state is None):
        return neuron.reason
    return f"{neuron.reason}; its steps cannot be rolled up: {not_rolled_up}"


class _Search:
    def __init__(self, graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
        self._nodes = nodes
        self._visits = MOST_VISITS
        self._made = {name: node for node in nodes for name in node.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._constants = {tensor.name for tensor in graph.initializer} | {""}
        self._inputs = {value.name for value in graph.input} - self._constants
        for node in nodes:  # shapes are known when a model is compiled
            if node.op_type in ("Shape", "Size") or self._constants.issuperset(node.input):
                self._constants.update(node.output)

    def neurons(self) -> Iterator[SpikingNeuron]:
        """Yield the neurons."""
        firing: dict[str, list[NodeProto]] = {}
        for node in self._nodes:
            membrane = self._membrane(node)
            if membrane is not None:
                firing.setdefault(membrane, []).append(node)
        left = dict(firing)
        while left:
            membrane = next(iter(left))
            steps, parts = [membrane], self._before(left[membrane][0])
            after: str | None = membrane
            while after is not None:
                comparisons = left.pop(after)
                parts += comparisons
                after, between = self._next(after, comparisons, left)
                parts += between
                steps += [after] if after is not None else []
            yield self._neuron(firing[membrane][0], steps, parts)

    def _neuron(
        self, first: NodeProto, steps: Sequence[str], parts: list[NodeProto]
    ) -> SpikingNeuron:
        state = steps[0] if steps[0] in self._inputs else None
        unique = {id(node): node for node in parts}
        neuron = SpikingNeuron(first, len(steps), None, state, tuple(unique.values()))
        return replace(neuron, reset=self._reset(unique)) if len(steps) > 1 else neuron

    def _membrane(self, node: NodeProto) -> str | None:
        """Return what a node compares with a threshold and casts; None for another node."""
        casts = [r for name in node.output for r in self._readers.get(name, ()) if _is_cast(r)]
        if node.op_type not in _COMPARISONS or not casts or not self._is_unary(node):
            return None
        name = self._operand(node)
        before = self._made.get(name)
        while before is not None and before.op_type in ("Add", "Sub", "Identity"):
            if not self._is_unary(before):
                break
            name = self._operand(before)
            before = self._made.get(name)
        return name

    def _is_unary(self, node: NodeProto) -> bool:
        return sum(name not in self._constants for name in node.input) == 1

    def _operand(self, node: NodeProto) -> str:
        return next(str(name) for name in node.input if name not in self._constants)

    def _next(
        self, membrane: str, comparisons: Sequence[NodeProto], left: Mapping[str, object]
    ) -> tuple[str | None, list[NodeProto]]:
        """Return the membrane of the next step, and the nodes on the way to it."""
        from_spike = [self._reached(name) for node in comparisons for name in node.output]
        from_membrane = self._reached(membrane)
        both = [name for name in left if name in from_membrane]
        for name in both:
            if any(name in reached for reached in from_spike):
                ways = (from_membrane, *from_spike)
                return name, [n for reached in ways for n in reached.values()]
        return None, []

    def _before(self, comparison: NodeProto) -> list[NodeProto]:
        """Return the nodes that compute by element-wise operators what is compared."""
        found: dict[int, NodeProto] = {}
        stack = list(comparison.input)
        while stack and self._visits > 0:
            node = self._made.get(stack.pop())
            if node is not None and node.op_type in _ELEMENT_WISE and id(node) not in found:
                self._visits -= 1
                found[id(node)] = node
                stack += node.input
        return list(found.values())

    def _reached(self, name: str) -> dict[str, NodeProto]:
        """Return the tensors that element-wise operators compute from one, with their nodes."""
        found: dict[str, NodeProto] = {}
        stack = [name]
        while stack and self._visits > 0:
            for node in self._readers.get(stack.pop(), ()):
                self._visits -= 1
                for output in node.output if node.op_type in _ELEMENT_WISE else ():
                    if output not in found:
                        found[output] = node
                        stack.append(output)
        return found

    def _reset(self, parts: Mapping[int, NodeProto]) -> Literal["subtraction", "value"]:
        """Say whether the spike is taken from 1, to be multiplied, or from the membrane."""
        casts = {name for node in parts.values() if _is_cast(node) for name in node.output}
        for node in parts.values():
            from_one = node.op_type == "Sub" and node.input[0] in self._constants
            if node.op_type in ("Where", "Not") or (from_one and node.input[-1] in casts):
                return "value"
        return "subtraction"


def _is_cast(node: NodeProto) -> bool:
    return node.op_type in ("Cast", "Where")
