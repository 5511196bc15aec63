"""From a neuron of NIR to the node of the graph that computes its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir import LI, LIF, Array, CubaLI, CubaLIF, Node
from .discretisation import Discretisation
from .nodes import Neuron, Shape, Threshold
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

    A membrane without leak starts at 0, one with leak at ``v_leak``, where it stays at rest.

    Args:
        name: Of the node.
        neuron: The neuron.
        inputs: Names of the currents it reads.
        received: A constant current beside them; not for neurons with a current of their own.
        shape: The physical shape.
        rule: How its equation becomes steps.
        resets: What its spikes do.
    """
    gain = compact(rule.gain(neuron), shape)
    decay, leak, rest = np.ones(1), np.zeros(1), np.zeros(1)
    if neuron.tau is not None and neuron.v_leak is not None:
        decay = compact(rule.decay(neuron.tau), shape)
        rest = compact(neuron.v_leak, shape)
        leak = compact(rule.share(neuron.tau) * neuron.v_leak, shape)
    bias = gain * received + leak
    if neuron.v_threshold is None:
        membrane = LI(
            name=name, inputs=inputs, decay=decay, gain=gain, bias=_plain(bias), initial=rest
        )
        if neuron.tau_syn is None:
            return membrane
        return CubaLI(**vars(membrane), **_current(neuron, shape, rule))
    meaning = resets.meaning(name, neuron)
    threshold = compact(neuron.v_threshold, shape)
    lift = _lift(threshold)  # a neuron of snnc has a threshold above 0
    spiking = LIF(
        name=name,
        inputs=inputs,
        decay=decay,
        gain=gain,
        bias=_plain(bias + (1 - decay) * lift),
        initial=rest + lift,
        threshold=threshold + lift,
        strict=meaning.strict,
        reset=meaning.reset,
        reset_to=_spread(meaning.reset_to, shape) + lift,
        reset_delayed=meaning.delayed,
        refractory=meaning.refractory,
    )
    if neuron.tau_syn is None:
        return spiking
    return CubaLIF(**vars(spiking), **_current(neuron, shape, rule))


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


def _current(neuron: Neuron, shape: Shape, rule: Discretisation) -> dict[str, Any]:
    assert neuron.tau_syn is not None
    assert neuron.w_in is not None
    return {
        "current_decay": compact(rule.decay(neuron.tau_syn), shape),
        "current_gain": compact(neuron.w_in * rule.share(neuron.tau_syn), shape),
    }
