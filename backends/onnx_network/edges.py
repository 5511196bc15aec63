"""What stands between neurons: encoders and readouts, synapses, pools, products, views."""

from __future__ import annotations

from math import prod

import numpy as np

from ...ir import (
    Array,
    Concat,
    Conv,
    Encoder,
    Gather,
    Graph,
    Integrator,
    Linear,
    MaxPool,
    Product,
    Rearrange,
    Reshape,
)
from ...ir.bounds import value_bounds
from .neurons import charged
from .number import Number, exact, in_floats, largest_state, of_edge, of_synapse, stored
from .step import StepWriter, write
from .value import Value, total


@write.register
def _(node: Encoder, to: StepWriter, inputs: list[Value]) -> Value:
    (x,) = inputs
    if node.gain is not None:
        x = x.cast(Number.DOUBLE) * node.gain
    if node.shift is not None:
        x = x.cast(Number.DOUBLE) + node.shift
    if node.scale is None:
        return x.cast(Number.DOUBLE)
    if node.bounds is None:
        levels = (x.cast(Number.DOUBLE) / node.scale).then("Round").clip(-node.limit, node.limit)
    else:
        units = x.cast(Number.FLOAT) / np.float32(node.scale)
        whole = units.then("Floor" if node.rounding == "floor" else "Round")
        levels = (whole + node.offset if node.offset else whole).clip(*node.bounds)
    return levels.cast(of_edge(to.graph, node.name))


@write.register
def _(node: Integrator, to: StepWriter, inputs: list[Value]) -> Value:
    number = Number.DOUBLE
    if not to.real and node.decoding != "harmonic":
        number = exact(largest_state(to.graph, node, to.steps))
    each = node.decoding == "mean"
    sum_ = to.state(node, "sum", 0 if each else node.bias, number)
    if node.decoding == "harmonic":
        now = sum_.now + total(inputs, number) / to.t.cast(number)
    else:
        now = charged(sum_.now, node.bias if each else np.zeros(1), to, inputs)
    if node.clamp is not None:
        now = now.clip(-node.clamp, node.clamp)
    counts = to.t >= node.start if node.start > 1 and node.decoding != "harmonic" else None
    sum_.next = counts.where(now, sum_.now) if counts else now
    decoded = sum_.next.cast(Number.DOUBLE) * node.scale
    if each:
        steps = (to.t - (node.start - 1)).at_least(1) if node.start > 1 else to.t
        decoded = decoded / steps.cast(Number.DOUBLE)
    return counts.where(decoded, 0) if counts else decoded


@write.register
def _(node: Linear, to: StepWriter, inputs: list[Value]) -> Value:
    number = of_synapse(to.graph, node)
    return inputs[0].cast(number).then("Gemm", _weight(node, to, number), transB=1)


@write.register
def _(node: Conv, to: StepWriter, inputs: list[Value]) -> Value:
    number = of_synapse(to.graph, node)
    weight = _weight(node, to, number)
    if number is Number.DOUBLE:
        return _in_double(node, to.graph, inputs[0].cast(number), weight)
    return (
        inputs[0]
        .cast(number)
        .then(
            "Conv",
            weight,
            kernel_shape=node.weight.shape[2:],
            strides=node.stride,
            pads=node.padding,
            dilations=node.dilation,
            group=node.groups,
        )
    )


def _weight(node: Conv | Linear, to: StepWriter, number: Number) -> Value:
    """Return weights; integers are stored as such, and ONNX Runtime casts them once."""
    weight = node.weight if node.copies == 1 else node.weight.astype(np.int64) * node.copies
    if weight.dtype.kind == "f":
        return to.scope.constant(weight, number)
    return to.scope.constant(weight, stored(weight)).cast(number)


def _in_double(node: Conv, graph: Graph, x: Value, weight: Value) -> Value:
    """Write a convolution as a matrix product: ONNX Runtime has none in float64."""
    channels, height, width = graph.types[node.inputs[0]].shape
    out, per_group, *kernel = node.weight.shape
    _, rows, columns = graph.types[node.name].shape
    top, left, bottom, right = node.padding
    if any(node.padding):
        x = x.pad([0, 0, top, left], [0, 0, bottom, right])
    grid = np.arange((height + top + bottom) * (width + left + right))
    grid = grid.reshape(height + top + bottom, width + left + right)
    row = _taps(kernel[0], node.dilation[0], rows, node.stride[0])
    column = _taps(kernel[1], node.dilation[1], columns, node.stride[1])
    places = grid[row[:, None, :, None], column[None, :, None, :]]
    taps = per_group * prod(kernel)
    windows = x.reshape(0, channels, grid.size).gather(places.reshape(-1), axis=2)
    windows = windows.reshape(0, node.groups, taps, rows * columns)
    by_group = weight.reshape(node.groups, out // node.groups, taps)
    return by_group.then("MatMul", windows).reshape(0, out, rows, columns)


def _taps(kernel: int, dilation: int, out: int, stride: int) -> Array:
    """Return where each element of a window reads along an axis, ``(kernel, out)``."""
    return dilation * np.arange(kernel)[:, None] + stride * np.arange(out)


@write.register
def _(node: MaxPool, to: StepWriter, inputs: list[Value]) -> Value:
    type = to.graph.types[node.inputs[0]]
    number = Number.DOUBLE if type.payload is None else in_floats(_largest_total(node, to))
    received = to.state(node, "received", 0, number, type.shape)
    received.next = received.now + inputs[0]
    # Nothing was received before the first step, and the maximum counts from 0.
    maximum = to.state(node, "maximum", 0, number)
    maximum.next = received.next.then(
        "MaxPool",
        kernel_shape=node.kernel,
        strides=node.stride,
        pads=node.padding,
        dilations=node.dilation,
    )
    return maximum.next - maximum.now


def _largest_total(node: MaxPool, to: StepWriter) -> int:
    try:
        return max(map(abs, value_bounds(to.graph, node.inputs[0])))
    except ValueError:  # it may send any sum of payloads
        payload = to.graph.types[node.inputs[0]].payload or (0, 0)
        return to.steps * max(map(abs, payload))


@write.register
def _(node: Product, to: StepWriter, inputs: list[Value]) -> Value:
    number = Number.DOUBLE if to.real else Number.INT64
    factors = [to.state(node, side, 0, number) for side in ("x", "y")]
    for factor, payloads in zip(factors, inputs, strict=True):
        factor.next = factor.now + payloads
    product = to.state(node, "product", 0, number)
    product.next = factors[0].next * factors[1].next
    return product.next - product.now


@write.register
def _(node: Reshape, to: StepWriter, inputs: list[Value]) -> Value:
    return inputs[0].reshape(0, *node.shape)


@write.register
def _(node: Rearrange, to: StepWriter, inputs: list[Value]) -> Value:
    order = [0, *(1 + axis for axis in node.order)]
    return inputs[0].reshape(0, *node.split).then("Transpose", perm=order).reshape(0, *node.shape)


@write.register
def _(node: Gather, to: StepWriter, inputs: list[Value]) -> Value:
    shape = to.graph.types[node.inputs[0]].shape
    x, places = inputs[0], node.places
    if node.blanks:  # they read a zero put behind the last place
        behind = [0] * (1 + len(shape))
        behind[1 + node.axis] = 1
        x = x.pad([0] * (1 + len(shape)), behind)
        places = np.where(places < 0, shape[node.axis], places)
    return x.gather(places, axis=1 + node.axis)


@write.register
def _(node: Concat, to: StepWriter, inputs: list[Value]) -> Value:
    first, *rest = (x.cast(of_edge(to.graph, node.name)) for x in inputs)
    return first.then("Concat", *rest, axis=1)
