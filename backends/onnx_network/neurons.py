"""The one neuron (``ir.IF``): what ``ir.reference_neurons`` computes, in ONNX."""

from __future__ import annotations

from ...ir import IF, Array, Population
from .number import Number, exact, largest_state
from .step import StepWriter, write
from .value import Value, total


def arithmetic(node: Population, to: StepWriter) -> Number:
    """Return the type of a population's membrane, and of all it computes with."""
    if to.real:
        return Number.DOUBLE
    return exact(largest_state(to.graph, node, to.steps))


def charged(membrane: Value, bias: Array, to: StepWriter, inputs: list[Value]) -> Value:
    """Return a membrane, or a sum, with the currents of a step and the bias added.

    Real numbers are added in the order of the reference. Of integers the order does not matter:
    the bias goes to the currents, where ONNX Runtime makes it part of the convolution.
    """
    current = total(inputs, membrane.number)
    if not bias.any():
        return membrane + current
    return membrane + current + bias if to.real else membrane + (current + bias)


@write.register
def _(node: IF, to: StepWriter, inputs: list[Value]) -> Value:
    number = arithmetic(node, to)
    membrane = to.state(node, "v", node.initial, number)
    v = charged(membrane.now, node.bias, to, inputs)
    if node.clamp is not None:
        v = v.clip(-node.clamp, node.clamp)
    if node.reset == "zero":
        fires = v >= node.threshold
        membrane.next = fires.where(v.like(0), v)
        return fires.cast(number)
    event = _counted(node, v) if node.select == "count" else _power(node, v)
    event = _bounded(node, to, event)
    membrane.next = v - event * node.threshold
    return event


def _counted(node: IF, v: Value) -> Value:
    """Return how many thresholds a membrane holds, as many as an event may carry."""
    if node.max_positive == 1 and node.max_negative <= 1:
        up = (v >= node.threshold).cast(v.number)
        if not node.max_negative:
            return up
        down = v <= -node.threshold if node.deadband else v < 0
        return up - down.cast(v.number)
    if not node.deadband:
        return whole(v, node.threshold, -node.max_negative, node.max_positive)
    if v.number.is_float:
        units = (v.magnitude() / node.threshold).floor() * v.sign()
    else:
        units = v / node.threshold
    return units.clip(-node.max_negative, node.max_positive)


def whole(v: Value, threshold: Array | Value, low: int, high: int) -> Value:
    """Return a quotient rounded down, within bounds.

    ONNX cuts the fraction of integers off; they are lifted above 0 first, so that this is the same.
    """
    if v.number.is_float:
        return (v / threshold).floor().clip(low, high)
    lifted = (v - v.like(threshold) * low if low else v).at_least(0)
    units = (lifted / threshold).at_most(high - low)
    return units + low if low else units


def power(v: Value, threshold: Array, most: int, rule: str) -> Value:
    """Return the signed power of two that a multi-threshold neuron sends, or 0."""
    chosen, level = v.like(0), 1
    while level <= most:
        if rule == "nearest":
            reached = v.magnitude() * 4 >= 3 * level * threshold
        else:
            edge = (2 * level - 1) * threshold
            reached = (v * 2 >= edge) | (v * 2 < -edge)
        chosen = reached.where(v.like(level), chosen)
        level *= 2
    return chosen * v.sign()


def _power(node: IF, v: Value) -> Value:
    event = power(v, node.threshold, node.max_positive, node.select)
    if node.max_negative >= node.max_positive:
        return event
    return (event < -node.max_negative).where(event.like(0), event)


def _bounded(node: IF, to: StepWriter, event: Value) -> Value:
    """Keep the units sent within their bounds, where an event could leave them."""
    low = node.acc_min if node.max_negative else None
    if low is None and node.acc_max is None:
        return event
    sent = to.state(node, "acc", 0, event.number)
    if node.select == "count":
        if low is not None:
            event = event.at_least(event.like(low) - sent.now)
        if node.acc_max is not None:
            event = event.at_most(event.like(node.acc_max) - sent.now)
        sent.next = sent.now + event
        return event
    after = sent.now + event
    for beyond in (
        after < low if low is not None else None,
        after > node.acc_max if node.acc_max is not None else None,
    ):
        event = beyond.where(event.like(0), event) if beyond else event
    sent.next = sent.now + event
    return event
