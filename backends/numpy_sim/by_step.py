"""One synapse, the payloads of one step at a time: for simulations that pass messages.

The simulator goes through a network layer by layer, over all steps; Lava goes step by step, through
all layers. What a synapse makes of the payloads of a step is the same, and so are the kernels.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...ir import Array, Conv, Linear, Signal, TensorType
from ...ir.types import is_integer
from .convolution import Multiplication, Precision, unrolled
from .kernels import product, synapse
from .native import library
from .native.frames import FramePool, filled
from .native.populations import INT32_EXACT, image, layout_of
from .native.synapses import NativeSynapse

BYTES = ((0, 1), (0, 255), (-128, 127))
"""Payloads that a byte holds, cheapest first."""


class SynapseByStep:
    """A synapse that is given the payloads of one step after the other.

    Nothing need be known of them beforehand: a step runs on the compiled kernels if its payloads
    are integers that bytes hold, else on NumPy, in the float type in which its sums are exact.
    Real weights are multiplied in float64. It may be used in a process that was forked.

    Args:
        node: The synapse.
        shape: Of the payloads of a step: ``(channels, height, width)`` or ``(inputs,)``.
    """

    def __init__(self, node: Conv | Linear, shape: tuple[int, ...]) -> None:
        self._node, self._real = node, not is_integer(node.weight)
        self._shape = node.infer(TensorType(shape, Signal.SPIKES)).shape
        self._native = _native(node, shape, self._shape)
        self._frames = FramePool()
        self._products: dict[Precision, Multiplication] = {}

    def currents(self, payloads: Array) -> Array:
        """Return what it delivers, ``(*out_shape,)``, int64, or float64 where weights are real.

        Args:
            payloads: Of the step, ``(*shape,)``.
        """
        least, most = payloads.min(initial=0), payloads.max(initial=0)
        if least == most == 0:
            return np.zeros(self._shape, np.float64 if self._real else np.int64)
        if self._real:
            return self._multiplied(payloads, np.float64)
        bound = self._largest_sum * int(max(-least, most))
        if bound < INT32_EXACT:
            kinds = (kind for kind in BYTES if kind[0] <= least and most <= kind[1])
            if (found := self._compiled(payloads, next(kinds, None))) is not None:
                return found.astype(np.int64)
        precision = np.float32 if bound < 2**24 else np.float64
        return self._multiplied(payloads, precision).astype(np.int64)

    @cached_property
    def _largest_sum(self) -> int:
        """What payloads of at most 1 add up to at most, in any order and on the way."""
        magnitude = np.abs(self._node.weight.astype(np.int64)).reshape(len(self._node.weight), -1)
        return int(magnitude.sum(axis=1).max(initial=0)) * self._node.copies

    def _compiled(self, payloads: Array, kind: tuple[int, int] | None) -> Array | None:
        """Return what the compiled kernels compute, or None where floats are for it."""
        if self._native is None or kind is None:
            return None
        method = self._native.summing_method(np.count_nonzero(payloads) / payloads.size)
        layout = layout_of(self._native.source, kind, [self._native])
        sides = image(self._shape)
        if method is None or layout is None or sides is None:
            return None
        frames = filled(self._frames.take(layout, 1, 1), payloads[None, None])
        found = self._native.summed(method, frames, sides)
        self._frames.give_back(frames)
        return found.reshape(self._shape)

    def _multiplied(self, payloads: Array, precision: Precision) -> Array:
        """Return products of floats; of NumPy, as ONNX Runtime does not expect to be forked."""
        node = self._node
        if precision not in self._products:
            self._products[precision] = (
                unrolled(node, precision) if isinstance(node, Conv) else product(node, precision)
            )
        whole = synapse(node, payloads[None, None], precision, self._products[precision])
        return np.asarray(whole[0, 0])


def _native(
    node: Conv | Linear, shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> NativeSynapse | None:
    """Return a synapse for the compiled kernels, or None where they cannot hold its weights."""
    source, target = image(shape), image(out_shape)
    if library.library() is None or not is_integer(node.weight):
        return None
    if source is None or target is None:
        return None
    native = NativeSynapse(node, source, real=False, one_position=target[1:] == (1, 1))
    return native if native.fits else None
