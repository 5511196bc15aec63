"""What each node computes, written once and slowly: the semantics every backend must match.

Real nodes are computed in float64. Spiking nodes with integer parameters are computed in
int64, others in float64. All arrays have a leading batch axis. Within one time step the
nodes are visited in order, so one step crosses the whole depth of the network.

Operators are here, neurons in ``reference_neurons``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from itertools import product
from math import erf

import numpy as np

from .graph import Graph
from .neurons import Population
from .node import Node
from .ops import (
    Add,
    Affine,
    AveragePool,
    Clip,
    Conv,
    Curve,
    Input,
    Linear,
    MaxPool,
    Product,
    Staircase,
)
from .quantized import Previous
from .recurrence import Feedback
from .scheduled import latency
from .shapes import Padding, Pair
from .types import Array, Signal, is_integer
from .views import Concat, Gather, Rearrange, Reshape

BEFORE_ROUNDING: Mapping[str, Callable[[Array, float], Array]] = {
    "identity": lambda x, slope: np.asarray(x),
    "tanh": lambda x, slope: np.tanh(x),
    "sigmoid": lambda x, slope: np.asarray(0.5 + 0.5 * np.tanh(0.5 * x)),
    "leaky_relu": lambda x, slope: np.where(x < 0, slope * x, x),
    "elu": lambda x, alpha: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x),
    "erf": lambda x, slope: np.vectorize(erf, otypes=[np.float64])(x),
    "softplus": lambda x, slope: np.logaddexp(0, x),
    "softsign": lambda x, slope: np.asarray(x / (1 + np.abs(x))),
}
"""What a ``Curve`` computes and a ``Staircase`` rounds, from its input and its slope."""

State = dict[str, Array]
"""What a node keeps from one time step to the next; empty when a sample begins."""


@dataclass(frozen=True)
class Trace:
    """Everything a spiking graph did.

    Attributes:
        outputs: For each output name, the decoded output after each step,
            ``(steps, batch, *shape)``, float64.
        spikes: For each node that sends events, its payloads, ``(steps, batch, *shape)``.
    """

    outputs: Mapping[str, Array]
    spikes: Mapping[str, Array]


def evaluate(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Compute an ANN graph, real or quantised.

    Args:
        graph: A graph of real and integer signals.
        inputs: For each input's name, a batch ``(batch, *shape)``, of a sequence
            ``(batch, elements, *shape)``.

    Returns:
        For each node's name, its value ``(batch, *shape)``, float64 or int64; of a sequence,
        that of the last element.
    """
    values: dict[str, Array] = {}
    for element in elements(graph, inputs):
        before, values = values, {}
        for node in graph:
            if isinstance(node, Input):
                values[node.name] = element[node.name]
            elif isinstance(node, Previous):
                values[node.name] = carried(node, before.get(node.source), batch_size(element))
            else:
                arguments = [values[name] for name in node.inputs]
                values[node.name] = step(node, arguments, {}, 1)
    return values


def run(graph: Graph, inputs: Mapping[str, Array], timesteps: int) -> Trace:
    """Run a spiking graph from rest on inputs that are constant, or given for every step.

    Args:
        graph: A graph with encoders, populations and integrators.
        inputs: For each input's name, a batch ``(batch, *shape)`` in ANN units, of a sequence
            ``(batch, elements, *shape)``, of a stepwise input ``(batch, timesteps, *shape)``.
        timesteps: Number of time steps; of a sequence, for each element.

    Returns:
        The decoded outputs after every step, and all payloads. Where neurons wait or rehearse
        the run has ``latency(graph)`` steps more. Of a sequence the outputs are those of the
        last element, and payloads are those of all elements, one behind the other.
    """
    outputs: dict[str, list[Array]] = {}
    spikes: dict[str, list[Array]] = {node.name: [] for node in spiking_nodes(graph)}
    sent: dict[str, Array] = {}
    for element in elements(graph, inputs):
        outputs = {key: [] for key in graph.outputs}
        states: dict[str, State] = {node.name: {} for node in graph}
        before, sent = sent, dict.fromkeys(graph.carried.values(), np.zeros((), np.int64))
        values: dict[str, Array] = {}
        for t in range(1, timesteps + latency(graph) + 1):
            last, values = values, {}
            for node in graph:
                if isinstance(node, Input):
                    values[node.name] = at_step(node, element[node.name], t)
                elif isinstance(node, Feedback):
                    values[node.name] = brought_back(node, last, batch_size(element))
                elif isinstance(node, Previous):
                    value = carried(node, before.get(node.source), batch_size(element))
                    values[node.name] = value if t == 1 else np.zeros_like(value)
                else:
                    arguments = [values[name] for name in node.inputs]
                    values[node.name] = step(node, arguments, states[node.name], t)
            for key, name in graph.outputs.items():
                outputs[key].append(values[name])
            for name, payloads in spikes.items():
                payloads.append(values[name])
            for name in sent:
                sent[name] = sent[name] + values[name]
    return Trace(
        {key: np.stack(values) for key, values in outputs.items()},
        {name: np.stack(values) for name, values in spikes.items()},
    )


def elements(graph: Graph, inputs: Mapping[str, Array]) -> list[dict[str, Array]]:
    """Return the inputs of each element of a sequence in turn; of no sequence, the inputs.

    An input that is no sequence is the same at every element.

    Returns:
        For each element, for each input's name, ``(batch, *shape)``, float64.
    """
    arrays = {n.name: np.asarray(inputs[n.name], np.float64) for n in graph.of_type(Input)}
    running = [node.name for node in graph.of_type(Input) if node.sequence is not None]
    count = arrays[running[0]].shape[1] if running else 1
    return [
        {name: x[:, index] if name in running else x for name, x in arrays.items()}
        for index in range(count)
    ]


def at_step(node: Input, x: Array, t: int) -> Array:
    """Return what an input has at a step: 0 beyond the steps that are given."""
    if not node.stepwise:
        return x
    return x[:, t - 1] if t <= x.shape[1] else np.zeros_like(x[:, 0])


def brought_back(node: Feedback, last: Mapping[str, Array], batch: int) -> Array:
    """Return what another node had at the step before, ``(batch, *shape)``."""
    if node.source in last:
        return last[node.source]
    analog = node.type.signal is Signal.SPIKES and node.type.payload is None
    return np.zeros((batch, *node.type.shape), np.float64 if analog else np.int64)


def carried(node: Previous, before: Array | None, batch: int) -> Array:
    """Return the value that a node carries into an element, ``(batch, *shape)``."""
    if before is not None:
        return before
    number = np.float64 if node.type.signal is Signal.REAL else np.int64
    return np.broadcast_to(node.initial.astype(number), (batch, *node.type.shape))


def batch_size(inputs: Mapping[str, Array]) -> int:
    """Return the number of samples."""
    return len(next(iter(inputs.values())))


def spiking_nodes(graph: Graph) -> tuple[Node, ...]:
    """Return the nodes that send events of their own: populations and max pools of spikes.

    Encoders are not among them (what they send is the input), nor views of other nodes.
    """
    return tuple(
        node
        for node in graph
        if isinstance(node, Population)
        or (isinstance(node, MaxPool) and graph.types[node.name].signal is Signal.SPIKES)
    )


@singledispatch
def step(node: Node, inputs: list[Array], state: State, t: int) -> Array:
    """Advance one node by one time step.

    Args:
        node: The node.
        inputs: The values of the nodes it reads, each ``(batch, *shape)``.
        state: What the node remembers; updated in place.
        t: The number of this time step, counted from 1.

    Returns:
        The node's value at this step, ``(batch, *shape)``.
    """
    raise NotImplementedError(type(node).__name__)


def working(x: Array, parameter: Array) -> Array:
    """Return ``x`` in the arithmetic of a node: int64 beside integer parameters, else float64."""
    return np.asarray(x, np.int64 if is_integer(parameter) else np.float64)


@step.register
def _(node: Conv, inputs: list[Array], state: State, t: int) -> Array:
    weight = working(node.weight, node.weight)
    x = padded(working(inputs[0], weight), node.padding)
    kernel = (weight.shape[2], weight.shape[3])
    groups = np.split(weight, node.groups)
    out = []
    for part, filters in zip(np.split(x, node.groups, axis=1), groups, strict=True):
        taps = window_taps(part, kernel, node.stride, node.dilation)
        out.append(
            sum(
                np.einsum("nchw,oc->nohw", tap, filters[:, :, i, j], optimize=False)
                for (i, j), tap in taps
            )
        )
    y: Array = np.concatenate(out, axis=1) * node.copies
    return y if node.bias is None else y + node.bias[:, None, None]


@step.register
def _(node: Linear, inputs: list[Array], state: State, t: int) -> Array:
    weight = working(node.weight, node.weight)
    y: Array = working(inputs[0], weight) @ weight.T * node.copies
    return y if node.bias is None else y + node.bias


@step.register
def _(node: AveragePool, inputs: list[Array], state: State, t: int) -> Array:
    total = _window_sum(inputs[0], node)
    if node.count_include_pad:
        return total / (node.kernel[0] * node.kernel[1])
    return total / _window_sum(np.ones_like(inputs[0]), node)


@step.register
def _(node: MaxPool, inputs: list[Array], state: State, t: int) -> Array:
    x = inputs[0]
    if "received" not in state:
        state["received"] = np.zeros_like(x)
        state["maximum"] = np.zeros((), x.dtype)
    state["received"] = state["received"] + x
    fill = np.iinfo(x.dtype).min if is_integer(x) else -np.inf
    grid = padded(state["received"], node.padding, fill)
    taps = window_taps(grid, node.kernel, node.stride, node.dilation)
    before, state["maximum"] = state["maximum"], np.max([tap for _, tap in taps], axis=0)
    return np.asarray(state["maximum"] - before)


@step.register
def _(node: Reshape, inputs: list[Array], state: State, t: int) -> Array:
    return inputs[0].reshape(len(inputs[0]), *node.shape)


@step.register
def _(node: Rearrange, inputs: list[Array], state: State, t: int) -> Array:
    return node.moved(inputs[0])


@step.register
def _(node: Gather, inputs: list[Array], state: State, t: int) -> Array:
    return node.moved(inputs[0])


@step.register
def _(node: Concat, inputs: list[Array], state: State, t: int) -> Array:
    return np.concatenate(inputs, axis=1)


@step.register
def _(node: Affine, inputs: list[Array], state: State, t: int) -> Array:
    return np.asarray(node.scale * inputs[0] + node.shift)


@step.register
def _(node: Add, inputs: list[Array], state: State, t: int) -> Array:
    return np.asarray(sum(inputs[1:], inputs[0]))


@step.register
def _(node: Product, inputs: list[Array], state: State, t: int) -> Array:
    before = state.get("product", 0)
    left, right = (state.get(side, 0) + x for side, x in zip(("x", "y"), inputs, strict=True))
    state["x"], state["y"], state["product"] = left, right, np.asarray(left * right)
    return np.asarray(state["product"] - before)


@step.register
def _(node: Clip, inputs: list[Array], state: State, t: int) -> Array:
    return np.clip(inputs[0], node.low, node.high)


@step.register
def _(node: Curve, inputs: list[Array], state: State, t: int) -> Array:
    return BEFORE_ROUNDING[node.function](inputs[0], node.alpha)


@step.register
def _(node: Staircase, inputs: list[Array], state: State, t: int) -> Array:
    levels = BEFORE_ROUNDING[node.function](inputs[0], node.slope) / node.step + node.offset
    whole = np.floor(levels) if node.rounding == "floor" else np.rint(levels)
    low = -np.inf if node.low is None else node.low
    high = np.inf if node.high is None else node.high
    return np.asarray(node.step * np.clip(whole, low, high))


def units(v: Array, threshold: Array, deadband: int) -> Array:
    """Return how many thresholds a membrane holds, int64.

    Args:
        v: Membranes.
        threshold: Thresholds, broadcastable to ``v``.
        deadband: 0 rounds down, so any negative membrane holds -1 or less; 1 rounds towards
            zero, so -1 needs a membrane of minus one threshold.
    """
    if not is_integer(threshold):
        whole = np.floor(v / threshold) if deadband == 0 else np.trunc(v / threshold)
        return whole.astype(np.int64)
    theta = threshold.astype(np.int64)
    if deadband == 0:
        return np.asarray(v // theta)
    return np.asarray(np.sign(v) * (np.abs(v) // theta))


def padded(x: Array, padding: Padding, fill: float = 0) -> Array:
    """Return a batch of images with a border."""
    top, left, bottom, right = padding
    width = ((0, 0), (0, 0), (top, bottom), (left, right))
    return np.pad(x, width, constant_values=fill)


def window_taps(
    x: Array, kernel: Pair, stride: Pair, dilation: Pair
) -> list[tuple[tuple[int, int], Array]]:
    """Return, for each element of a window, the values it meets at all window positions.

    Args:
        x: A padded batch of images, ``(batch, channels, height, width)``.
        kernel: Height and width of the window.
        stride: Step of the window.
        dilation: Distance of window elements.

    Returns:
        Pairs of the element's index in the window and ``(batch, channels, out_h, out_w)``.
    """
    size = [
        (x.shape[2 + axis] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    ]
    taps = []
    for i, j in product(range(kernel[0]), range(kernel[1])):
        rows = slice(i * dilation[0], i * dilation[0] + (size[0] - 1) * stride[0] + 1, stride[0])
        columns = slice(j * dilation[1], j * dilation[1] + (size[1] - 1) * stride[1] + 1, stride[1])
        taps.append(((i, j), x[:, :, rows, columns]))
    return taps


def _window_sum(x: Array, node: AveragePool) -> Array:
    taps = window_taps(padded(x, node.padding), node.kernel, node.stride, (1, 1))
    return np.asarray(sum(tap for _, tap in taps))


from . import reference_leaky, reference_neurons  # noqa: E402, F401 (register what neurons compute)
