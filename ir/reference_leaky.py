"""What leaky neurons and delays compute: a part of ``reference``."""

from __future__ import annotations

import numpy as np

from .leaky import (
    DECAY_UNITY,
    LI,
    LIF,
    CubaLI,
    CubaLIF,
    LeakyIntegrator,
    LeakyPopulation,
    LoihiLIF,
)
from .neurons import SATURATION
from .recurrence import Delay
from .reference import State, step, working
from .types import Array


@step.register(LIF)
@step.register(CubaLIF)
def _(node: LeakyPopulation, inputs: list[Array], state: State, t: int) -> Array:
    drive = _drive(node, inputs, state)
    theta, low = (working(x, node.threshold) for x in (node.threshold, node.reset_to))
    if not state.keys() >= {"v", "waits"}:
        state["v"] = _at_start(node.initial, node.threshold, drive)
        state["fired"] = np.zeros(drive.shape, bool)
        state["waits"] = np.zeros(drive.shape, np.int64)
    v = working(node.decay, theta) * state["v"]
    if node.reset_delayed:
        v = _reset(node, v, state["fired"], theta, low)
    v = v + working(node.gain, theta) * drive + working(node.bias, theta)
    held = state["waits"] > 0
    fires = (v > theta if node.strict else v >= theta) & ~held
    if not node.reset_delayed:
        v = _reset(node, v, fires, theta, low)
    state["v"] = np.where(held, low, v)
    state["fired"] = fires
    state["waits"] = np.where(fires, node.refractory, np.maximum(state["waits"] - 1, 0))
    return fires.astype(np.int64)


def _reset(node: LeakyPopulation, v: Array, fired: Array, theta: Array, low: Array) -> Array:
    if node.reset == "subtract":
        return np.asarray(v - theta * fired)
    return np.where(fired, low, v) if node.reset == "value" else v


@step.register(LI)
@step.register(CubaLI)
def _(node: LeakyIntegrator, inputs: list[Array], state: State, t: int) -> Array:
    drive = _drive(node, inputs, state)
    if "v" not in state:
        state["v"] = _at_start(node.initial, node.decay, drive)
    decay, gain, bias = (working(x, node.decay) for x in (node.decay, node.gain, node.bias))
    state["v"] = decay * state["v"] + gain * drive + bias
    return state["v"]


def _drive(node: LeakyPopulation | LeakyIntegrator, inputs: list[Array], state: State) -> Array:
    """Return what drives a membrane: the summed current, or the neuron's own current."""
    current = working(np.asarray(sum(inputs[1:], inputs[0])), node.decay)
    if not isinstance(node, (CubaLIF, CubaLI)):
        return current
    decay, gain = (working(x, node.decay) for x in (node.current_decay, node.current_gain))
    state["i"] = decay * state.get("i", np.zeros_like(current)) + gain * current
    return state["i"]


@step.register
def _(node: LoihiLIF, inputs: list[Array], state: State, t: int) -> Array:
    received = np.asarray(sum(inputs[1:], inputs[0]), np.int64)
    if "v" not in state:
        state["v"] = _at_start(node.initial, node.threshold, received)
        state["u"] = _at_start(node.initial_current, node.threshold, received)
    kept_u = DECAY_UNITY - (node.du.astype(np.int64) + 1)
    kept_v = DECAY_UNITY - node.dv.astype(np.int64)
    bias = node.bias.astype(np.int64) << node.bias_exp.astype(np.int64)
    u = _int32(_int32(_truncated(state["u"], kept_u)) + _int32(_int32(received) << 6))
    state["u"] = _wrapped(u)
    v = _int32(_int32(_truncated(state["v"], kept_v)) + state["u"] + bias)
    v = np.clip(v, -SATURATION, SATURATION)
    fires = v > node.threshold.astype(np.int64) << 6
    state["v"] = np.where(fires, 0, v)
    return fires.astype(np.int64)


def _truncated(state: Array, kept: Array) -> Array:
    """Return ``state * kept / 4096``, rounded towards zero."""
    product = state * kept
    return np.asarray(np.sign(product) * (np.abs(product) >> 12))


def _wrapped(u: Array) -> Array:
    """Return a current brought into 24 bits by one step of 2**24, as Lava does: at most one."""
    top = 1 << 23
    once = np.where(u > top, u - 2 * top, u)
    # The second comparison sees the result of the first, and its step starts from what was.
    return _int32(np.where(once <= -top, u + 2 * top, once))


def _int32(x: Array) -> Array:
    """Return integers as 32 bits hold them."""
    return np.asarray(((x + (1 << 31)) & ((1 << 32) - 1)) - (1 << 31))


@step.register
def _(node: Delay, inputs: list[Array], state: State, t: int) -> Array:
    """Keep the last values in a ring: place ``t modulo its length`` has that of step t."""
    now, length = inputs[0], node.longest + 1
    if "kept" not in state:
        state["kept"] = np.zeros((length, *now.shape), now.dtype)
    state["kept"][t % length] = now
    steps = np.broadcast_to(np.asarray(node.steps), now.shape[1:])
    found = np.take_along_axis(state["kept"], (t - steps)[None, None] % length, axis=0)
    return np.asarray(found[0])


def _at_start(value: Array, parameter: Array, current: Array) -> Array:
    return np.broadcast_to(working(value, parameter), current.shape).copy()
