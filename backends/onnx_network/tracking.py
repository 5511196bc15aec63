"""Neurons that send what is missing to a quantised value (``ir.TrackingIF``), in ONNX."""

from __future__ import annotations

import numpy as np

from ...ir import TrackingIF
from ...ir.bounds import drive_bounds
from .number import Number, in_integers
from .scheduled import at_step, digit_worths
from .step import StepWriter, write
from .value import Value


@write.register
def _(node: TrackingIF, to: StepWriter, inputs: list[Value]) -> Value:
    number = _arithmetic(node, to)
    drive = to.state(node, "drive", node.bias, number)
    received = drive.now
    for multiplier, current in zip(node.multiplier, inputs, strict=True):
        received = received + current.cast(number) * multiplier
    drive.next = received
    if node.digits:
        return _digit(node, to, received)
    sent = to.state(node, "acc", 0, number)
    missing = quantized(node, received) - sent.now
    event = missing.clip(-node.max_negative, node.max_positive)
    sent.next = sent.now + event
    left = (missing - event).magnitude()
    axes = list(range(1, 1 + len(to.graph.types[node.name].shape)))
    to.waiting[node.name] = left.then("ReduceMax", axes=axes, keepdims=0)
    return event


def _arithmetic(node: TrackingIF, to: StepWriter) -> Number:
    """Return the type that holds drives, and what rounding computes with."""
    drive = max(int(abs(end).max()) for end in drive_bounds(to.graph, node))
    reach = max(abs(node.low), abs(node.high)) + 2
    return in_integers(2 * (drive + reach * int(node.threshold.max())))


def _digit(node: TrackingIF, to: StepWriter, drive: Value) -> Value:
    value = to.state(node, "value", 0, drive.number)
    first = to.t.equals(node.start)
    value.next = first.where(quantized(node, drive), value.now)
    worth, divisor = digit_worths(node.base, node.digits, node.start)
    digit = (value.next.magnitude() / at_step(to, divisor)).modulo(node.base)
    return digit * value.next.sign() * at_step(to, worth)


def quantized(node: TrackingIF, drive: Value) -> Value:
    """Return the quantised value of a drive; see ``ir.quantized.quantized``.

    Drives below ``low - 1`` thresholds give ``low`` whatever they are: what is left is lifted above
    0, where cutting off and rounding down are the same.
    """
    if node.edges is not None:
        return _edges_reached(node, drive)
    theta, least = node.threshold.astype(np.int64), node.low - 1
    lifted = (drive - least * theta).at_least(0)
    whole = lifted / theta
    if node.rounding != "floor":
        twice = (lifted - whole * theta) * 2
        up = twice >= theta
        if node.rounding == "half_even":
            odd = (whole + least % 2).modulo(2).equals(1)
            up = (twice > theta) | (twice.equals(theta) & odd)
        whole = whole + up.cast(whole.number)
    return (whole + least).clip(node.low, node.high)


def _edges_reached(node: TrackingIF, drive: Value) -> Value:
    """Return ``low`` and one for each edge that a drive has reached, by bisection."""
    assert node.edges is not None
    size = 1 << len(node.edges).bit_length()
    ends = np.full(size - len(node.edges), np.iinfo(np.int64).max)
    drive = drive.cast(Number.INT64)
    edges = drive.scope.constant(np.concatenate([node.edges, ends]), Number.INT64)
    reached = drive.like(0)
    step = size // 2
    while step:
        here = reached + step
        reached = (drive >= edges.gather(here - 1, axis=0)).where(here, reached)
        step //= 2
    return reached + node.low
