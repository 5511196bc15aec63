"""What the file means, for readers that know snnc, and where NIR means something else."""

from __future__ import annotations

import json
from typing import Any

from ...ir import IF, Encoder, Graph, Integrator
from ...ir.bounds import is_quantized
from ...ir.errors import ArtifactError, Problem
from .feeding import in_words, input_document
from .file_contract import FORMAT, KEY, READOUTS, SAMPLES, listed
from .from_graph import Layout
from .hdf5 import SOFT_RESET
from .neuron_rules import NeuronRule

USAGE = """Made by snnc. One time step is dt = 1. Reset all membranes to 0 before each sample and
present it for {steps} steps, the same at each of them: {given}. An IF node adds what arrives to its
membrane, sends one spike at or above 1, and {reset}. One step crosses the whole network. The answer
is the mean of what Output receives over the {steps} steps, in the units of the model."""

RESETS = {"subtract": "1 is then taken off the membrane", "zero": "its membrane is 0 then"}


def meaning(version: str) -> str:
    """Return what a spike does to a membrane by the documentation of a version of ``nir``."""
    return "subtract" if version == SOFT_RESET else "zero"


def metadata(graph: Graph, layout: Layout, timesteps: int) -> dict[str, str]:
    """Return the metadata of a file."""
    version = layout.network.version
    found = differences(graph, version)
    reset = _reset(graph)
    neuron = {
        "reset": reset,
        "comparison": ">=",
        "initial": 0,
        "lower_bound": None,
        "spikes_per_step": 1,
        "decay": 1,
    }
    contract = {
        "format": FORMAT,
        "timesteps": timesteps,
        "dt": 1,
        "neuron": neuron,
        "bias": "every step",
        **SAMPLES,
        "inputs": {layout.inputs[n.name]: input_document(n) for n in graph.of_type(Encoder)},
        "outputs": {
            layout.outputs[n.name]: {"name": n.name, "readout": READOUTS["mean"]}
            for n in graph.of_type(Integrator)
        },
        "populations": {
            node: {"name": name, "sign": sign}
            for name, nodes in layout.populations.items()
            for node, sign in zip(nodes, (1, -1), strict=False)
        },
        "differences": listed(found),
    }
    given = "; ".join(f"{layout.inputs[n.name]} is {in_words(n)}" for n in graph.of_type(Encoder))
    usage = USAGE.format(steps=timesteps, given=given, reset=RESETS[reset])
    return {KEY: json.dumps(contract), "usage": usage}


def differences(graph: Graph, version: str) -> list[Problem]:
    """Return where NIR of a version does not mean what the network computes, and what to do."""
    name = f"nir {version}"
    found = [
        Problem(
            "NIR has no time step: the file means dt = 1, so that a step adds a current to the "
            "membrane as it is",
            "read it with a time step of 1, e.g. import_from_nir(file, dt=1.0) of SpikingJelly",
        )
    ]
    if graph.of_type(IF) and _reset(graph) != meaning(version):
        if meaning(version) == "zero":
            what = f"by subtraction, and {name} sets a membrane to v_reset (0), losing the rest"
            hint = "compile with --reset zero, with --nir-version 1.0.4, or tell the reader"
        else:
            what = f"to zero, and {name} takes v_threshold off"
            hint = "compile with --reset subtract, or with --nir-version current"
        found.append(Problem(f"neurons reset {what}", hint))
    if graph.of_type(IF) and not is_quantized(graph):
        found.append(
            Problem(
                "neurons fire at the threshold, and NIR's above it; real membranes are hardly ever "
                "on it, but sums that round may be",
                "compile with --weight-bits 8: no membrane is then ever on its threshold",
            )
        )
    clamped = [n.name for n in graph if isinstance(n, (IF, Integrator)) and n.clamp is not None]
    if clamped:
        found.append(
            Problem(
                f"membranes saturate ({', '.join(clamped)}), and NIR's have no bounds",
                "lower --timesteps or --weight-bits",
            )
        )
    return found


def rule(contract: dict[str, Any]) -> NeuronRule:
    """Return the neuron that a contract describes."""
    neuron = contract["neuron"]
    return NeuronRule(
        reset="subtract" if neuron["reset"] == "subtract" else "value",
        strict=neuron["comparison"] == ">",
        decay=neuron["decay"],
    )


def contract_of(metadata: Any) -> dict[str, Any]:
    """Return the contract in the metadata of a file.

    Raises:
        ArtifactError: There is none.
    """
    try:
        found = json.loads(metadata[KEY])
    except (KeyError, ValueError) as error:
        raise ArtifactError(
            "network.nir has no contract of snnc in its metadata", hint="compile the model again"
        ) from error
    return dict(found)


def _reset(graph: Graph) -> str:
    """Return what a spike does to the membranes of a network: to all of them alike."""
    return "zero" if any(node.reset == "zero" for node in graph.of_type(IF)) else "subtract"
