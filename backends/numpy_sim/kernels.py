"""The arithmetic of the simulator: synapses as matrix products, populations step by step.

A block of payloads is ``(timesteps, samples, *shape)``; the time axis has length 1 where
nothing changes over time. Integer networks are computed in float32 or float64, whichever
holds every integer that can occur (below 2**24 or 2**53): the result is exact, and faster
than integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ir import IF, Array, Conv, Delay, Integrator, Linear, MaxPool, Node, Population
from ...ir.reference import State, padded, step, window_taps
from ...ir.types import is_integer
from .convolution import Multiplication, Precision, convolution

TILE = 32
"""Rows of a product of real numbers."""

Floats = NDArray[np.floating[Any]]
Compare = Callable[..., Any]

NEURONS = 1 << 16
"""Neurons advanced together: their state should stay in the cache."""


def product(node: Conv | Linear, precision: Precision) -> Multiplication:
    """Return the product of a synapse's weights with frames of payloads."""
    if isinstance(node, Conv):
        return convolution(node, precision)
    weight = node.weight.astype(precision, copy=False).T
    if is_integer(node.weight):
        return lambda frames: np.asarray(frames @ weight)
    return lambda frames: in_tiles(frames, weight)


def in_tiles(frames: Array, weight: Array) -> Array:
    """Return a product of matrices each row of which is the same whatever the others are.

    A library chooses by the number of rows how it adds, so real sums of one frame would differ in
    their last bits with the block of samples that it is in. Here all products have ``TILE`` rows.
    """
    count, inputs = frames.shape
    whole = -count % TILE
    padded_frames = np.concatenate([frames, np.zeros((whole, inputs), frames.dtype)])
    product = padded_frames.reshape(-1, TILE, inputs) @ weight
    return np.asarray(product.reshape(-1, weight.shape[1])[:count])


def synapse(
    node: Conv | Linear,
    payloads: Array,
    precision: Precision,
    multiply: Multiplication | None = None,
) -> Array:
    """Return the currents of a synapse for a block of payloads.

    Args:
        node: The synapse.
        payloads: ``(timesteps, samples, *in_shape)``.
        precision: The float type in which every sum of this synapse is exact (or, for a
            real-valued synapse, the precision of the simulation).
        multiply: ``product(node, precision)``, where a caller keeps it.

    Returns:
        ``(timesteps, samples, *out_shape)`` in that precision.
    """
    multiply = multiply or product(node, precision)
    frames = payloads.reshape(-1, *payloads.shape[2:])
    active = frames.reshape(len(frames), -1).any(axis=1)
    if active.all():
        currents = multiply(frames.astype(precision, copy=False))
    else:  # frames without any event cost nothing; one stays, for the shape of the result
        active[0] = True
        result = multiply(frames[active].astype(precision, copy=False))
        currents = np.zeros((len(frames), *result.shape[1:]), precision)
        currents[active] = result
    if node.copies > 1:
        currents *= node.copies
    return currents.reshape(*payloads.shape[:2], *currents.shape[1:])


def in_step(blocks: Sequence[Array]) -> list[Array]:
    """Return blocks of payloads with one number of time steps, also those that do not change."""
    steps = max(len(block) for block in blocks)
    return [np.broadcast_to(block, (steps, *block.shape[1:])) for block in blocks]


def population(
    node: IF, currents: Sequence[Array], timesteps: int, precision: Precision = np.float64
) -> Array:
    """Return the payloads of a population, ``(timesteps, samples, *shape)``.

    Args:
        node: The population.
        currents: Of each synapse that ends here.
        timesteps: T.
        precision: A float type in which the membrane is exact.
    """
    shape = np.broadcast_shapes(*(current.shape[1:] for current in currents))
    sent = np.empty((timesteps, *shape), _payload_type(node))
    each = max(1, NEURONS // max(1, int(np.prod(shape[1:]))))
    for begin in range(0, shape[0], each):
        part = slice(begin, begin + each)
        _advance(node, [current[:, part] for current in currents], sent[:, part], precision)
    return sent


def _advance(node: IF, currents: Sequence[Array], sent: Array, work: Precision) -> None:
    """Compute the payloads of some samples into ``sent``."""
    theta: Floats = node.threshold.astype(work)
    bias: Floats = node.bias.astype(work)
    v: Floats = np.empty(sent.shape[1:], work)
    v[...] = node.initial
    # A guard cannot act where no negative event exists: acc then starts at 0 and only grows.
    lower = node.acc_min if node.max_negative else None
    bounded = (lower, node.acc_max) != (None, None)
    acc: Floats = np.zeros(v.shape if bounded else 0, work)
    event, scaled = np.empty_like(v), np.empty_like(v)
    for t in range(len(sent)):
        for current in currents:
            v += current[min(t, len(current) - 1)]
        v += bias
        if node.clamp is not None:
            np.clip(v, -node.clamp, node.clamp, out=v)
        _fire(node, v, theta, event)
        if lower is not None:
            _bound(node, event, np.subtract(lower, acc, out=scaled), np.less, np.maximum)
        if node.acc_max is not None:
            _bound(node, event, np.subtract(node.acc_max, acc, out=scaled), np.greater, np.minimum)
        if bounded:
            acc += event
        if node.reset == "zero":
            v *= np.subtract(1, event, out=scaled)  # 0 or 1: what fired is at 0
        else:
            v -= np.multiply(event, theta, out=scaled)
        sent[t] = event


def _fire(node: IF, v: Floats, theta: Floats, event: Floats) -> None:
    """Write the payloads membranes would send, were it not for the bounds on their sum.

    A quotient of floats rounds correctly, and its floor is that of the exact quotient as long
    as ``|v| + theta`` is an integer that the type holds: the next whole number is then more
    than half a unit in the last place away.
    """
    if node.select != "count":
        _fire_power(node, v, theta, event)
        return
    if node.max_positive == 1 and node.max_negative == 0:
        np.greater_equal(v, theta, out=event, casting="unsafe")
        return
    np.divide(v, theta, out=event)
    (np.floor if node.deadband == 0 else np.trunc)(event, out=event)
    np.clip(event, -node.max_negative, node.max_positive, out=event)


def _fire_power(node: IF, v: Floats, theta: Floats, event: Floats) -> None:
    """Write the signed powers of two that ``reference_neurons.power`` defines."""
    nearest = node.select == "nearest"
    event[...] = 0
    level = 1
    while level <= node.max_positive:
        edge = theta * v.dtype.type(0.75 * level if nearest else level - 0.5)
        below = np.less_equal(v, -edge) if nearest else np.less(v, -edge)
        np.copyto(event, level, where=below | (v >= edge))
        level *= 2
    np.copysign(event, v, out=event)
    event[event < -node.max_negative] = 0


def _bound(node: IF, event: Floats, limit: Floats, beyond: Compare, nearer: Compare) -> None:
    """Keep payloads within a limit; a multi-threshold neuron sends nothing instead."""
    if node.select == "count":
        nearer(event, limit, out=event)
    else:
        event[beyond(event, limit)] = 0


def _payload_type(node: Population) -> type[np.generic]:
    least, most = node.payload
    return np.int8 if max(-least, most) <= 127 else np.int32


def max_pool(node: MaxPool, payloads: Array) -> Array:
    """Return the telescoping maximum of a block of payloads; see ``ir.MaxPool``."""
    if len(payloads) == 1:  # constant input: the maximum grows by the same amount every step
        return window_maximum(node, payloads[0])[None]
    received = np.cumsum(payloads, axis=0, dtype=_accumulator(payloads))
    maxima = np.stack([window_maximum(node, frame) for frame in received])
    return np.diff(maxima, axis=0, prepend=np.zeros_like(maxima[:1])).astype(payloads.dtype)


def _accumulator(payloads: Array) -> type[np.generic]:
    return np.int32 if is_integer(payloads) else np.float64


def window_maximum(node: MaxPool, frames: Array) -> Array:
    """Return the maximum of each window of frames ``(frames, *shape)``."""
    fill = np.iinfo(frames.dtype).min if is_integer(frames) else -np.inf
    taps = window_taps(padded(frames, node.padding, fill), node.kernel, node.stride, node.dilation)
    maximum = taps[0][1].copy()
    for _, tap in taps[1:]:
        np.maximum(maximum, tap, out=maximum)
    return maximum


def readout(node: Integrator, currents: Sequence[Array], steps: int) -> Array | None:
    """Return the means of a readout after every step, ``(steps, samples, *shape)``.

    Additions are those of the reference in their order: equal for real numbers too.

    Args:
        node: The readout.
        currents: Of each synapse that ends here.
        steps: All steps.

    Returns:
        The means, or None where they are another readout's or a sum saturates.
    """
    if node.decoding != "mean" or node.start != 1:
        return None
    current = sum(currents[1:], currents[0])
    added = np.empty((steps, 2, *current.shape[1:]))
    added[:, 0], added[:, 1] = current, node.bias
    in_turn = added.reshape(-1, *current.shape[1:])
    total = np.cumsum(in_turn, axis=0, out=in_turn)[1::2]
    if node.clamp is not None and np.abs(total).max(initial=0) > node.clamp:
        return None
    after = np.arange(1, steps + 1).reshape(-1, *(1 for _ in current.shape[1:]))
    return np.asarray(total * node.scale / after)


def stepwise(node: Node, currents: Sequence[Array], steps: int) -> Array:
    """Return the value of a node after every step, ``(steps, samples, *shape)``.

    For readouts, leaky neurons and those with a schedule: the reference itself, step by step.
    """
    kept = _payload_type(node) if isinstance(node, Population) else np.float64
    state: State = {}
    return np.stack(
        [
            advanced(
                node, [current[min(t, len(current)) - 1] for current in currents], state, t
            ).astype(kept)
            for t in range(1, steps + 1)
        ]
    )


def advanced(node: Node, arguments: Sequence[Array], state: State, t: int) -> Array:
    """Return the value of a node after step ``t``, ``(samples, *shape)``, of the reference.

    Numbers that are kept in small types, or integers in floats, are brought back to its types.
    """
    integer = isinstance(node, Population) and is_integer(node.threshold)
    work = np.int64 if integer else np.float64
    return step(node, [x.astype(work, copy=False) for x in arguments], state, t)


def delayed(node: Delay, payloads: Array, steps: int) -> Array:
    """Return what a delay sends, ``(steps, samples, *shape)``.

    Args:
        node: The delay.
        payloads: What it reads, ``(steps or 1, samples, *shape)``.
        steps: All steps.
    """
    late = np.zeros((steps, *payloads.shape[1:]), payloads.dtype)
    whole = np.broadcast_to(payloads, late.shape)
    if np.size(node.steps) == 1:
        wait = min(node.longest, steps)
        late[wait:] = whole[: steps - wait]
        return late
    waits = np.broadcast_to(np.asarray(node.steps), payloads.shape[2:])
    for wait in np.unique(waits[waits < steps]):
        chosen = waits == wait
        late[int(wait) :, :, chosen] = whole[: steps - int(wait), :, chosen]
    return late
