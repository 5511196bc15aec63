"""Networks that were trained as spiking ones: run, saved and verified as any other.

Nothing is converted: the graph is what a framework trained, node for node. So there is no source
ANN, no calibration and no code; golden data are samples the user gave, or random ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

from ..backends import get_backend
from ..backends.artifact import TRAINED, Artifact
from ..ir import Encoder, Graph
from .data import Samples, Source, check_steps, load_samples, synthetic_samples
from .golden import make_golden
from .network import Network
from .report import Report, neuron_contract
from .target_settings import option_names
from .versions import installed_versions

SYNTHETIC = 4
"""Random samples where the user gives none: for golden data only."""


def trained_network(
    graph: Graph,
    timesteps: int,
    samples: Source | None = None,
    *,
    target: str = "numpy",
    model: Mapping[str, Any] | None = None,
    notes: Iterable[str] = (),
    cut: Iterable[str] = (),
    warnings: Iterable[tuple[str, str]] = (),
    seed: int = 0,
    settings: Mapping[str, str] | None = None,
) -> Network:
    """Return a network that computes a spiking graph as it is.

    Args:
        graph: The spiking graph.
        timesteps: Steps of a sample, or of an element of a sequence.
        samples: Samples for golden data; random ones where there are none.
        target: What it is to run on.
        model: Where the graph is from, for the manifest: ``file`` and ``sha256``.
        notes: What an importer changed or assumed, one sentence each.
        cut: Read-out operators that an importer left out, in words.
        warnings: What the user is to be warned of, with the way out.
        seed: Of random samples.
        settings: Of the target, as its backend calls them; see ``options.TARGET_SETTINGS``.

    Raises:
        DesignRuleError: The graph does not fit the target.
        DataError: The samples do not fit the inputs.
    """
    backend = get_backend(target, settings)
    program = backend.lower(graph, timesteps)
    report = Report(
        thresholds=TRAINED, cut=list(cut), approximations=list(notes), warnings=list(warnings)
    )
    report.warnings += [(p.message, p.hint) for p in getattr(program, "differences", ())]
    given = _samples(graph, timesteps, samples, seed, report)
    manifest = {
        "model": {"file": None, "sha256": None, **(model or {})},
        "options": {
            "code": TRAINED,
            "timesteps": timesteps,
            "thresholds": TRAINED,
            "weight_bits": None,
            "input_bits": None,
            "correction": report.correction,
            **option_names(target, settings or {}),
        },
        "contract": neuron_contract(graph),
        "depth_latency": program.depth_latency,
        "report": report.to_json(),
        "versions": installed_versions(backend),
    }
    artifact = Artifact(
        graph=graph,
        golden=make_golden(graph, given, timesteps),
        target=target,
        timesteps=timesteps,
        manifest=manifest,
    )
    return Network(artifact, program)


def _samples(
    graph: Graph, timesteps: int, source: Source | None, seed: int, report: Report
) -> Samples:
    if source is None:
        report.calibration = "synthetic"
        samples = synthetic_samples(graph, _ranges(graph), seed, SYNTHETIC, timesteps)
    else:
        report.calibration = "file" if isinstance(source, (str, PathLike)) else "array"
        samples = load_samples(source, graph)
        check_steps(graph, samples, timesteps)
    report.calibration_samples = len(next(iter(samples.values())))
    return samples


def _ranges(graph: Graph) -> dict[str, tuple[float, float]]:
    """Return the range of each input that an encoder turns into integers within bounds."""
    return {
        node.inputs[0]: (node.scale * node.bounds[0], node.scale * node.bounds[1])
        for node in graph.of_type(Encoder)
        if node.scale is not None and node.bounds is not None
    }
