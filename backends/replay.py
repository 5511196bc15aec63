"""Judging a run of a real-valued graph, event by event.

Where sums are real numbers the order of additions is a target's own. It moves a membrane by a
rounding error, and one that lies on the edge of its threshold falls to either side; from there on
two runs may differ everywhere. So a run is replayed: every node computes, by ``ir.reference``,
what is due after what the run itself sent before. Each event is judged by itself, and what an
event on an edge led to is right where it follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..ir import IF, Array, Graph, Input, Node
from ..ir.reference import State, step
from ..ir.types import is_integer

EDGE = 1e-9
"""A membrane as near as this to an edge may fall to either side; in units of current, which
compiled networks count in thresholds. Sums of thousands of products err by 1e-12."""


class Judgement(NamedTuple):
    """What a node had to send; arrays are ``(samples, timesteps, *shape)``, or of one step.

    Attributes:
        due: The payload that follows from what was sent before.
        right: Whether that was sent, or what a membrane within ``EDGE`` of its own would send.
        membrane: What decided: of a population its membrane before it fired.
    """

    due: Array
    right: Array
    membrane: Array


@dataclass(frozen=True)
class Replay:
    """What a run had to do.

    Attributes:
        judged: For each population and max pool, what it had to send.
        outputs: For each output name, what the payloads are decoded to,
            ``(samples, timesteps, *shape)``, float64.
    """

    judged: Mapping[str, Judgement]
    outputs: Mapping[str, Array]


def can_replay(graph: Graph) -> bool:
    """Whether runs can be judged so: all neurons are ``IF``, and samples are no sequences."""
    plain = all(isinstance(node, IF) for node in graph.populations)
    return plain and all(node.sequence is None for node in graph.of_type(Input))


def replay(graph: Graph, inputs: Mapping[str, Array], sent: Mapping[str, Array]) -> Replay:
    """Judge what a run sent.

    Args:
        graph: A real-valued graph that can be replayed.
        inputs: For each input's name, ``(samples, *shape)``.
        sent: For each population and max pool, its payloads ``(samples, timesteps, *shape)``.
    """
    payloads = {name: _widened(array) for name, array in sent.items()}
    states: dict[str, State] = {node.name: {} for node in graph}
    judged: dict[str, list[Judgement]] = {name: [] for name in sent}
    outputs: dict[str, list[Array]] = {key: [] for key in graph.outputs}
    for t in range(1, next(iter(sent.values())).shape[1] + 1):
        values: dict[str, Array] = {}
        for node in graph:
            arguments = [values[name] for name in node.inputs]
            state = states[node.name]
            if isinstance(node, Input):
                values[node.name] = np.asarray(inputs[node.name], np.float64)
            elif node.name not in payloads:
                values[node.name] = step(node, arguments, state, t)
            else:
                payload = values[node.name] = payloads[node.name][:, t - 1]
                judge = _decided if isinstance(node, IF) else _pooled
                judged[node.name].append(judge(node, arguments, state, t, payload))
        for key, name in graph.outputs.items():
            outputs[key].append(values[name])
    return Replay(
        {
            name: Judgement(*(np.stack(parts, axis=1) for parts in zip(*steps, strict=True)))
            for name, steps in judged.items()
        },
        {key: np.stack(steps, axis=1) for key, steps in outputs.items()},
    )


def _decided(node: Node, currents: list[Array], state: State, t: int, sent: Array) -> Judgement:
    """Judge one step of a population, and go on as if it had decided as the run did."""
    assert isinstance(node, IF)
    right = np.zeros(sent.shape, bool)
    for shift in (-EDGE, EDGE):
        moved = [currents[0] + shift, *currents[1:]]
        right |= sent == step(node, moved, dict(state), t)
    due = step(node, currents, state, t)
    theta = node.threshold.astype(np.float64)
    membrane = state["v"] + due * theta
    state["v"] = state["v"] + (due - sent) * theta
    state["acc"] = state["acc"] + (sent - due)
    return Judgement(due, right | (sent == due), membrane)


def _pooled(node: Node, inputs: list[Array], state: State, t: int, sent: Array) -> Judgement:
    """Judge one step of a max pool, whose payloads may be real."""
    due = step(node, inputs, state, t)
    return Judgement(due, np.abs(sent - due) <= EDGE, due)


def _widened(payloads: Array) -> Array:
    """Return payloads in a type in which their sums fit."""
    return payloads.astype(np.int64 if is_integer(payloads) else np.float64)
