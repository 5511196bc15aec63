"""The models that are written: a whole run, one step of it, and the state a sample begins with.

- ``network``: a run is one ``Loop``; what is the same at every step stands in front of it.
- ``step``: the same step with its states as inputs ``state.*`` and outputs ``next.*``, for devices
  that are fed one step at a time.
- ``initial_state``: the states of that model at rest, for any number of samples.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from ...ir import Delay, Feedback, Graph, Input, Node, Previous, Signal, latency
from ...ir.leaky import LeakyIntegrator
from ...ir.reference import spiking_nodes
from ..onnx_runtime.ann_export import IR_VERSION, OPSET
from .number import Number
from .step import State, StepWriter
from .value import Scope, Value

BATCH = "batch"
ELEMENTS = "elements"
CLOCK = "state.step"
"""The state that counts steps: a scalar, int64."""


@dataclass(frozen=True)
class Recorded:
    """Names of the outputs of a model that records; all begin with the steps, then the batch.

    There are no steps in which nothing happens any more.

    Attributes:
        decoded: For each output of the graph, the decoded output after each step.
        spikes: For each node that sends events, its payloads.
        carried: For each node that brings what was before, or sends a membrane, what is on its
            edge.
        waiting: For each tracking population, the most that one of its neurons had left to send.
    """

    decoded: Mapping[str, str]
    spikes: Mapping[str, str]
    carried: Mapping[str, str]
    waiting: Mapping[str, str]


def network(graph: Graph, timesteps: int) -> ModelProto:
    """Return a model of whole runs: samples in, decoded outputs after the last step."""
    run = _Run(graph, timesteps)
    finals = {
        key: run.kept(run.shown(key), f"last.{key}", graph.types[name].shape)
        for key, name in graph.outputs.items()
    }
    run.close()
    outputs = []
    for key, final in finals.items():
        run.root.nodes.append(helper.make_node("Identity", [final], [key], f"output.{key}"))
        shape = graph.types[graph.outputs[key]].shape
        outputs.append(_info(key, run.shown(key).number, [BATCH, *shape]))
    return _model(run.root, run.inputs, outputs, timesteps, graph)


def recording(graph: Graph, timesteps: int) -> tuple[ModelProto, Recorded]:
    """Return a model of whole runs with everything that happens in them as outputs."""
    run = _Run(graph, timesteps)
    decoded = {key: run.traced(run.shown(key), name) for key, name in graph.outputs.items()}
    sending = [node.name for node in spiking_nodes(graph)]
    spikes = {name: run.traced(_small(graph, name, run), name) for name in sending}
    loops = [node.name for node in graph if _has_a_past(graph, node)]
    carried = {name: run.traced(_small(graph, name, run), name) for name in loops}
    waiting = {name: run.traced(value, name, ()) for name, value in run.step.waiting.items()}
    run.close()
    return _model(run.root, run.inputs, run.traces, timesteps, graph), Recorded(
        decoded, spikes, carried, waiting
    )


def step(graph: Graph, timesteps: int) -> ModelProto:
    """Return a model of one step: samples and states in, decoded outputs and next states out."""
    scope = Scope(taken=_reserved(graph))
    clock = Value(scope, scope.fresh(CLOCK), Number.INT64)
    inputs = {node.name: Value(scope, node.name, Number.FLOAT) for node in graph.of_type(Input)}
    steps = timesteps + latency(graph)
    now = clock + 1
    written = StepWriter(graph, steps, scope, now, inputs)
    after = written.last.where(now.like(0), now) if written.sequence else now
    given = [
        _info(node.name, Number.FLOAT, [BATCH, *node.type.shape]) for node in graph.of_type(Input)
    ]
    results = []
    for key, name in graph.outputs.items():
        value = written.shown(name)
        _named(scope, value, key)
        results.append(_info(key, value.number, [BATCH, *graph.types[name].shape]))
    _named(scope, after, next_name(CLOCK))
    given.append(_info(CLOCK, Number.INT64, []))
    results.append(_info(next_name(CLOCK), Number.INT64, []))
    for state in written.states:
        number = state.now.number
        _named(scope, state.next.cast(number), next_name(state.now.name))
        given.append(_info(state.now.name, number, [BATCH, *state.shape]))
        results.append(_info(next_name(state.now.name), number, [BATCH, *state.shape]))
    return _model(scope, given, results, timesteps, graph)


def initial_state(graph: Graph, timesteps: int) -> ModelProto:
    """Return a model that makes the states of ``step`` for a batch: its size in, states out."""
    scope = Scope(taken=_reserved(graph))
    clock = scope.fresh(CLOCK)
    inputs = {node.name: Value(scope, node.name, Number.FLOAT) for node in graph.of_type(Input)}
    now = Value(scope, clock, Number.INT64)
    states = StepWriter(graph, timesteps + latency(graph), scope, now + 1, inputs).states
    alone = Scope(taken={BATCH, clock, *(state.now.name for state in states)})
    size = Value(alone, BATCH, Number.INT64)
    results = [_info(clock, Number.INT64, [])]
    _named(alone, alone.constant(0, Number.INT64), clock)
    for state in states:
        _named(alone, _at_rest(state, size), state.now.name)
        results.append(_info(state.now.name, state.now.number, ["samples", *state.shape]))
    given = [_info(BATCH, Number.INT64, [1])]
    return _model(alone, given, results, timesteps, graph)


def next_name(state: str) -> str:
    """Return the name of the output that a state is read from for the next step.

    >>> next_name("state.conv1.v")
    'next.conv1.v'
    """
    return "next." + state.removeprefix("state.")


class _Run:
    """A run as one loop; what leaves it is added before it is closed."""

    def __init__(self, graph: Graph, timesteps: int) -> None:
        self.graph, self.steps = graph, timesteps + latency(graph)
        self.root = Scope(taken=_reserved(graph))
        self.body = Scope(self.root)
        given = {
            node.name: Value(self.root, node.name, Number.FLOAT) for node in graph.of_type(Input)
        }
        self.inputs = [
            _info(node.name, Number.FLOAT, _sizes(node, timesteps)) for node in graph.of_type(Input)
        ]
        self._sequence = next((n.name for n in graph.of_type(Input) if n.is_sequence), None)
        self._any = next(iter(given.values()))
        self._iteration = Value(self.body, self.root.fresh("iteration"), Number.INT64)
        t = self._iteration + 1
        if self._sequence:
            element = self._iteration / self.steps
            t = self._iteration - element * self.steps + 1
            for node in graph.of_type(Input):
                if node.is_sequence:
                    given[node.name] = given[node.name].gather(element, axis=1)
        for node in graph.of_type(Input):
            if node.stepwise:
                given[node.name] = self._at_step(given[node.name], node, t)
        self.step = StepWriter(graph, self.steps, self.body, t, given)
        self._kept: list[tuple[State, str]] = []
        self._traces: list[tuple[Value, str, list[int | str]]] = []
        self.traces: list[ValueInfoProto] = []
        for state in self.step.states:
            self._keep(state, self.root.fresh(f"final.{state.name}"))

    def _at_step(self, x: Value, node: Input, t: Value) -> Value:
        """Return what an input has at a step: 0 where neurons still wait and none is given."""
        if late := latency(self.graph):
            none = [0] * (2 + len(node.type.shape))
            x = x.pad(none, [0, late, *none[2:]])
        return x.gather(t - 1, axis=1)

    def shown(self, key: str) -> Value:
        """Return the decoded value of an output."""
        return self.step.shown(self.graph.outputs[key])

    def kept(self, value: Value, name: str, shape: tuple[int, ...]) -> str:
        """Keep what a value is at the end of the run; return its name there."""
        now = Value(self.body, self.root.fresh(f"state.{name}"), value.number)
        final = self.root.fresh(f"final.{name}")
        self._keep(State(name, shape, np.zeros(()), now, value), final)
        return final

    def traced(self, value: Value, node: str, shape: tuple[int, ...] | None = None) -> str:
        """Give out a value of a node at every step; return the name of that output."""
        name = self.root.fresh(f"trace.{node}")
        sizes: list[int | str] = [BATCH]
        sizes += self.graph.types[node].shape if shape is None else shape
        self._traces.append((value, name, sizes))
        self.traces.append(_info(name, value.number, ["all steps", *sizes]))
        return name

    def _keep(self, state: State, final: str) -> None:
        self._kept.append((state, final))

    def close(self) -> None:
        """Write the loop."""
        going = self.step.moving() or self.body.constant(True, Number.BOOL)
        given = [_info(self._iteration.name, Number.INT64, []), _info("going", Number.BOOL, [])]
        results = [_info(_out(self.body, going), Number.BOOL, [])]
        begin, batch = [], self._any.batch()
        for state, _ in self._kept:
            number = state.now.number
            shape: list[int | str] = [BATCH, *state.shape]
            given.append(_info(state.now.name, number, shape))
            results.append(_info(_out(self.body, state.next.cast(number)), number, shape))
            begin.append(_at_rest(state, batch).name)
        for value, _, sizes in self._traces:
            results.append(_info(_out(self.body, value), value.number, sizes))
        loop = helper.make_node(
            "Loop",
            [self._trips().name, "", *begin],
            [*(final for _, final in self._kept), *(name for _, name, _ in self._traces)],
            "run",
            body=helper.make_graph(self.body.nodes, "step", given, results),
        )
        self.root.nodes.append(loop)

    def _trips(self) -> Value:
        steps = self.root.constant(self.steps, Number.INT64)
        if not self._sequence:
            return steps
        sequence = Value(self.root, self._sequence, Number.FLOAT)
        elements = sequence.then("Shape", number=Number.INT64, start=1, end=2)
        return (elements * self.steps).then("Squeeze")


def _at_rest(state: State, batch: Value) -> Value:
    """Return a state as a sample begins, for every sample."""
    scope = batch.scope
    row = scope.constant(state.initial, state.now.number)
    sizes = batch.then("Concat", scope.shape(*state.shape), axis=0)
    return row.then("Expand", sizes)


def _has_a_past(graph: Graph, node: Node) -> bool:
    """Whether an edge is neither of a population nor computed from others of its step."""
    brings = isinstance(node, (Previous, Feedback, Delay, LeakyIntegrator))
    return brings and graph.types[node.name].signal is Signal.SPIKES


def _small(graph: Graph, name: str, run: _Run) -> Value:
    """Return payloads in the type in which results keep them."""
    payload = graph.types[name].payload
    value = run.step.read(name)
    if payload is None:
        return value.cast(Number.DOUBLE)
    return value.cast(Number.INT8 if max(map(abs, payload)) <= 127 else Number.INT32)


def _out(scope: Scope, value: Value) -> str:
    """Return a name that only this result of a body has."""
    name = scope.fresh("result")
    _named(scope, value, name)
    return name


def _named(scope: Scope, value: Value, name: str) -> None:
    scope.nodes.append(helper.make_node("Identity", [value.name], [name], name))


def _reserved(graph: Graph) -> set[str]:
    """Return the names that callers know."""
    return {*(node.name for node in graph.of_type(Input)), *graph.outputs, "going"}


def _sizes(node: Input, timesteps: int) -> list[int | str]:
    several: list[int | str] = [timesteps] if node.stepwise else []
    if node.sequence is not None:
        several = [node.sequence or ELEMENTS]
    return [BATCH, *several, *node.type.shape]


def _info(name: str, number: Number, sizes: Iterable[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, number.value, [*sizes])


def _model(
    scope: Scope,
    inputs: list[ValueInfoProto],
    outputs: list[ValueInfoProto],
    timesteps: int,
    graph: Graph,
) -> ModelProto:
    initializers: list[TensorProto] = scope.initializers
    proto = helper.make_graph(scope.nodes, "snnc", inputs, outputs, initializers)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(proto, opset_imports=[opset], producer_name="snnc")
    model.ir_version = IR_VERSION
    told = {"timesteps": str(timesteps), "steps": str(timesteps + latency(graph))}
    if stepwise := [node.name for node in graph.of_type(Input) if node.stepwise]:
        told["stepwise"] = json.dumps(stepwise)
    helper.set_model_props(model, told)
    return model
