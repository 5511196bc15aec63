"""Compiles and inspects spiking networks that an exporter unrolled: trained, so not converted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ...backends import Backend
from ...ir import Array, CubaLIF, Graph
from ...ir.errors import SnncError
from ...ir.leaky import LeakyPopulation
from ..data import Source
from ..network import Network
from ..onnx_import.file import ModelFile
from ..options import DEFAULT_TIMESTEPS, Options
from ..pipeline import After
from ..target_settings import settings_for
from ..trained import trained_network
from ..wording import counted
from .refusal import NotRecognisedError
from .roll_up import RolledUp, has_thresholds, roll_up

MEANT = ("input_shapes", "fixed_inputs", "max_elements", "seed", "nir_version", "nir_flavour")
"""Options that are not about a conversion."""


def rolled_up(file: ModelFile, timesteps: int | None = None) -> tuple[RolledUp | None, str]:
    """Return the spiking network that is unrolled in a file; else why there is none, or "".

    Args:
        file: The file.
        timesteps: The steps to run where the file is one step, streamed.
    """
    if not has_thresholds(file):
        return None, ""
    try:
        return roll_up(file, timesteps or DEFAULT_TIMESTEPS), ""
    except (NotRecognisedError, SnncError) as error:
        return None, str(error).splitlines()[0]
    except Exception as error:  # of any class: ONNX Runtime's, and what nonsense leads to
        return None, ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def compile_rolled_up(
    found: RolledUp,
    path: Path,
    sha256: str,
    target: str,
    calibration: Source | None,
    given: Mapping[str, Any],
    after: After | None = None,
) -> Network:
    """Compile a network that was rolled up.

    Args:
        found: The network.
        path: Its file.
        sha256: The hash of that.
        target: Name of a target.
        calibration: Samples for golden data; those of the proof where there are none.
        given: What the user chose, by name: options of a conversion have no meaning here.
        after: Called with the graph, under the name ``rolled_up``.

    Raises:
        DesignRuleError: The network does not fit the target.
        DataError: The samples do not fit the inputs.
    """
    if after:
        after("rolled_up", found.graph)
    return trained_network(
        found.graph,
        found.timesteps,
        found.golden_samples() if calibration is None else calibration,
        target=target,
        model={"file": path.name, "sha256": sha256},
        notes=describe_rolled_up(found),
        cut=[f"{cut.operator} ({cut.node}) before output {cut.output!r}" for cut in found.cut],
        warnings=[*unused(found, given), *found.proof.gaps()],
        settings=settings_for(target, given),
    )


def unused(network: RolledUp, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a warning for each option that a trained spiking network has no use for."""
    default = {field.name: field.default for field in fields(Options)}
    named = [
        name
        for name, value in given.items()
        if name not in (*MEANT, "timesteps") and value != default.get(name)
    ]
    found = []
    if named:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in named)
        message = f"{options}: not used, the model is a spiking network that was trained"
        found.append((message, "leave them out; its neurons, weights and T are its own"))
    steps = given.get("timesteps")
    if steps not in (None, network.timesteps):
        its_own = counted(network.timesteps, "step")
        found.append(
            (
                f"--timesteps {steps}: not used, the file runs {its_own}",
                "export the model with another number of steps in its forward",
            )
        )
    return found


def describe_rolled_up(found: RolledUp) -> list[str]:
    """Say in words what was found in a file: layers, dynamics, readouts, proof."""
    return [
        *(
            []
            if found.streamed
            else [f"it was unrolled over {counted(found.timesteps, 'step')}: rolled up"]
        ),
        *(f"{name}: {_neurons(found.graph, name)}" for name in found.names),
        *found.notes,
        str(found.proof),
    ]


def _neurons(graph: Graph, name: str) -> str:
    node = graph[name]
    assert isinstance(node, LeakyPopulation)
    reset = {
        "subtract": "subtracts the threshold",
        "value": f"sets {_range(node.reset_to)}",
        "none": "does nothing",
    }[node.reset]
    late = ", a step late" if node.reset_delayed and node.reset != "none" else ""
    parts = [
        counted(graph.types[name].size, "neuron"),
        f"decay {_range(node.decay)}",
        *([f"current decay {_range(node.current_decay)}"] if isinstance(node, CubaLIF) else []),
        f"fires {'above' if node.strict else 'at or above'} {_range(node.threshold)}",
        f"a spike {reset}{late}",
    ]
    return ", ".join(parts)


def _range(value: Array) -> str:
    low, high = float(np.min(value)), float(np.max(value))
    return f"{low:.6g}" if low == high else f"{low:.4g} to {high:.4g}"


def backend_problems(found: RolledUp, backend: Backend) -> Collection[tuple[str, str]]:
    """Return what keeps a target from running a network: messages and hints."""
    try:
        backend.lower(found.graph, found.timesteps)
    except SnncError as error:
        return [(problem.message, problem.hint) for problem in error.problems]
    return []
