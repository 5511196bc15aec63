"""The metadata of the file of a trained network, and where NIR means something else."""

from __future__ import annotations

import json

from ...ir import Encoder, Graph, Input, Integrator
from ...ir.errors import Problem
from ...ir.leaky import LeakyPopulation
from .continuous import TimeStep
from .feeding import in_words, input_document
from .file_contract import FORMAT, KEY, READOUTS, SAMPLES, listed, meaning_document
from .from_trained import TrainedLayout
from .hdf5 import SOFT_RESET
from .trained_rules import unlike_nir

USAGE = """Made by snnc from a network that was trained as a spiking one. One time step is {dt!r} s,
discretisation {rule}: {equations}. Before each sample membranes are at v_leak, 0 without it, and
currents at 0. {given}. What spikes do beyond v_reset, and what outputs mean, stands in the entry
snnc. One step crosses the whole network; edges that close a loop take one step: {late}."""

EQUATIONS = {
    "exact": "decay = exp(-dt / tau), and R (1 - decay) of what comes in is added",
    "euler": "decay = 1 - dt / tau, and R dt / tau of what comes in is added",
}

SHOWN = 3
"""Names that are listed before the rest is counted."""


def metadata(
    graph: Graph, layout: TrainedLayout, step: TimeStep, timesteps: int, found: list[Problem]
) -> dict[str, str]:
    """Return the metadata of a file.

    Args:
        graph: The prepared graph.
        layout: Its network.
        step: How equations become steps.
        timesteps: T.
        found: The differences.
    """
    v_reset = layout.network.version != SOFT_RESET
    document = {
        "format": FORMAT,
        "timesteps": timesteps,
        "dt": step.dt,
        "discretisation": step.rule,
        "neurons": {
            name: meaning_document(meaning, v_reset=v_reset)
            for name, meaning in layout.meanings.items()
        },
        **SAMPLES,
        "late": [list(edge) for edge in layout.late],
        "inputs": {
            layout.inputs[node.name]: input_document(node)
            | {"steps": "its own value" if _stepwise(graph, node) else "the same value"}
            for node in graph.of_type(Encoder)
        },
        "outputs": {
            each.node: {"name": key, "readout": READOUTS[each.kind]}
            | ({"offset": each.offset.tolist()} if each.offset.any() else {})
            for key, each in layout.readouts.items()
        },
        "differences": listed(found),
    }
    given = "; ".join(
        f"{layout.inputs[node.name]} is {in_words(node)} at every step, "
        + ("each with its own x" if _stepwise(graph, node) else "the same x")
        for node in graph.of_type(Encoder)
    )
    usage = USAGE.format(
        dt=step.dt,
        rule=step.rule,
        equations=EQUATIONS[step.rule],
        given=given,
        late=", ".join(f"{a} to {b}" for a, b in layout.late) or "there are none",
    )
    return {KEY: json.dumps(document), "usage": usage}


def differences(graph: Graph, layout: TrainedLayout, step: TimeStep, meaning: str) -> list[Problem]:
    """Return where NIR does not mean what a prepared graph computes, and what to do."""
    found = [
        Problem(
            f"NIR has no time step: the file means {step.dt:g} s, discretisation {step.rule}",
            "read it with that step; snnc does so by itself",
        )
    ]
    unlike: dict[str, list[str]] = {}
    for node in graph.populations:
        if isinstance(node, LeakyPopulation):
            for what in unlike_nir(node, meaning):
                unlike.setdefault(what, []).append(node.name)
    found += [
        Problem(
            f"{_named(names)}: {what}; this stands in the metadata",
            "tell the reader, or refuse such files with --nir-flavour strict",
        )
        for what, names in unlike.items()
    ]
    if layout.late:
        found.append(
            Problem(
                "loops: NIR does not say which edge takes a step; the file means "
                + _named([f"{a} to {b}" for a, b in layout.late]),
                "check which edge the reader delays; snnc takes these",
            )
        )
    clamped = [node.name for node in graph.of_type(Integrator) if node.clamp is not None]
    if clamped:
        found.append(
            Problem(
                f"{_named(clamped)}: sums saturate, and NIR's have no bounds", "run fewer steps"
            )
        )
    return found


def _stepwise(graph: Graph, node: Encoder) -> bool:
    given = graph[node.inputs[0]]
    return isinstance(given, Input) and given.stepwise


def _named(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
