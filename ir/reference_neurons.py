"""What encoders, neurons and readouts compute: the other half of ``reference``."""

from __future__ import annotations

import numpy as np

from .neurons import IF, Encoder, Integrator
from .quantized import Dequantize, Quantize, Requantize, TrackingIF, drive, quantized
from .reference import State, step, units, working
from .scheduled import DifferentialIF, RadixIF, TwoPhaseIF
from .types import Array, is_integer

ROUNDING = 1e-9
"""Slack of the guard of ``DifferentialIF``: its sums of multiples of 1/t are rounded."""


@step.register
def _(node: Encoder, inputs: list[Array], state: State, t: int) -> Array:
    x = _normalised(node, inputs[0])
    if node.scale is not None and node.bounds:
        x = _in_steps(node, x, node.scale, *node.bounds)
    elif node.scale is not None:
        whole = np.clip(np.rint(x / node.scale), -node.limit, node.limit)
        x = np.asarray(whole, np.int64)
    return np.zeros_like(x) if node.once and t > 1 else x


def _normalised(node: Encoder | Quantize, x: Array) -> Array:
    """Return ``gain * x + shift``, float64 where there is either."""
    scaled = x if node.gain is None else x * node.gain.astype(np.float64)
    return scaled if node.shift is None else scaled + node.shift.astype(np.float64)


def _in_steps(node: Encoder | Quantize, x: Array, scale: float, low: int, high: int) -> Array:
    """Return ``clip(round(x / scale) + offset, low, high)`` as ONNX computes it, int64."""
    units = np.asarray(x, np.float32) / np.float32(scale)
    whole = np.floor(units) if node.rounding == "floor" else np.rint(units)
    return np.asarray(np.clip(whole + node.offset, low, high), np.int64)


@step.register
def _(node: Quantize, inputs: list[Array], state: State, t: int) -> Array:
    return _in_steps(node, _normalised(node, inputs[0]), node.scale, node.low, node.high)


@step.register
def _(node: Requantize, inputs: list[Array], state: State, t: int) -> Array:
    return quantized(node, drive(node, inputs))


@step.register
def _(node: Dequantize, inputs: list[Array], state: State, t: int) -> Array:
    return np.asarray((sum(inputs[1:], inputs[0]) + node.bias) * node.scale)


@step.register
def _(node: TrackingIF, inputs: list[Array], state: State, t: int) -> Array:
    sums = [state.get(f"sum {index}", 0) + current for index, current in enumerate(inputs)]
    state.update({f"sum {index}": total for index, total in enumerate(sums)})
    acc = state.get("acc", np.zeros(inputs[0].shape, np.int64))
    if node.digits:
        event = _digit(node, sums, state, t)
    else:
        missing = quantized(node, drive(node, sums)) - acc
        event = np.clip(missing, -node.max_negative, node.max_positive)
    state["acc"] = acc + event
    return np.asarray(event)


def _digit(node: TrackingIF, sums: list[Array], state: State, t: int) -> Array:
    """Return the digit of this step; the value is fixed at the first of them."""
    place = t - node.start
    if not 0 <= place < node.digits:
        return np.zeros(sums[0].shape, np.int64)
    if place == 0:
        state["value"] = quantized(node, drive(node, sums))
    worth = node.base ** (node.digits - 1 - place)
    value = state["value"]
    return np.asarray(np.sign(value) * (np.abs(value) // worth % node.base) * worth)


@step.register
def _(node: IF, inputs: list[Array], state: State, t: int) -> Array:
    current = sum(inputs[1:], inputs[0])
    if "v" not in state:
        state["v"] = _at_start(node.initial, node.threshold, current)
        state["acc"] = np.zeros(current.shape, np.int64)
    v = state["v"] + current + node.bias
    if node.clamp is not None:
        v = np.clip(v, -node.clamp, node.clamp)
    if node.select == "count":
        event = _counted(node, v, state["acc"])
    else:
        event = power(v, node.threshold, node.max_positive, node.select)
        event = np.where(event < -node.max_negative, 0, event)
        low = -np.inf if node.acc_min is None else node.acc_min
        high = np.inf if node.acc_max is None else node.acc_max
        sum_after = state["acc"] + event
        event = np.where((sum_after < low) | (sum_after > high), 0, event)
    if node.reset == "zero":
        state["v"] = np.where(event == 0, v, 0)
    else:
        state["v"] = v - event * working(node.threshold, node.threshold)
    state["acc"] = state["acc"] + event
    return np.asarray(event)


def _counted(node: IF, v: Array, acc: Array) -> Array:
    event = np.clip(units(v, node.threshold, node.deadband), -node.max_negative, node.max_positive)
    if node.acc_min is not None:
        event = np.maximum(event, node.acc_min - acc)
    if node.acc_max is not None:
        event = np.minimum(event, node.acc_max - acc)
    return event


@step.register
def _(node: RadixIF, inputs: list[Array], state: State, t: int) -> Array:
    current = sum(inputs[1:], inputs[0])
    if "v" not in state:
        start = working(node.initial, node.threshold) + node.bias
        state["v"] = _at_start(start, node.threshold, current)
    v = state["v"] + current
    digit = t - node.start
    event = np.zeros(current.shape, np.int64)
    if 0 <= digit < node.digits:
        weight = node.base ** (node.digits - 1 - digit)
        event = np.clip(units(v, node.threshold * weight, 0), 0, node.base - 1) * weight
    state["v"] = v - event * working(node.threshold, node.threshold)
    return event


@step.register
def _(node: DifferentialIF, inputs: list[Array], state: State, t: int) -> Array:
    current = sum(inputs[1:], inputs[0])
    if "left" not in state:
        state["left"] = np.broadcast_to(node.bias, current.shape).astype(np.float64)
        state["said"] = np.zeros(current.shape)
    left = state["left"] + current / t
    v = t * left + node.initial
    if node.select == "count":
        event = np.asarray((v >= node.threshold).astype(np.int64) - (v < 0))
    else:
        event = power(v, node.threshold, 2 ** (node.levels - 1), node.select)
    if node.guard:
        event = np.where((event < 0) & (t * state["said"] + event < -ROUNDING), 0, event)
    state["left"] = left - event * node.threshold / t
    state["said"] = state["said"] + event / t
    return event


@step.register
def _(node: TwoPhaseIF, inputs: list[Array], state: State, t: int) -> Array:
    current = sum(inputs[1:], inputs[0])
    theta = working(node.threshold, node.threshold)
    if "start" not in state:
        state["start"] = _at_start(node.initial, node.threshold, current)
        state["silent"] = np.zeros(current.shape, bool)
    stage, since = divmod(t - 1, node.rehearsal)
    if since == 0 and stage <= node.stages:  # each rehearsal, and what follows the last
        state["v"] = state["start"]
        state["sent"] = np.zeros(current.shape, np.int64)
        state["fired"] = np.full(current.shape, np.inf)
        state["kept"] = np.full(current.shape, -np.inf)
    v = state["v"] + current + node.bias
    fires = v >= theta
    event = np.where(fires & ~state["silent"], 1, 0)
    state["fired"] = np.where(fires, np.minimum(state["fired"], v), state["fired"])
    state["kept"] = np.where(fires, state["kept"], np.maximum(state["kept"], v))
    state["v"] = v - fires * theta
    state["sent"] = state["sent"] + fires
    if stage == node.stage - 1 and since == node.rehearsal - 1:
        _correct(node, state, theta)
    return event


def _correct(node: TwoPhaseIF, state: State, theta: Array) -> None:
    """Let a population draw its conclusion at the end of its own rehearsal."""
    v = state["v"]
    if node.rule == "residual":
        state["silent"] = v * 1000 <= theta
        return
    less = np.maximum(theta, _whole(state["fired"] - 0.999 * theta, theta))
    more = np.maximum(theta, _whole(1.001 * theta - state["kept"], theta))
    too_many, too_few = (v < 0) & (state["sent"] > 0), v >= theta
    shift = np.where(too_many, -less, np.where(too_few, more, 0))
    state["start"] = state["start"] + shift.astype(state["start"].dtype)


def _whole(shift: Array, theta: Array) -> Array:
    """Return a shift rounded up where the membrane is an integer; where it is infinite, 0."""
    finite = np.where(np.isfinite(shift), shift, 0.0)
    return np.ceil(finite) if is_integer(theta) else finite


@step.register
def _(node: Integrator, inputs: list[Array], state: State, t: int) -> Array:
    current = sum(inputs[1:], inputs[0])
    if node.decoding == "harmonic":
        current = current / t
    elif t < node.start:
        return np.zeros(current.shape)
    first = "v" not in state
    total = state.get("v", np.zeros_like(current)) + current
    if first or node.decoding == "mean":
        total = total + node.bias
    if node.clamp is not None:
        total = np.clip(total, -node.clamp, node.clamp)
    state["v"] = total
    steps = t - node.start + 1 if node.decoding == "mean" else 1
    return np.asarray(total * node.scale / steps)


def power(v: Array, threshold: Array, most: int, rule: str) -> Array:
    """Return the signed power of two a multi-threshold neuron sends, or 0; int64.

    Args:
        v: Membranes.
        threshold: Thresholds, broadcastable to ``v``.
        most: The largest power.
        rule: ``nearest`` or ``greedy``; see ``IF``.
    """
    theta = working(threshold, threshold)
    chosen = np.zeros(v.shape, np.int64)
    level = 1
    while level <= most:
        if rule == "nearest":
            reached = 4 * np.abs(v) >= 3 * level * theta
        else:
            edge = (2 * level - 1) * theta
            reached = (2 * v >= edge) | (2 * v < -edge)
        chosen = np.where(reached, level, chosen)
        level *= 2
    return np.asarray(chosen * np.sign(v)).astype(np.int64)


def _at_start(value: Array, threshold: Array, current: Array) -> Array:
    return np.broadcast_to(working(value, threshold), current.shape).copy()
