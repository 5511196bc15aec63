"""Converts ``RNN``, ``GRU`` and ``LSTM``: their cell, and the states it carries.

Nothing is quantised inside these operators, so what comes out is a float model, which
``--code exact --approximate`` or ``--quantize 8`` quantises around every gate.

Their outputs have an axis of directions of size 1, which other operators take away before
anything computes with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from onnx import NodeProto

from ...ir import Add, Affine, Array, Clip, Curve, Linear, Node, Previous, Product, TensorType
from .operation import Operation
from .scan import initial_state
from .values import Activation, Constant, Directed, Elements, RefusalError, Value

if TYPE_CHECKING:
    from .walk import Walk

FUNCTIONS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
"""The operators, with their activation functions unless they name others."""

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}

STATES = {"RNN": (5,), "GRU": (5,), "LSTM": (5, 6)}
"""Where the states before the first element stand among the inputs."""


def convert(walk: Walk, proto: NodeProto, op: Operation) -> None:
    """Convert a recurrent operator, and say what its outputs are.

    Args:
        walk: The walk through the graph that holds it.
        proto: The node.
        op: The node, under the name of any of its outputs.
    """
    layout = op.integer("layout", 0)
    sequence = op.inputs[0]
    if not isinstance(sequence, Elements) or sequence.axis != layout:
        raise RefusalError(
            "reads no sequence of the model, or one with its axes in another order",
            "let it read an input of the model (batch, elements, values), transposed where the "
            "operator wants elements first, or the output of another recurrent layer",
        )
    if op.text("direction", "forward") != "forward":
        raise RefusalError("goes backward", "train it forward: later elements are not there yet")
    if op.given(4):
        raise RefusalError("has sequences of different lengths", "export it with one length")
    if op.given(7):
        raise RefusalError("has peepholes", "train the network without them")
    cell = _Cell(walk, op, proto.op_type)
    states = {"RNN": cell.rnn, "GRU": cell.gru, "LSTM": cell.lstm}[proto.op_type](sequence.element)
    whole = Directed(Elements(states[0], sequence.count, sequence.axis), axis=1 + layout)
    results: list[Value] = [whole, *(Directed(value, axis=layout) for value in states)]
    walk.values.update(zip(proto.output, results, strict=False))


class _Cell:
    """The nodes of a cell.

    Args:
        walk: Takes them.
        op: The operator.
        kind: Its type.
    """

    def __init__(self, walk: Walk, op: Operation, kind: str) -> None:
        self.walk, self.op = walk, op
        self.hidden = op.integer("hidden_size", 0)
        rows = GATES[kind] * self.hidden
        self.inner, self.recurrent = (_of_one_direction(op.parameter(i)) for i in (1, 2))
        bias = _of_one_direction(op.parameter(3)) if op.given(3) else np.zeros(2 * rows)
        if len(self.inner) != rows or self.recurrent.shape != (rows, self.hidden):
            raise RefusalError("its weights do not fit hidden_size", "export it again")
        self.inner_bias, self.recurrent_bias = np.split(bias, 2)
        self.functions = op.texts("activations") or FUNCTIONS[kind]
        if not set(self.functions) <= {"Tanh", "Sigmoid", "Relu"}:
            raise RefusalError(
                f"has the functions {', '.join(self.functions)}", "use Tanh, Sigmoid and Relu"
            )
        self.states = [self.state(index) for index in STATES[kind]]

    def rnn(self, x: Activation) -> tuple[Activation, ...]:
        """``h' = f(W x + U h + b)``."""
        return (self.close(0, self.function(0, "h", self.drive(0, x))),)

    def gru(self, x: Activation) -> tuple[Activation, ...]:
        """``h' = (1 - z) n + z h``; the reset gate comes before or behind a linear map."""
        (h,) = self.states
        z, r = (self.function(0, name, self.drive(gate, x)) for gate, name in enumerate("zr"))
        if self.op.integer("linear_before_reset", 0):
            inner = self.times("reset", r, self.linear(2, h, "recurrent"))
        else:
            inner = self.linear(2, self.times("reset", r, h), "recurrent")
        n = self.function(1, "n", self.total("n.sum", self.linear(2, x, "inner"), inner))
        rest = self.emit(Affine, "rest", z, scale=-np.ones(1), shift=np.ones(1))
        new, kept = self.times("new", rest, n), self.times("kept", z, h)
        return (self.close(0, self.total("h", new, kept)),)

    def lstm(self, x: Activation) -> tuple[Activation, ...]:
        """``c' = f c + i g``, ``h' = o tanh(c')``."""
        if self.op.integer("input_forget", 0):
            raise RefusalError("couples its gates", "train the network with input_forget=0")
        i, o, f = (self.function(0, name, self.drive(gate, x)) for gate, name in enumerate("iof"))
        g = self.function(1, "g", self.drive(3, x))
        c = self.total("c", self.times("kept", f, self.states[1]), self.times("new", i, g))
        h = self.times("h", o, self.function(2, "seen", c))
        return self.close(0, h), self.close(1, c)

    # -- parts -----------------------------------------------------------------------------

    def state(self, index: int) -> Activation:
        initial: Array = np.zeros(self.hidden)
        if self.op.given(index):
            given = self.op.either(index)
            initial = initial_state(Constant(_states(given.value), _states(given.other)))
        name = self.op.part("before" if index == 5 else "cell")
        type = TensorType((self.hidden,))
        return self.walk.emit((Previous(name=name, source=name, type=type, initial=initial),))

    def close(self, index: int, after: Activation) -> Activation:
        """Let a state carry a value."""
        state = self.states[index].node
        assert isinstance(state, Previous)
        self.walk.nodes[state.name] = replace(state, source=after.name)
        return after

    def drive(self, gate: int, x: Activation) -> Activation:
        parts = self.linear(gate, x, "inner"), self.linear(gate, self.states[0], "recurrent")
        return self.total(f"gate{gate}", *parts)

    def linear(
        self, gate: int, source: Activation, which: Literal["inner", "recurrent"]
    ) -> Activation:
        rows = slice(gate * self.hidden, (gate + 1) * self.hidden)
        inner = which == "inner"
        weight = self.inner if inner else self.recurrent
        bias = self.inner_bias if inner else self.recurrent_bias
        name = f"{which}{gate}"
        return self.emit(Linear, name, source, weight=weight[rows], bias=bias[rows])

    def function(self, index: int, name: str, source: Activation) -> Activation:
        function = self.functions[index].lower()
        if function == "relu":
            return self.emit(Clip, name, source)
        return self.emit(Curve, name, source, function=function)

    def times(self, name: str, left: Activation, right: Activation) -> Activation:
        return self.emit(Product, name, left, right)

    def total(self, name: str, *parts: Activation) -> Activation:
        return self.emit(Add, name, *parts)

    def emit(self, kind: type[Node], name: str, *sources: Activation, **fields: Any) -> Activation:
        inputs = tuple(source.name for source in sources)
        return self.walk.emit((kind(name=self.op.part(name), inputs=inputs, **fields),))


def _of_one_direction(parameter: Array) -> Array:
    if parameter.shape[0] != 1:
        raise RefusalError("has two directions", "train it forward")
    return np.asarray(parameter[0])


def _states(initial: Array) -> Array:
    """Return the states of each sample, without the axis of directions; layout 0."""
    return initial.reshape(-1, initial.shape[-1])


# Operators that take the axis of directions away


def squeeze(op: Operation, source: Directed) -> Value:
    """Convert ``Squeeze`` of the axis of directions."""
    if op.axes(1, "axes") != (source.axis,):
        raise RefusalError("takes other axes away than that of directions", _SQUEEZE)
    return source.value


def gather(op: Operation, source: Directed) -> Value:
    """Convert ``Gather`` of the only direction."""
    index = op.constant(1)
    if op.integer("axis", 0) != source.axis or index.ndim or int(index) not in (0, -1):
        raise RefusalError("takes apart what a recurrent layer computes", _SQUEEZE)
    return source.value


def identity(op: Operation, source: Directed) -> Value:
    """Convert ``Identity``."""
    return source


_SQUEEZE = "take the axis of directions away with Squeeze, then the last element"

VIEWS: dict[str, Callable[[Operation, Directed], Value]] = {
    "Gather": gather,
    "Identity": identity,
    "Squeeze": squeeze,
}
"""What reads the output of a recurrent operator."""
