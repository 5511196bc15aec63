"""Differential coding: an event at step t corrects the value that stands by 1/t of its unit.

The sample and the biases enter once, at the first step; populations become ``DifferentialIF``
and readouts add up harmonically. Approximate like the rate-type codes, but without their decay
of old evidence: as the values settle, ever smaller corrections are sent. Huang et al., ICML
2025 (arXiv 2503.00301).
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import IF, DifferentialIF, Encoder, Graph, Integrator, MaxPool, Node
from ...ir.errors import ConversionError, Problem


def to_differential(graph: Graph) -> Graph:
    """Return the network in differential coding.

    Raises:
        ConversionError: It has max pools of spikes, or bounds that count units.
    """
    problems = [problem for node in graph if (problem := _problem(node))]
    if problems:
        lines = "\n".join(f"  - {problem.message}" for problem in problems)
        raise ConversionError(
            f"differential coding cannot express the model:\n{lines}", problems=problems
        )
    return Graph((_converted(node) for node in graph), graph.outputs)


def _problem(node: Node) -> Problem | None:
    if isinstance(node, MaxPool):
        return Problem(
            f"{node.name}: takes the maximum of events that are worth less at every step",
            "use average pooling, or compile without --differential",
        )
    if isinstance(node, IF) and (node.acc_min not in (0, None) or node.acc_max is not None):
        return Problem(
            f"{node.name}: is bounded below 0 or in the units it sends",
            "compile without --differential",
        )
    return None


def _converted(node: Node) -> Node:
    if isinstance(node, Encoder):
        return replace(node, once=True)
    if isinstance(node, Integrator):
        return replace(node, decoding="harmonic")
    if not isinstance(node, IF):
        return node
    return DifferentialIF(
        name=node.name,
        inputs=node.inputs,
        threshold=node.threshold,
        bias=node.bias,
        initial=node.initial,
        unit=node.unit,
        represents=node.represents,
        levels=node.max_positive.bit_length(),
        guard=node.acc_min == 0,
        select=node.select,
    )
