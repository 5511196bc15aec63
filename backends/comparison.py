"""Comparing two runs of a real-valued graph: equal, but for rounding and what rounding decides.

Outputs agree to ``OUTPUT_TOLERANCE``, payloads are equal. One may differ where its membrane lies
on an edge, and others where that follows (``replay``); both are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..ir import Array, Graph
from .replay import EDGE, can_replay, replay

OUTPUT_TOLERANCE = 1e-9
"""Of outputs in float64; where the largest of a sample's step is beyond 1, relative to it."""

ROUNDED_TOLERANCE = 1e-6
"""Relative to the largest expected output of a sample's step, of outputs that were rounded to
float32: that is 6e-8, and sums of some thousand products lose another digit."""


class Answers(NamedTuple):
    """What a run gave; arrays are ``(samples, timesteps, *shape)``.

    Attributes:
        spikes: For each population and max pool, its payloads; empty if they were not kept.
        outputs: For each output name, the decoded output after every step.
    """

    spikes: Mapping[str, Array]
    outputs: Mapping[str, Array]

    def of(self, samples: Array) -> Answers:
        """Return the answers to some of the samples."""
        return Answers(
            {name: sent[samples] for name, sent in self.spikes.items()},
            {key: trace[samples] for key, trace in self.outputs.items()},
        )


@dataclass(frozen=True)
class Difference:
    """A value that is not the expected one.

    Attributes:
        sample: Its number, counted from 0.
        node: The node: a population, a max pool, or the integrator of an output.
        index: Place within the node, counted from 0, channels first.
        step: The time step, counted from 1, in a sequence through all its elements.
        expected: The right payload or decoded output.
        actual: What the target computed.
    """

    sample: int
    node: str
    index: tuple[int, ...]
    step: int
    expected: float
    actual: float


@dataclass(frozen=True)
class Comparison:
    """How two runs differ.

    Attributes:
        at_edges: Payloads that differ though both runs decided on the same membrane: it lies
            within ``EDGE`` of an edge.
        followed: All others that differ: inputs or membranes were other ones already.
        output_difference: The largest difference of two outputs; in samples with payloads that
            differ, between an output and what the run's own payloads are decoded to.
        wrong: What no rounding explains: of each array the earliest.
    """

    at_edges: int
    followed: int
    output_difference: float
    wrong: tuple[Difference, ...]


def compare(
    graph: Graph, inputs: Mapping[str, Array], expected: Answers, actual: Answers
) -> Comparison:
    """Compare two runs of a real-valued graph.

    Args:
        graph: What both computed.
        inputs: For each input's name, ``(samples, *shape)``.
        expected: What one run gave.
        actual: What the other gave, with the same keys and shapes.
    """
    apart = {name: _apart(sent, actual.spikes[name]) for name, sent in expected.spikes.items()}
    moved = np.zeros(len(next(iter(expected.outputs.values()))), bool)
    for differ in apart.values():
        moved |= differ.reshape(len(differ), -1).any(axis=1)
    differing, alike = np.flatnonzero(moved), np.flatnonzero(~moved)
    found = _Findings(graph)
    found.outputs(alike, expected.of(alike).outputs, actual.of(alike).outputs)
    if not differing.size:
        return found.comparison(0, 0)
    total = sum(int(np.count_nonzero(differ)) for differ in apart.values())
    if not can_replay(graph):
        everything = np.arange(len(moved))
        for name, differ in apart.items():
            found.payloads(everything, name, differ, expected.spikes[name], actual.spikes[name])
        return found.comparison(0, total)
    some = {name: np.asarray(x)[differing] for name, x in inputs.items()}
    ours, theirs = actual.of(differing), expected.of(differing)
    by_us, by_them = (replay(graph, some, run.spikes) for run in (ours, theirs))
    at_edges = 0
    for name, differ in apart.items():
        us, them = by_us.judged[name], by_them.judged[name]
        found.payloads(differing, name, ~us.right, us.due, ours.spikes[name])
        found.payloads(differing, name, ~them.right, theirs.spikes[name], them.due)
        same = np.abs(us.membrane - them.membrane) <= EDGE
        at_edges += int(np.count_nonzero(differ[differing] & same))
    found.outputs(differing, by_us.outputs, ours.outputs)
    found.outputs(differing, theirs.outputs, by_them.outputs)
    return found.comparison(at_edges, total - at_edges)


class _Findings:
    """What a comparison gathers."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.largest = 0.0
        self.wrong: list[Difference] = []

    def payloads(
        self, samples: Array, name: str, wrong: Array, expected: Array, actual: Array
    ) -> None:
        self.wrong += earliest(samples, name, wrong, expected, actual)

    def outputs(
        self, samples: Array, expected: Mapping[str, Array], actual: Mapping[str, Array]
    ) -> None:
        for key, wanted in expected.items():
            trace = actual[key]
            error = np.abs(wanted.astype(np.float64) - trace)
            self.largest = max(self.largest, float(error.max(initial=0.0)))
            wrong = ~(error <= tolerance(wanted, trace))
            self.wrong += earliest(samples, self.graph.outputs[key], wrong, wanted, trace)

    def comparison(self, at_edges: int, followed: int) -> Comparison:
        return Comparison(at_edges, followed, self.largest, tuple(self.wrong))


def tolerance(expected: Array, actual: Array) -> Array:
    """Return how far two arrays of outputs may be apart, for each sample and step."""
    axes = tuple(range(2, expected.ndim))
    precise = expected.dtype == actual.dtype == np.float64
    relative, least = (OUTPUT_TOLERANCE, 1.0) if precise else (ROUNDED_TOLERANCE, 0.0)
    scale = np.abs(expected).max(axis=axes, keepdims=True, initial=least)
    return np.asarray(relative * scale)


def earliest(
    samples: Iterable[int], node: str, wrong: Array, expected: Array, actual: Array
) -> Iterator[Difference]:
    """Yield the first wrong value of an array, if there is one: sample, then step, then place.

    Args:
        samples: The number of each sample.
        node: What the values belong to.
        wrong: ``(samples, timesteps, *shape)``.
        expected: The right values.
        actual: What was computed.
    """
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        sample, step, *index = map(int, place)
        yield Difference(
            int(list(samples)[sample]),
            node,
            tuple(index),
            step + 1,
            expected[place].item(),
            actual[place].item(),
        )


def _apart(expected: Array, actual: Array) -> Array:
    """Return where payloads differ; those of a max pool may be real."""
    return np.asarray(~(np.abs(expected.astype(np.float64) - actual) <= EDGE))
