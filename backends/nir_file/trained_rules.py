"""What a ``.nir`` file cannot hold of a trained spiking network, beyond its ``Target`` data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...ir import VIEWS, Delay, Encoder, Feedback, Graph, Integrator, Population, Signal
from ...ir.errors import Problem
from ...ir.leaky import LeakyIntegrator, LeakyPopulation
from ..rules import Rule
from ..target import Target
from .continuous import TimeStep
from .design_rules import no_sequences, readable_synapses
from .from_graph import sending, varies
from .from_trained import current_varies
from .neurons import keeps_nothing
from .places import Places
from .trained_graph import is_count

OTHER = "compile with --target numpy or lava"


def rules(*, strict: bool, meaning: str, step: TimeStep) -> tuple[Rule, ...]:
    """Return the design rules; see ``design_rules.rules``."""
    own: tuple[Rule, ...] = (partial(as_nir_means, meaning),) if strict else ()
    return (
        no_sequences,
        every_step,
        binary_spikes,
        leaks,
        carried,
        readable_synapses,
        partial(constant_currents, step),
        readouts,
        *own,
    )


def unlike_nir(node: LeakyPopulation, meaning: str) -> Iterator[str]:
    """Yield what a neuron does that NIR does not say, in words.

    Args:
        node: The neuron.
        meaning: What a spike does in NIR of a version: ``subtract``, or ``zero`` for ``v_reset``.
    """
    if not node.strict:
        yield "fires at its threshold too, and NIR's above it only"
    if not keeps_nothing(node):
        wanted = "subtract" if meaning == "subtract" else "value"
        words = {
            "subtract": "takes the threshold off the membrane",
            "value": "sets the membrane",
            "none": "leaves the membrane as it is",
        }
        if node.reset != wanted:
            said = {"subtract": "takes it off", "value": "sets v_reset"}[wanted]
            yield f"{words[node.reset]} at a spike, and this version of NIR {said}"
        elif wanted == "value" and meaning == "subtract":
            yield "resets to a value, and this version of NIR has no v_reset"
    if node.reset_delayed and node.reset != "none":
        yield "resets a step after the spike, and NIR's at once"
    if node.refractory:
        yield f"is refractory for {node.refractory} steps, and NIR's is not"


def as_nir_means(meaning: str, graph: Graph, target: Target) -> Iterator[Problem]:
    """A neuron does what NIR of that version says."""
    for node in graph.populations:
        if isinstance(node, LeakyPopulation):
            for what in unlike_nir(node, meaning):
                yield Problem(
                    f"{node.name}: {what} (--nir-flavour strict)",
                    "compile with --nir-flavour subtractive, which says it in the metadata",
                )


def every_step(graph: Graph, target: Target) -> Iterator[Problem]:
    """An input has a value at every step."""
    for node in graph.of_type(Encoder):
        if node.once:
            yield Problem(f"{node.name}: injects the sample once, and NIR at every step", OTHER)


def binary_spikes(graph: Graph, target: Target) -> Iterator[Problem]:
    """Neurons beside those with leak send 0 and 1 as well."""
    for node in graph.populations:
        if not isinstance(node, LeakyPopulation):
            yield Problem(
                f"{node.name}: sends payloads {node.payload[0]} to {node.payload[1]}, or "
                "remembers what it sent, and NIR's neurons send 0 and 1",
                OTHER,
            )


def leaks(graph: Graph, target: Target) -> Iterator[Problem]:
    """A decay is that of a time constant, and what is to move a membrane reaches it."""
    for node in graph:
        if not isinstance(node, (LeakyPopulation, LeakyIntegrator)):
            continue
        for name in ("decay", "current_decay"):
            decay = getattr(node, name, np.ones(1))
            if decay.min() < 0 or decay.max() > 1:
                worst = decay.min() if decay.min() < 0 else decay.max()
                yield Problem(
                    f"{node.name}: has a {name} of {worst:g}, and no time constant gives one "
                    "beyond 0 to 1",
                    OTHER,
                )
        if (node.gain == 0).any():
            yield Problem(f"{node.name}: has a gain of 0: nothing reaches it", OTHER)


def carried(graph: Graph, target: Target) -> Iterator[Problem]:
    """What comes late is what one population sends, whole; not a current."""
    sources = sending(graph)
    for node in graph:
        if isinstance(node, (Delay, Feedback)) and graph.types[node.name].signal is Signal.CURRENT:
            yield Problem(
                f"{node.name}: brings a current late, and NIR what is sent",
                "put the synapse behind it",
            )
        elif isinstance(node, Feedback) and not isinstance(
            graph[node.source], (Population, LeakyIntegrator)
        ):
            yield Problem(
                f"{node.name}: comes from {node.source!r}, which is no neuron",
                "let it come from the neurons themselves",
            )
    if any(graph.types[name].signal is Signal.CURRENT for name in sources):
        return
    places = Places(graph, sources)
    for name in _read_whole(graph):
        found = list(places.columns(name))
        order = found[0][2] if found else np.zeros(0)
        if len(found) != 1 or np.any(order != np.arange(graph.types[found[0][0]].size)):
            yield Problem(
                f"{name}: is made of parts or in another order, and NIR can flatten only",
                "leave Concat, Transpose, Pad and Resize out in front of delays and outputs",
            )
        elif graph.types[name].shape not in (
            graph.types[found[0][0]].shape,
            (graph.types[name].size,),
        ):
            yield Problem(f"{name}: has another shape, and NIR can flatten only", OTHER)


def _read_whole(graph: Graph) -> Iterator[str]:
    """Yield what delays, outputs and counts of spikes read."""
    for node in graph:
        if isinstance(node, Delay) and graph.types[node.name].signal is Signal.SPIKES:
            yield node.inputs[0]
        elif isinstance(node, Integrator) and is_count(graph, node):
            yield graph[node.inputs[0]].inputs[0]
    for name in graph.outputs.values():
        if graph.types[name].signal is Signal.SPIKES:
            yield name


def constant_currents(step: TimeStep, graph: Graph, target: Target) -> Iterator[Problem]:
    """A convolution of NIR has one bias for each channel."""
    for node in graph:
        shape = graph.types[node.name].shape
        if isinstance(node, (LeakyPopulation, LeakyIntegrator)):
            if (node.gain != 0).all() and _in_range(node) and current_varies(node, shape, step):
                yield Problem(
                    f"{node.name}: has a bias that differs within a channel, and Conv2d of NIR "
                    "has one for each channel",
                    "train it with one bias for each channel",
                )
        elif isinstance(node, Integrator):
            offset = node.bias if node.decoding == "mean" else np.zeros(1)
            if any(varies(value, node.scale, shape) for value in (offset, np.ones(1))):
                yield Problem(
                    f"{node.name}: has a bias or a scale that differs in a channel", OTHER
                )


def _in_range(node: LeakyPopulation | LeakyIntegrator) -> bool:
    decays = [getattr(node, name, np.ones(1)) for name in ("decay", "current_decay")]
    return all(decay.min() >= 0 and decay.max() <= 1 for decay in decays)


def readouts(graph: Graph, target: Target) -> Iterator[Problem]:
    """An output is a readout, or what is sent."""
    for output, name in graph.outputs.items():
        if graph.types[name].signal is Signal.CURRENT or (
            isinstance(graph[name], VIEWS) and graph.types[name].signal is Signal.REAL
        ):
            yield Problem(
                f"{name}: output {output!r} is a {type(graph[name]).__name__}",
                "end the network with neurons, or a synapse and an integrator",
            )
