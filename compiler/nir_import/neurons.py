"""From a neuron of NIR to the node of the graph that computes its steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...backends.nir_file.neurons import discrete
from ...backends.nir_file.nodes import Neuron, Threshold
from ...ir import LIF, Array, Node
from .discretisation import Discretisation
from .nodes import Shape
from .resets import Resets


def physical(shape: Shape) -> Shape:
    """Return the shape that a population of snnc has: a vector, or channels, height and width.

    >>> physical((8,)), physical((8, 100)), physical((2, 3, 4, 5))
    ((8,), (8, 1, 100), (120,))
    """
    if len(shape) in (1, 3):
        return shape
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    return (int(np.prod(shape)),)


def compact(array: Array, shape: Shape) -> Array:
    """Return a parameter for a population of that shape, one number where all are the same.

    Args:
        array: One number, or one for each value in NIR's shape.
        shape: The physical shape.
    """
    if array.size == 1 or (array == array.flat[0]).all():
        return np.asarray(array, np.float64).reshape(-1)[:1].copy()
    values = np.asarray(array, np.float64).reshape(shape)
    if len(shape) == 3 and (values == values[:, :1, :1]).all():
        return values[:, :1, :1].copy()
    return values


def node_for(
    name: str,
    neuron: Neuron,
    inputs: tuple[str, ...],
    received: Array,
    shape: Shape,
    rule: Discretisation,
    resets: Resets,
) -> Node:
    """Return the node that computes a neuron.

    Args:
        name: Of the node.
        neuron: The neuron.
        inputs: Names of the currents it reads.
        received: A constant current beside them; not for neurons with a current of their own.
        shape: The physical shape.
        rule: How its equation becomes steps.
        resets: What its spikes do.
    """
    spikes = neuron.v_threshold is not None
    plain = discrete(neuron, resets.meaning(name, neuron) if spikes else None, rule)
    own: dict[str, Any] = {
        key: _spread(value, shape)
        for key, value in vars(plain).items()
        if isinstance(value, np.ndarray)
    }
    bias = own["gain"] * received + own["bias"]
    if spikes:
        lift = _lift(own["threshold"])  # a neuron of snnc has a threshold above 0
        bias = bias + (1 - own["decay"]) * lift
        own |= {key: own[key] + lift for key in ("initial", "threshold", "reset_to")}
    return replace(plain, name=name, inputs=inputs, **(own | {"bias": _plain(bias)}))


def step_function(
    name: str,
    node: Threshold,
    inputs: tuple[str, ...],
    received: Array,
    shape: Shape,
    *,
    strict: bool = True,
) -> Node:
    """Return the node that sends 1 wherever what it reads is above a threshold, or at it."""
    threshold = compact(node.threshold, shape)
    lift = _lift(threshold)
    return LIF(
        name=name,
        inputs=inputs,
        decay=np.zeros(1),
        bias=_plain(received + lift),
        threshold=threshold + lift,
        strict=strict,
        reset="none",
    )


def _lift(threshold: Array) -> Array:
    """Return what to add to membranes and thresholds, so that all thresholds are above 0."""
    least = threshold.min()
    return np.full(1, 0.0 if least > 0 else 1 - least)


def _spread(parameter: Array, shape: Shape) -> Array:
    """Return a parameter of the file, or of its metadata, where one number may be for many."""
    whole = parameter.size in (1, np.prod(shape))
    return compact(parameter if whole else np.broadcast_to(parameter, shape), shape)


def _plain(array: Array) -> Array:
    """Return one number where all are the same."""
    return array.reshape(-1)[:1] if (array == array.flat[0]).all() else array
