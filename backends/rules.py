"""Design rules: each looks at a graph and yields one problem per violation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..ir import (
    IF,
    Conv,
    Encoder,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    TrackingIF,
)
from ..ir.bounds import carries_integers, is_quantized, largest_current
from ..ir.errors import DesignRuleError, Problem
from ..ir.leaky import LeakyPopulation
from ..ir.trained import looks_trained
from ..ir.types import is_integer
from .readouts import readout
from .target import Target

Rule = Callable[[Graph, Target], Iterator[Problem]]

RATE_TYPE = "compile with --code rate, ternary or augmented, and without --differential"


def supported_nodes(graph: Graph, target: Target) -> Iterator[Problem]:
    """Every node is of a class the target can run."""
    others = [node for node in graph if not isinstance(node, tuple(target.supports))]
    if any(isinstance(node, TrackingIF) for node in others):
        yield Problem(
            f"target {target.name} has no neurons of code exact",
            "leave --code exact out, or choose another target, as --target numpy",
        )
    for node in others:
        if not isinstance(node, TrackingIF):
            yield Problem(
                f"{node.name}: {type(node).__name__} cannot run on target {target.name}",
                "choose another target; `snnc targets` lists them",
            )


def integers_only(graph: Graph, target: Target) -> Iterator[Problem]:
    """A fixed-point target runs quantised graphs."""
    if target.needs_integers and not is_quantized(graph):
        trained = looks_trained(graph)
        yield Problem(
            f"target {target.name} runs integers but the graph is real-valued",
            "train it in integers" if trained else "compile with --weight-bits 8",
        )


def integer_currents(graph: Graph, target: Target) -> Iterator[Problem]:
    """A trained neuron in integers reads integers: nothing rounds a current on its way."""
    for node in graph.populations:
        if isinstance(node, (LeakyPopulation, LoihiLIF)) and is_integer(node.threshold):
            for name in node.inputs:
                if not carries_integers(graph, name):
                    yield Problem(
                        f"{node.name}: computes integers, and the current {name!r} is real",
                        "give the synapse integer weights and read integer payloads",
                    )


def stepwise_inputs(graph: Graph, target: Target) -> Iterator[Problem]:
    """Samples with a value for every step go where they can be injected."""
    for node in graph.of_type(Input):
        if node.stepwise and not target.stepwise_inputs:
            yield Problem(
                f"{node.name}: has a value for every time step, and target {target.name} injects "
                "the same one at all steps",
                "choose another target; `snnc targets` lists them",
            )


def payloads(graph: Graph, target: Target) -> Iterator[Problem]:
    """Events fit the alphabet of the target."""
    for node in graph.populations:
        least, most = node.payload
        if least < 0 and not target.signed_payloads:
            yield Problem(
                f"{node.name}: sends negative events, which target {target.name} has not",
                "compile with --code rate",
            )
        if max(-least, most) > 1 and not target.graded_payloads:
            yield Problem(
                f"{node.name}: sends graded events, which target {target.name} has not",
                "compile with --code ternary or --code rate",
            )


def rate_coded(graph: Graph, target: Target) -> Iterator[Problem]:
    """All steps are alike on a target that knows no other schedule; see ``Target``."""
    if not target.rate_coded_only:
        return
    tracking = all(isinstance(node, TrackingIF) for node in graph.populations)
    trained = looks_trained(graph)
    readouts = ("mean", "sum") if tracking or trained else ("mean",)
    for node in graph:
        if isinstance(node, IF) and node.select != "count":
            yield Problem(
                f"{node.name}: has several thresholds, which target {target.name} cannot run",
                "compile with --code augmented",
            )
        elif isinstance(node, Encoder) and node.once and not (tracking or trained):
            yield Problem(
                f"{node.name}: injects the sample once, and target {target.name} at every step",
                RATE_TYPE,
            )
        elif isinstance(node, Integrator) and (node.start > 1 or node.decoding not in readouts):
            yield Problem(
                f"{node.name}: target {target.name} reads out the mean over all steps only",
                RATE_TYPE if node.decoding not in readouts else "compile without --readout-delay",
            )


def resets(graph: Graph, target: Target) -> Iterator[Problem]:
    """A spike does to its membrane what the target can do."""
    for node in graph.of_type(IF):
        if node.reset not in target.resets:
            words = {"subtract": "by subtraction", "zero": "to zero"}
            yield Problem(
                f"{node.name}: resets {words[node.reset]}, which target {target.name} cannot",
                f"compile with --code rate --reset {target.resets[0]}",
            )


def currents(graph: Graph, target: Target) -> Iterator[Problem]:
    """One step's current fits the accumulator of the target."""
    if target.max_current is None or not is_quantized(graph):
        return
    for node in graph.of_type(Conv) + graph.of_type(Linear):
        bound = largest_current(graph, node.name)
        if bound > target.max_current:
            yield Problem(
                f"{node.name}: its current can reach {bound} in a step, and target "
                f"{target.name} holds {target.max_current}",
                "lower --max-payload or --input-bits",
            )


def decoded_outputs(graph: Graph, target: Target) -> Iterator[Problem]:
    """Every output is that of an integrator, under any shape: a rule of some targets."""
    for output, name in graph.outputs.items():
        if not isinstance(graph[readout(graph, name)], Integrator):
            yield Problem(
                f"{name}: output {output!r} is a {type(graph[name]).__name__}, not an integrator",
                "end the network with a synapse and an integrator",
            )


RULES: tuple[Rule, ...] = (
    *(supported_nodes, integers_only, integer_currents, stepwise_inputs),
    *(payloads, rate_coded, resets, currents),
)


def check(graph: Graph, target: Target, own: Iterable[Rule] = ()) -> None:
    """Raise ``DesignRuleError`` with all violations, if there are any.

    Args:
        graph: A spiking graph.
        target: What it is to run on.
        own: Rules beyond those that ``Target`` data express.
    """
    if broken := [problem for rule in (*RULES, *own) for problem in rule(graph, target)]:
        raise DesignRuleError(target.name, broken)
