"""In which type of ONNX a value is exact: decided from static bounds, for each value by itself.

ONNX Runtime multiplies and convolves in float32, and adds there any integers without error as long
as no sum can leave 24 bits. Where one can, float64 holds 53 bits; its convolutions are matrix
products, which every version has. States are held in float32 likewise: nothing need be converted
between a convolution and a membrane. Larger ones are integers of 32 or of 64 bits.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from onnx import TensorProto

from ...ir import IF, Array, Conv, Graph, Integrator, Linear, Population, RadixIF
from ...ir.bounds import is_quantized, largest_current, membrane_bound

FLOAT_EXACT = 1 << 24
"""float32 holds every integer up to this, float64 up to ``DOUBLE_EXACT``."""
DOUBLE_EXACT = 1 << 53
INT32_EXACT = 1 << 31
INT64_EXACT = 1 << 63


class Number(Enum):
    """The types that models are written in, by what ONNX calls them."""

    FLOAT = TensorProto.FLOAT
    DOUBLE = TensorProto.DOUBLE
    INT8 = TensorProto.INT8
    INT16 = TensorProto.INT16
    INT32 = TensorProto.INT32
    INT64 = TensorProto.INT64
    BOOL = TensorProto.BOOL

    @property
    def dtype(self) -> Any:
        """The type in NumPy."""
        return _DTYPES[self]

    @property
    def is_float(self) -> bool:
        """Whether dividing leaves a fraction."""
        return self in (Number.FLOAT, Number.DOUBLE)


_DTYPES = {
    Number.FLOAT: np.float32,
    Number.DOUBLE: np.float64,
    Number.INT8: np.int8,
    Number.INT16: np.int16,
    Number.INT32: np.int32,
    Number.INT64: np.int64,
    Number.BOOL: np.bool_,
}


def stored(weight: Array) -> Number:
    """Return the smallest type of integers that holds all of an array."""
    largest = max(-int(weight.min(initial=0)), int(weight.max(initial=0)))
    kinds = {Number.INT8: 127, Number.INT16: 2**15 - 1, Number.INT32: 2**31 - 1}
    return next((kind for kind, most in kinds.items() if largest <= most), Number.INT64)


def in_floats(bound: int) -> Number:
    """Return the type of floats that holds every integer below a bound."""
    return Number.FLOAT if bound < FLOAT_EXACT else Number.DOUBLE


def in_integers(bound: int) -> Number:
    """Return the type of integers that holds every integer below a bound."""
    return Number.INT32 if bound < INT32_EXACT else Number.INT64


def exact(bound: int) -> Number:
    """Return the fastest type that holds every integer below a bound, and divides exactly.

    A quotient rounded to float32 and then down is the true one rounded down, for
    ``v + threshold <= 2**24``: it could only be rounded up to a whole number ``n`` from less than
    ``n * 2**-24`` below, but ``v / threshold`` is ``1 / threshold`` below it at least, and
    ``n * threshold`` is no more than ``v + threshold``.
    """
    return Number.FLOAT if bound < FLOAT_EXACT else in_integers(bound)


def of_edge(graph: Graph, name: str) -> Number:
    """Return the type in which payloads are handed to synapses and views."""
    payload = graph.types[name].payload
    return Number.DOUBLE if payload is None else in_floats(max(map(abs, payload)))


def of_synapse(graph: Graph, node: Conv | Linear) -> Number:
    """Return the type in which a synapse multiplies and adds."""
    return in_floats(largest_sum(graph, node)) if is_quantized(graph) else Number.DOUBLE


def largest_sum(graph: Graph, node: Conv | Linear) -> int:
    """Return a bound on every partial sum of a synapse of integers, in any order."""
    least, most = graph.types[node.inputs[0]].payload or (0, 0)
    magnitude = np.abs(node.weight.astype(np.int64)).reshape(len(node.weight), -1).sum(axis=1)
    return int(magnitude.max(initial=0)) * node.copies * max(abs(least), abs(most))


def largest_state(graph: Graph, node: Population | Integrator, steps: int) -> int:
    """Return a bound on what an integer neuron or readout computes with."""
    currents = sum(largest_current(graph, name) for name in node.inputs)
    currents += int(np.abs(node.bias).max())
    if isinstance(node, Integrator):
        return membrane_bound(graph, node, steps) + currents
    start, theta = int(np.abs(node.initial).max()), int(node.threshold.max())
    largest = max(map(abs, node.payload))
    if not isinstance(node, IF):
        return start + steps * (currents + (theta if isinstance(node, RadixIF) else 0) * largest)
    bound = membrane_bound(graph, node, steps)
    if node.clamp is not None:
        bound = min(bound, node.clamp)
    bound = max(bound, start) + currents + theta * largest
    return max(4 * bound if node.select != "count" else bound, steps * largest)
