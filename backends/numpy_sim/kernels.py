"""The arithmetic of the simulator: synapses as matrix products, populations step by step.

A block of payloads is ``(timesteps, samples, *shape)``; the time axis has length 1 where
nothing changes over time. Frames without any event cost nothing.
"""

from __future__ import annotations

import numpy as np

from ...ir import IF, Array, Conv, Integrator, Linear, MaxPool
from ...ir.reference import padded, units, window_taps
from ...ir.types import is_integer

Precision = type[np.float32] | type[np.float64]

COLUMNS = 1 << 22
"""Elements of the matrix that a convolution unrolls at once: it should stay in the cache."""


def synapse(node: Conv | Linear, payloads: Array, exact: Precision) -> Array:
    """Return the currents of a synapse for a block of payloads.

    Args:
        node: The synapse.
        payloads: ``(timesteps, samples, *in_shape)``.
        exact: The float type in which every sum of this synapse is exact (or, for a
            real-valued synapse, the precision of the simulation).

    Returns:
        ``(timesteps, samples, *out_shape)``, int64 for an integer synapse, else ``exact``.
    """
    frames = payloads.reshape(-1, *payloads.shape[2:])
    active = np.flatnonzero(frames.reshape(len(frames), -1).any(axis=1))
    product = _convolve if isinstance(node, Conv) else _multiply
    result = product(node, frames[active].astype(exact), exact)
    currents: Array = np.zeros(
        (len(frames), *result.shape[1:]), np.int64 if is_integer(node.weight) else exact
    )
    currents[active] = result
    if node.copies > 1:
        currents *= node.copies
    return currents.reshape(*payloads.shape[:2], *currents.shape[1:])


def _multiply(node: Linear | Conv, frames: Array, exact: Precision) -> Array:
    return np.asarray(frames @ node.weight.astype(exact).T)


def _convolve(node: Linear | Conv, frames: Array, exact: Precision) -> Array:
    assert isinstance(node, Conv)
    out, per_group, *kernel = node.weight.shape
    filters = node.weight.reshape(node.groups, out // node.groups, -1).astype(exact)
    frames = padded(frames, node.padding)
    span = [node.dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
    windows: Array = np.lib.stride_tricks.sliding_window_view(
        frames,
        (span[0], span[1]),
        axis=(2, 3),  # type: ignore[call-overload]
    )
    windows = windows[
        :, :, :: node.stride[0], :: node.stride[1], :: node.dilation[0], :: node.dilation[1]
    ]
    count, _, height, width = windows.shape[:4]
    result = np.empty((count, out, height, width), exact)
    block = max(1, COLUMNS // max(1, height * width * per_group * kernel[0] * kernel[1]))
    for begin in range(0, count, block):
        part = windows[begin : begin + block]
        for group, weight in enumerate(filters):
            channels = slice(group * per_group, (group + 1) * per_group)
            columns = part[:, channels].transpose(0, 1, 4, 5, 2, 3)
            columns = columns.reshape(len(part), weight.shape[1], height * width)
            rows = slice(group * len(weight), (group + 1) * len(weight))
            result[begin : begin + block, rows] = (weight @ columns).reshape(
                len(part), len(weight), height, width
            )
    return result


def population(node: IF, currents: list[Array], timesteps: int) -> Array:
    """Return the payloads of a population, ``(timesteps, samples, *shape)``."""
    integer = is_integer(node.threshold)
    work = np.int64 if integer else np.float64
    shape = np.broadcast_shapes(*(current.shape[1:] for current in currents))
    theta, bias = node.threshold.astype(work), node.bias.astype(work)
    v: Array = np.broadcast_to(node.initial.astype(work), shape).copy()
    bounded = node.acc_min is not None or node.acc_max is not None
    # A guard cannot act where no negative event exists: acc then starts at 0 and only grows.
    track = bounded and (node.max_negative > 0 or node.acc_max is not None)
    acc: Array = np.zeros(shape, np.int64)
    sent = np.empty((timesteps, *shape), _payload_type(node))
    for t in range(timesteps):
        for current in currents:
            v += current[min(t, len(current) - 1)]
        v += bias
        if node.clamp is not None:
            np.clip(v, -node.clamp, node.clamp, out=v)
        if node.max_positive == 1 and node.max_negative == 0:
            event: Array = (v >= theta).astype(np.int64)
        else:
            event = np.clip(units(v, theta, node.deadband), -node.max_negative, node.max_positive)
        if track:
            event = _bounded(node, event, acc)
            acc += event
        v -= event * theta
        sent[t] = event
    return sent


def _bounded(node: IF, event: Array, acc: Array) -> Array:
    if node.acc_min is not None:
        event = np.maximum(event, node.acc_min - acc)
    if node.acc_max is not None:
        event = np.minimum(event, node.acc_max - acc)
    return event


def _payload_type(node: IF) -> type[np.generic]:
    return np.int8 if max(node.max_positive, node.max_negative) <= 127 else np.int32


def max_pool(node: MaxPool, payloads: Array) -> Array:
    """Return the telescoping maximum of a block of payloads; see ``ir.MaxPool``."""
    if len(payloads) == 1:  # constant input: the maximum grows by the same amount every step
        return _window_maximum(node, payloads[0])[None]
    received = np.cumsum(payloads, axis=0, dtype=_accumulator(payloads))
    maxima = np.stack([_window_maximum(node, frame) for frame in received])
    return np.diff(maxima, axis=0, prepend=np.zeros_like(maxima[:1])).astype(payloads.dtype)


def _accumulator(payloads: Array) -> type[np.generic]:
    return np.int32 if is_integer(payloads) else np.float64


def _window_maximum(node: MaxPool, frames: Array) -> Array:
    fill = np.iinfo(frames.dtype).min if is_integer(frames) else -np.inf
    taps = window_taps(padded(frames, node.padding, fill), node.kernel, node.stride, node.dilation)
    maximum = taps[0][1].copy()
    for _, tap in taps[1:]:
        np.maximum(maximum, tap, out=maximum)
    return maximum


def integrate(node: Integrator, currents: list[Array], timesteps: int) -> Array:
    """Return the decoded output after every step, ``(timesteps, samples, *shape)``, float64."""
    shape = np.broadcast_shapes(*(current.shape[1:] for current in currents))
    total: Array = np.zeros(shape, np.int64 if is_integer(node.bias) else np.float64)
    decoded = np.empty((timesteps, *shape), np.float64)
    for t in range(timesteps):
        for current in currents:
            total += current[min(t, len(current) - 1)]
        total += node.bias
        if node.clamp is not None:
            np.clip(total, -node.clamp, node.clamp, out=total)
        decoded[t] = total * node.scale / (t + 1)
    return decoded
