"""Neurons of trained spiking networks: what ``ir.reference_leaky`` computes, in ONNX."""

from __future__ import annotations

import numpy as np

from ...ir import LI, LIF, Array, CubaLI, CubaLIF, Graph, LoihiLIF
from ...ir.bounds import largest_current
from ...ir.leaky import DECAY_UNITY, LeakyIntegrator, LeakyPopulation
from ...ir.neurons import SATURATION
from ...ir.types import is_integer
from .number import INT64_EXACT, Number, exact, of_edge
from .step import StepWriter, write
from .value import Value, total

ALIGNMENT = 64
"""Thresholds and currents of Loihi lie 6 bits above what membranes count in."""

TOP = 1 << 23
"""Currents of Loihi have 24 bits."""


@write.register(LIF)
@write.register(CubaLIF)
def _(node: LeakyPopulation, to: StepWriter, inputs: list[Value]) -> Value:
    number = arithmetic(node, to)
    membrane = to.state(node, "v", node.initial, number)
    drive = _drive(node, to, inputs, number)
    v = _times(membrane.now, node.decay)
    if node.reset_delayed:
        fired = to.state(node, "fired", 0, Number.BOOL)
        v = _reset(node, v, fired.now)
    v = _plus(v + _times(drive, node.gain), node.bias)
    fires = v > node.threshold if node.strict else v >= node.threshold
    held = None
    if node.refractory:
        waits = to.state(node, "waits", 0, Number.INT64)
        held = waits.now > 0
        fires = fires & ~held
        fewer = (waits.now - 1).at_least(0)
        waits.next = fires.where(fewer.like(node.refractory), fewer)
    if node.reset_delayed:
        fired.next = fires
    else:
        v = _reset(node, v, fires)
    membrane.next = held.where(v.like(node.reset_to), v) if held else v
    return fires.cast(of_edge(to.graph, node.name))


def _reset(node: LeakyPopulation, v: Value, fired: Value) -> Value:
    if node.reset == "subtract":
        return v - fired.cast(v.number) * node.threshold
    return fired.where(v.like(node.reset_to), v) if node.reset == "value" else v


@write.register(LI)
@write.register(CubaLI)
def _(node: LeakyIntegrator, to: StepWriter, inputs: list[Value]) -> Value:
    number = arithmetic(node, to)
    membrane = to.state(node, "v", node.initial, number)
    drive = _drive(node, to, inputs, number)
    v = _times(membrane.now, node.decay) + _times(drive, node.gain)
    membrane.next = _plus(v, node.bias)
    return membrane.next.cast(of_edge(to.graph, node.name))


def arithmetic(node: LeakyPopulation | LeakyIntegrator, to: StepWriter) -> Number:
    """Return the type of a membrane, and of all that is computed with it."""
    if not is_integer(node.decay):
        return Number.DOUBLE
    if isinstance(node, LeakyIntegrator):  # what arrives may be real, and have no bounds
        return Number.INT64
    return exact(min(largest_membrane(to.graph, node, to.steps), INT64_EXACT - 1))


def largest_membrane(graph: Graph, node: LeakyPopulation, steps: int) -> int:
    """Return a bound on what an integer neuron computes with, or some number beyond 64 bits."""
    arriving = sum(largest_current(graph, name) for name in node.inputs)
    decay, gain, bias, theta, low, v = (
        _largest(x)
        for x in (
            *(node.decay, node.gain, node.bias),
            *(node.threshold, node.reset_to, node.initial),
        )
    )
    drive, found = 0, v
    for _ in range(steps):
        if isinstance(node, CubaLIF):
            drive = drive * _largest(node.current_decay) + arriving * _largest(node.current_gain)
        else:
            drive = arriving
        v = decay * v + theta + low + gain * drive + bias
        found = max(found, v, drive)
        if found >= INT64_EXACT:
            break
    return found


def _largest(x: Array) -> int:
    return int(np.abs(x.astype(np.int64)).max(initial=0))


def _drive(
    node: LeakyPopulation | LeakyIntegrator, to: StepWriter, inputs: list[Value], number: Number
) -> Value:
    """Return what drives a membrane: the summed current, or the neuron's own current."""
    current = total(inputs, Number.DOUBLE if to.real else number).cast(number)
    if not isinstance(node, (CubaLIF, CubaLI)):
        return current
    own = to.state(node, "i", 0, number)
    own.next = _times(own.now, node.current_decay) + _times(current, node.current_gain)
    return own.next


def _times(x: Value, factor: Array) -> Value:
    return x if (factor == 1).all() else x * factor


def _plus(x: Value, term: Array) -> Value:
    return x + term if term.any() else x


@write.register
def _(node: LoihiLIF, to: StepWriter, inputs: list[Value]) -> Value:
    received = total(inputs, Number.INT64)
    current = to.state(node, "u", node.initial_current, Number.INT64)
    membrane = to.state(node, "v", node.initial, Number.INT64)
    kept_u = DECAY_UNITY - (node.du.astype(np.int64) + 1)
    kept_v = DECAY_UNITY - node.dv.astype(np.int64)
    bias = node.bias.astype(np.int64) << node.bias_exp.astype(np.int64)
    fits = ALIGNMENT * sum(largest_current(to.graph, name) for name in node.inputs) <= 2 * TOP
    if fits:  # then no current ever leaves 24 bits, and no sum 32
        current.next = _wrapped(_decayed(current.now, kept_u) + received * ALIGNMENT)
        v = _plus(_decayed(membrane.now, kept_v) + current.next, bias)
    else:
        arriving = _in_32_bits(_in_32_bits(received) * ALIGNMENT)
        u = _in_32_bits(_in_32_bits(_decayed(current.now, kept_u)) + arriving)
        current.next = _wrapped(u)
        kept = _in_32_bits(_decayed(membrane.now, kept_v))
        v = _in_32_bits(_plus(kept + current.next, bias))
    v = v.clip(-SATURATION, SATURATION)
    fires = v > node.threshold.astype(np.int64) * ALIGNMENT
    membrane.next = fires.where(v.like(0), v)
    return fires.cast(of_edge(to.graph, node.name))


def _decayed(state: Value, kept: Array) -> Value:
    """Return ``state * kept / 4096`` rounded towards zero, as ONNX divides integers."""
    return state if (kept == DECAY_UNITY).all() else state * kept / DECAY_UNITY


def _wrapped(u: Value) -> Value:
    """Return a current brought into 24 bits by one step; see ``ir.reference_leaky``."""
    once = (u > TOP).where(u - 2 * TOP, u)
    return (once <= -TOP).where(u + 2 * TOP, once)


def _in_32_bits(x: Value) -> Value:
    """Return integers as 32 bits hold them; ``Mod`` has the sign of its divisor."""
    return (x + (1 << 31)).modulo(1 << 32) - (1 << 31)
