"""NIR files on their way to a target: compiled and inspected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import get_backend
from ..backends.artifact import TRAINED
from ..backends.nir_file.continuous import EXACT
from ..ir import Graph, Input
from ..ir.errors import MissingDependencyError, Problem, SnncError
from .data import Samples
from .golden import GOLDEN_PAYLOADS
from .inspection import Inspection
from .network import Network
from .nir_import import ImportedNetwork, NirOptions, load
from .onnx_import import Unsupported
from .pipeline import After
from .target_settings import target_settings
from .trained import trained_network

LEAKY = {"CubaLI", "CubaLIF", "LI", "LIF"}
"""Nodes of a file whose steps depend on the discretisation."""

FOR_EULER = (
    "snnTorch, norse and SpikingJelly step by Euler: for a network that was trained there take "
    "--discretisation euler, the --dt it was written with, and --reset zero where its spikes set "
    "the membrane and the file does not say so (docs/nir_import.md)"
)
"""What a reader of a note on the other discretisation has to know."""

SPIKE_SHARES = (0.05, 0.2, 0.5)
"""Share of ones in the golden samples that are spikes; one more sample has real numbers."""


def compile_nir(
    path: Path, target: str, given: Mapping[str, Any], after: After | None = None
) -> Network:
    """Compile a NIR file.

    Args:
        path: The file.
        target: Name of a target.
        given: Options by name; see ``NirOptions``.
        after: Called with the graph, under the name ``imported``.

    Raises:
        ModelError: The file cannot be used; everything that stands in the way is listed.
        DesignRuleError: The network does not fit the target.
        OptionError: An option is out of range, or has no meaning for a NIR file.
        MissingDependencyError: h5py is not installed.
        UnknownTargetError: No backend has that name.
    """
    get_backend(target)  # an unknown target is said before the file is looked at
    options = NirOptions.of(given)
    settings = options.settings_for(target)
    imported = load(path, options)
    if after:
        after("imported", imported.graph)
    network = trained_network(
        imported.graph,
        options.timesteps,
        golden_samples(imported.graph, options),
        target=target,
        model={"file": path.name, "sha256": imported.sha256, "nir": imported.version},
        notes=notes(imported),
        warnings=imported.warnings,
        settings=settings | step_settings(target, imported),
    )
    manifest = dict(network.artifact.manifest)
    step = {"dt": imported.rule.dt, "discretisation": imported.rule.rule}
    manifest["options"] = manifest["options"] | options.to_json() | step
    manifest["report"] = manifest["report"] | {"calibration": "none", "calibration_samples": 0}
    return replace(network, artifact=replace(network.artifact, manifest=manifest))


def step_settings(target: str, imported: ImportedNetwork) -> dict[str, str]:
    """Return the step of a network for a target that writes equations in continuous time."""
    rule = imported.rule
    return target_settings(target, {"dt": rule.dt, "discretisation": rule.rule})


def inspect_nir(path: Path, target: str, options: NirOptions) -> Inspection:
    """Say whether and how a NIR file becomes a network on a target.

    Raises:
        ModelError: The file cannot be read at all.
        MissingDependencyError: h5py is not installed.
    """
    unsupported: list[Unsupported] = []
    imported = None
    try:
        imported = load(path, options)
        settings = options.settings_for(target) | step_settings(target, imported)
        get_backend(target, settings).lower(imported.graph, options.timesteps)
    except MissingDependencyError:  # which says nothing about the file
        raise
    except SnncError as error:
        if imported is None and len(error.problems) == 1 and str(path) in str(error.problems[0]):
            raise
        unsupported = [_entry(problem) for problem in error.problems]
    graph = imported.graph if imported else None
    return Inspection(
        target=target,
        code=TRAINED,
        opset=None,
        inputs={n.name: n.type.shape for n in graph.of_type(Input)} if graph else {},
        outputs={k: graph.types[n].shape for k, n in graph.outputs.items()} if graph else {},
        operators=imported.operators if imported else {},
        cut=(),
        unsupported=unsupported,
        approximations=notes(imported) if imported else (),
        warnings=imported.warnings if imported else (),
    )


def notes(imported: ImportedNetwork) -> list[str]:
    """Return one sentence for each choice that NIR leaves open."""
    loops = [
        f"{target}: reads what {source} sent one step before, which closes a loop"
        for source, target in imported.cut
    ]
    step = (
        f"equations in continuous time are computed in steps of {imported.rule.dt:g} s, "
        f"discretisation {imported.rule.rule}"
    )
    if not imported.contract and imported.rule.rule == EXACT and LEAKY & imported.operators.keys():
        step += f"; {FOR_EULER}"
    by_snnc = "snnc wrote the file: neurons, loops and outputs are what its metadata say"
    return [step, *([by_snnc] if imported.contract else []), *loops]


def golden_samples(graph: Graph, options: NirOptions) -> Samples:
    """Return a few random samples with a value for every step: spikes, and real numbers."""
    inputs = graph.of_type(Input)
    largest = max(node.type.size for node in inputs)
    count = max(1, min(len(SPIKE_SHARES) + 1, GOLDEN_PAYLOADS // (options.timesteps * largest)))
    rng = np.random.default_rng(options.seed)
    samples: Samples = {}
    for node in inputs:
        shape = (options.timesteps, *node.type.shape)
        spikes = [rng.random(shape) < share for share in SPIKE_SHARES[:count]]
        parts = [*spikes, rng.standard_normal(shape)][:count]
        samples[node.name] = np.stack(parts).astype(np.float32)
    return samples


def _entry(problem: Problem) -> Unsupported:
    node, colon, reason = problem.message.partition(": ")
    named = (node, reason) if colon else ("", problem.message)
    return Unsupported("", *named, problem.hint)
