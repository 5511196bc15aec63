"""Trained graphs in the few kinds of neurons that NIR has, before they are written.

- An ``IF`` is an ``LIF`` whose membrane keeps all.
- NIR's current of a ``CubaLIF`` is charged by what comes in, and its membrane has no input of its
  own. Where a bias flows into the membrane, and is not that of ``v_leak``, the neuron is written
  as its two equations: an ``LI`` for the current, and an ``LIF`` that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from ...ir import (
    IF,
    LI,
    LIF,
    Array,
    Conv,
    CubaLI,
    CubaLIF,
    Graph,
    Integrator,
    Linear,
    Node,
    Population,
)
from ...ir.leaky import LeakyIntegrator, LeakyPopulation
from ...ir.types import is_integer
from .neurons import ROUNDING

N = TypeVar("N", bound=Node)


def prepared(graph: Graph) -> Graph:
    """Return the same network with the neurons that NIR has, all parameters real."""
    nodes = [made for node in graph for made in _in_kinds_of_nir(graph, node)]
    return Graph(nodes, graph.outputs)


def _in_kinds_of_nir(graph: Graph, node: Node) -> Iterator[Node]:
    shape = graph.types[node.name].shape
    if isinstance(node, IF) and _is_plain(node):
        yield _real(
            LIF(
                name=node.name,
                inputs=node.inputs,
                decay=np.ones_like(node.threshold),
                gain=np.ones_like(node.threshold),
                bias=node.bias,
                initial=node.initial,
                threshold=node.threshold,
                reset="value" if node.reset == "zero" else "subtract",
                reset_to=np.zeros_like(node.threshold),
            )
        )
    elif isinstance(node, (CubaLIF, CubaLI)) and not _rests_there(_real(node)):
        own = _real(node)
        current = f"{node.name}.current"
        yield LI(name=current, inputs=node.inputs, decay=own.current_decay, gain=own.current_gain)
        yield _identity(f"{node.name}.driven", current, shape)
        kept = {
            field.name: getattr(own, field.name)
            for field in fields(node)
            if field.name not in ("inputs", "current_decay", "current_gain")
        }
        kind = LIF if isinstance(node, CubaLIF) else LI
        yield kind(inputs=(f"{node.name}.driven",), **kept)
    elif isinstance(node, (LeakyPopulation, LeakyIntegrator)):
        yield _real(node)
    else:
        yield node


def _is_plain(node: IF) -> bool:
    """Whether an ``IF`` sends 0 and 1, and remembers nothing but its membrane."""
    bounds = (node.acc_min, node.acc_max) != (None, None)
    return node.payload == (0, 1) and node.select == "count" and not bounds


def _rests_there(node: CubaLIF | CubaLI) -> bool:
    """Whether a bias is what keeps the membrane where a sample begins."""
    leak = (1 - node.decay) * node.initial
    kept = (node.decay < 1) | (node.initial == 0)  # a v_leak without leak would keep it too
    return bool((np.abs(node.bias - leak) <= ROUNDING * np.abs(leak)).all() and kept.all())


def _real(node: N) -> N:
    whole: dict[str, Any] = {
        name: value.astype(np.float64)
        for name, value in vars(node).items()
        if isinstance(value, np.ndarray) and is_integer(value)
    }
    return replace(node, **whole)


def _identity(name: str, source: str, shape: tuple[int, ...]) -> Conv | Linear:
    eye = np.eye(shape[0])
    if len(shape) == 1:
        return Linear(name=name, inputs=(source,), weight=eye)
    return Conv(name=name, inputs=(source,), weight=eye[:, :, None, None])


def is_count(graph: Graph, node: Integrator) -> bool:
    """Whether a readout counts spikes: it sums what one population sends, one to one."""
    if node.decoding != "sum" or len(node.inputs) > 1 or node.bias.any() or (node.scale != 1).any():
        return False
    synapse = graph[node.inputs[0]]
    if not isinstance(synapse, (Linear, Conv)) or synapse.copies != 1:
        return False
    if not isinstance(graph[synapse.inputs[0]], Population):
        return False
    return _is_identity(synapse, graph.types[synapse.inputs[0]].shape)


def _is_identity(synapse: Linear | Conv, shape: tuple[int, ...]) -> bool:
    weight: Array = synapse.weight
    if isinstance(synapse, Conv):
        if weight.shape[2:] != (1, 1) or synapse.stride != (1, 1) or any(synapse.padding):
            return False
        if synapse.groups == shape[0] == len(weight):
            return bool((weight == 1).all())
        weight = weight[:, :, 0, 0]
    return weight.shape == (shape[0],) * 2 and bool((weight == np.eye(shape[0])).all())
