"""From a flat NIR graph to a spiking graph.

- Linear maps become synapses; their biases go to the neuron behind them, as a current at every
  step. Edges that meet are summed there.
- Where no neuron is behind a linear map its value is needed as such: a membrane that keeps
  nothing (``LI`` with decay 0) sends it on. So are scales computed, which are its gain.
- A neuron behind a neuron gets an identity synapse. Pools are depthwise synapses.
- An edge that was cut (``loops``) reads a ``Feedback``.
- An output of spikes is their count, an output of membranes the membrane itself.

All of it is exact; what is not, the discretisation, is in ``discretisation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import singledispatchmethod
from math import prod

import numpy as np

from ...backends.nir_file.file_contract import OutputMeaning
from ...backends.nir_file.nodes import Delay, Neuron, Threshold
from ...ir import LI, Encoder, Feedback, Graph, Signal, TensorType
from ...ir import Conv as ConvSynapse
from ...ir import Delay as DelayNode
from ...ir import Input as InputNode
from ...ir import Linear as LinearSynapse
from ...ir.errors import GraphError, Problem
from ...ir.recurrence import MOST_STEPS
from .discretisation import Discretisation
from .loops import Order
from .neurons import compact, node_for, physical, step_function
from .nodes import (
    Conv,
    Flatten,
    Identity,
    Input,
    Linear,
    NirGraph,
    NirNode,
    Output,
    Pool,
    Scale,
    Shape,
)
from .resets import Resets
from .wiring import Currents, Payload, Value, Wiring, readout, summed

NEARLY_WHOLE = 1e-3
"""Steps by which a delay may miss a whole number: what is left of it after float32."""


class Conversion:
    """Makes a graph, node by node.

    Args:
        graph: A flat NIR graph, whose nodes fit one another.
        order: How to go through it.
        shapes: What each node sends.
        rule: How equations become steps.
        resets: What spikes do.
        outputs: What a file of snnc says its outputs are.

    Attributes:
        problems: What could not be made.
    """

    def __init__(
        self,
        graph: NirGraph,
        order: Order,
        shapes: Mapping[str, Shape],
        rule: Discretisation,
        resets: Resets,
        outputs: Mapping[str, OutputMeaning] | None = None,
    ) -> None:
        self.graph, self.order, self.shapes = graph, order, shapes
        self.said = outputs or {}
        self.rule, self.resets = rule, resets
        self.sources: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for source, target in graph.edges:
            self.sources[target].append(source)
        self.wiring = Wiring(taken=set(graph.nodes))
        self.values: dict[str, Value] = {}
        self.outputs: dict[str, str] = {}
        self.fed_back: dict[str, Payload] = {}
        self.problems: list[Problem] = []

    def run(self) -> Graph | None:
        """Return the graph, or None where there are problems."""
        for name in self.order.names:
            node = self.graph.nodes[name]
            if isinstance(node, Input):
                self.values[name] = self._input(name, node)
            elif isinstance(node, Output):
                self._output(name)
            else:
                self.values[name] = self._made(node, name, self._read(name))
        if self.problems:
            return None
        try:
            return Graph(self.wiring.nodes, self.outputs).without_dead_nodes()
        except GraphError as error:  # parameters that make no sense together
            for problem in error.problems:
                hint = problem.hint or "mend that node, and export the network again"
                self.problems.append(Problem(problem.message, hint))
            return None

    # -- edges -----------------------------------------------------------------------------

    def _shape(self, name: str) -> Shape:
        """Return the shape that a node reads."""
        return self.shapes[self.sources[name][0]]

    def _read(self, name: str) -> Value:
        """Return the sum of what comes in over all edges of a node."""
        values = [
            self._before(source) if (source, name) in self.order.cut else self.values[source]
            for source in self.sources[name]
        ]
        if len(values) == 1:
            return values[0]
        shape = self._shape(name)
        return summed(self.wiring.currents(value, shape) for value in values)

    def _before(self, source: str) -> Payload:
        """Return what a later neuron sent at the step before."""
        if source not in self.fed_back:
            spikes = _spikes(self.graph.nodes[source])
            payload = (0, 1) if spikes else None
            type = TensorType(physical(self.shapes[source]), Signal.SPIKES, payload)
            name = self.wiring.free(f"{source}.before")
            self.wiring.nodes.append(Feedback(name=name, source=source, type=type))
            self.fed_back[source] = Payload(name, spikes)
        return self.fed_back[source]

    def _sent(self, name: str, value: Value) -> Payload:
        """Return what a node reads as a payload."""
        return self.wiring.payload(name, value, self._shape(name))

    # -- ports -----------------------------------------------------------------------------

    def _input(self, name: str, node: Input) -> Value:
        kind = TensorType(node.shape)
        encoder = Encoder(name=self.wiring.free(f"{name}.encoder"), inputs=(name,))
        self.wiring.nodes += [InputNode(name=name, type=kind, stepwise=True), encoder]
        return self.wiring.viewed(
            Payload(encoder.name, spikes=False), node.shape, physical(node.shape)
        )

    def _output(self, name: str) -> None:
        value, said = self._read(name), self.said.get(name)
        counts = isinstance(value, Payload) and value.spikes
        kind = said.kind if said else "sum" if counts else "value"
        if kind == "value":
            self.outputs[name] = self._sent(name, value).name
            return
        currents = self.wiring.currents(value, self._shape(name))
        counted = readout(name, currents, kind, said.offset if said else np.zeros(1))
        self.wiring.nodes.append(counted)
        self.outputs[name] = name

    # -- nodes -----------------------------------------------------------------------------

    @singledispatchmethod
    def _made(self, node: NirNode, name: str, value: Value) -> Value:
        raise TypeError(type(node))  # there is a function for every record

    @_made.register
    def _(self, node: Identity, name: str, value: Value) -> Value:
        return value

    @_made.register
    def _(self, node: Linear, name: str, value: Value) -> Value:
        source = self._sent(name, value).name
        self.wiring.nodes.append(LinearSynapse(name=name, inputs=(source,), weight=node.weight))
        return Currents((name,), np.zeros(1) if node.bias is None else node.bias)

    @_made.register
    def _(self, node: Conv, name: str, value: Value) -> Value:
        source = self._sent(name, value).name
        kernel = node.weight.shape[2:]
        if node.padding == "same":
            spans = [step * (size - 1) for step, size in zip(node.dilation, kernel, strict=True)]
            begin, end = [span // 2 for span in spans], [span - span // 2 for span in spans]
        else:
            begin = end = list(node.padding)
        flat = 2 - len(kernel)  # one axis is the width of an image of height 1
        top, left, bottom, right = *[0] * flat, *begin, *[0] * flat, *end
        synapse = ConvSynapse(
            name=name,
            inputs=(source,),
            weight=node.weight.reshape(*node.weight.shape[:2], *[1] * flat, *kernel),
            stride=_pair((*[1] * flat, *node.stride)),
            padding=(top, left, bottom, right),
            dilation=_pair((*[1] * flat, *node.dilation)),
            groups=node.groups,
        )
        self.wiring.nodes.append(synapse)
        return Currents((name,), np.zeros(1) if node.bias is None else node.bias.reshape(-1, 1, 1))

    @_made.register
    def _(self, node: Pool, name: str, value: Value) -> Value:
        channels = self._shape(name)[0]
        weight = 1 / prod(node.kernel) if node.mean else 1.0
        synapse = ConvSynapse(
            name=name,
            inputs=(self._sent(name, value).name,),
            weight=np.full((channels, 1, *node.kernel), weight),
            stride=_pair(node.stride),
            padding=(*_pair(node.padding), *_pair(node.padding)),
            groups=channels,
        )
        self.wiring.nodes.append(synapse)
        return Currents((name,), np.zeros(1))

    @_made.register
    def _(self, node: Flatten, name: str, value: Value) -> Value:
        before, after = physical(self._shape(name)), physical(self.shapes[name])
        return self.wiring.viewed(self._sent(name, value), before, after, name)

    @_made.register
    def _(self, node: Scale, name: str, value: Value) -> Value:
        shape = self._shape(name)
        currents = self.wiring.currents(value, shape)
        gain = compact(node.scale, physical(shape))
        bias = gain * currents.bias
        scaled = LI(name=name, inputs=currents.names, decay=np.zeros(1), gain=gain, bias=bias)
        self.wiring.nodes.append(scaled)
        return Payload(name, spikes=False)

    @_made.register
    def _(self, node: Delay, name: str, value: Value) -> Value:
        steps = self.rule.steps(node.delay)
        whole = np.rint(steps)
        if (np.abs(steps - whole) > NEARLY_WHOLE).any() or whole.max() > MOST_STEPS:
            worst = node.delay.flat[int(np.abs(steps - whole).argmax())]
            problem = (
                f"delays by {worst:g} s, which is no whole number of steps of {self.rule.dt:g} s"
            )
            if whole.max() > MOST_STEPS:
                problem = f"delays by {whole.max():.0f} steps, more than {MOST_STEPS}"
            self.problems.append(Problem(f"{name}: {problem}", "choose another step with --dt"))
            return value
        source = self._sent(name, value)
        late = compact(whole, physical(self._shape(name))).astype(np.int64)
        self.wiring.nodes.append(DelayNode(name=name, inputs=(source.name,), steps=late))
        return Payload(name, source.spikes)

    @_made.register
    def _(self, node: Threshold, name: str, value: Value) -> Value:
        shape = self._shape(name)
        read = self.wiring.currents(value, shape)
        said = self.resets.contract.meaning(name) if self.resets.contract else None
        strict = said is None or said.strict
        made = step_function(name, node, read.names, read.bias, physical(shape), strict=strict)
        self.wiring.nodes.append(made)
        return Payload(name, spikes=True)

    @_made.register
    def _(self, node: Neuron, name: str, value: Value) -> Value:
        shape = self._shape(name)
        read = self.wiring.currents(value, shape)
        if node.tau_syn is not None and read.bias.any():
            # The neuron's own current has to be charged by the bias as well.
            read = self.wiring.currents(self.wiring.payload(name, read, shape), shape)
        made = node_for(
            *(name, node, read.names, read.bias, physical(shape)), self.rule, self.resets
        )
        self.wiring.nodes.append(made)
        return Payload(name, _spikes(node))


def _spikes(node: NirNode) -> bool:
    """Whether a neuron sends spikes, and not its membrane."""
    return not isinstance(node, Neuron) or node.v_threshold is not None


def _pair(numbers: Iterable[int]) -> tuple[int, int]:
    first, second = numbers
    return first, second
