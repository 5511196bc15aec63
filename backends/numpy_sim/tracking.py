"""Tracking neurons step by step: only those that something happens to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ...ir import Array, Graph, TensorType, TrackingIF
from ...ir.bounds import accumulated_bounds
from ...ir.quantized import quantized

SPARSE = 4
"""Neurons are gathered where fewer than one in this many has something to do."""


class Tracking:
    """A population of ``TrackingIF`` for some samples; neurons are in one row for each sample.

    Args:
        graph: The graph it stands in.
        node: The population.
        samples: Number of samples.
    """

    def __init__(self, graph: Graph, node: TrackingIF, samples: int) -> None:
        self.node, self.shape = node, graph.types[node.name].shape
        size = graph.types[node.name].size
        self.payload = payload_type(graph.types[node.name])
        self.multiplier = [self.row(part) for part in node.multiplier.astype(np.int64)]
        self.bias, self.threshold = self.row(node.bias), self.row(node.threshold)
        self.sums: list[Array] = [
            np.zeros((samples, size), _holding(*accumulated_bounds(graph, name)))
            for name in node.inputs
        ]
        self.acc = np.zeros((samples, size), np.int32)
        self.due = np.ones((samples, size), bool)  # the bias has not been looked at
        self.value = np.zeros((samples, size if node.digits else 0), np.int64)
        self.quantise = _quantiser(node)

    def row(self, parameter: Array) -> Array:
        """Return a parameter as ``(1,)`` or ``(neurons,)``, int64."""
        if parameter.size == 1:
            return parameter.reshape(1).astype(np.int64)
        return np.broadcast_to(parameter, self.shape).reshape(-1).astype(np.int64)

    def keep(self, chosen: Array) -> None:
        """Forget the samples that are not chosen."""
        self.sums = [total[chosen] for total in self.sums]
        self.acc, self.due = self.acc[chosen], self.due[chosen]
        self.value = self.value[chosen]

    def at_rest(self, t: int) -> Array:
        """Return for which samples nothing is left to send after step t."""
        if self.node.digits:
            return np.full(len(self.acc), t >= self.node.start + self.node.digits - 1)
        return np.asarray(~self.due.any(axis=1))

    def advance(self, t: int, currents: Sequence[Array | None]) -> Array | None:
        """Add currents ``(samples, *shape)``; return the payloads of step t, None for none."""
        for total, current in zip(self.sums, currents, strict=True):
            if current is not None:
                received = current.reshape(total.shape)
                np.add(total, received, out=total, casting="unsafe")
                if not self.node.digits:
                    np.logical_or(self.due, received, out=self.due)
        events = self.digit(t) if self.node.digits else self.correction()
        return None if events is None else events.reshape(-1, *self.shape)

    def correction(self) -> Array | None:
        """Return what is sent of what is missing to the quantised values."""
        busy = self.due.any(axis=1)
        if not busy.any():
            return None
        events = np.zeros(self.acc.shape, self.payload)
        if np.count_nonzero(self.due) * SPARSE < self.due.size:
            place = np.flatnonzero(self.due)
            missing = self.target(place) - self.acc.reshape(-1)[place]
            sent = np.clip(missing, -self.node.max_negative, self.node.max_positive)
            events.reshape(-1)[place] = sent
            self.acc.reshape(-1)[place] += sent.astype(np.int32)
            self.due.reshape(-1)[place] = sent != missing
        else:
            missing = self.target() - self.acc
            sent = np.clip(missing, -self.node.max_negative, self.node.max_positive)
            events[...] = sent
            self.acc += sent.astype(np.int32)
            np.not_equal(sent, missing, out=self.due)
        return events

    def target(self, place: Array | None = None) -> Array:
        """Return the quantised values of all neurons, or of those at some places."""
        own = slice(None) if place is None else place % self.acc.shape[1]
        sums = self.sums if place is None else [total.reshape(-1)[place] for total in self.sums]
        drive = _of(self.bias, own)
        for multiplier, total in zip(self.multiplier, sums, strict=True):
            drive = drive + _of(multiplier, own) * total.astype(np.int64)
        return self.quantise(drive, _of(self.threshold, own))

    def digit(self, t: int) -> Array | None:
        """Return the digits of step t, each worth its power of the base."""
        place = t - self.node.start
        if not 0 <= place < self.node.digits:
            return None
        if place == 0:
            self.value = self.target()
        worth = self.node.base ** (self.node.digits - 1 - place)
        digits = np.abs(self.value) // worth % self.node.base * worth
        return np.asarray(np.sign(self.value) * digits, self.payload)


def payload_type(type: TensorType) -> type[np.generic]:
    """Return a small integer type that holds every payload of an edge."""
    least, most = type.payload or (0, 2**31 - 1)
    return np.int8 if max(-least, most) <= 127 else np.int32


def _of(parameter: Array, own: Array | slice) -> Array:
    return parameter if parameter.size == 1 else parameter[own]


def _holding(low: Array, high: Array) -> type[np.generic]:
    """Return a type that holds every integer between bounds, and adds fast."""
    largest = max(int(high.max()), -int(low.min()))
    return np.float32 if largest < 2**24 else np.float64 if largest < 2**53 else np.int64


def _quantiser(node: TrackingIF) -> Callable[[Array, Array], Array]:
    """Return a function of drives and thresholds that computes ``ir.quantized.quantized``.

    With one power of two for all thresholds, dividing is a shift. Half to even: adding half a
    threshold rounds ties up, and a tie that came out odd goes back by one.
    """
    first = int(node.threshold.flat[0])
    shifts = node.edges is None and first & (first - 1) == 0 and np.all(node.threshold == first)
    if not shifts:
        return lambda drive, threshold: quantized(replace(node, threshold=threshold), drive)
    bits = first.bit_length() - 1
    half, mask = first >> 1, first - 1

    def shifted(drive: Array, threshold: Array) -> Array:
        if node.rounding == "floor" or first == 1:
            return np.clip(drive >> bits, node.low, node.high)
        drive = drive + half
        whole = drive >> bits
        if node.rounding == "half_even":
            whole -= (drive & mask == 0) & (whole & 1 == 1)
        return np.clip(whole, node.low, node.high)

    return shifted
