"""What of a model converts, what does not, and why: all of it at once, without calibration.

The model goes the whole way of ``compile`` with thresholds of 1 in the place of calibrated
ones, so that the code and the target have their say too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Backend
from ..ir import Graph, Input
from ..ir.errors import Problem, SnncError
from .exact import convert_exactly
from .onnx_import import Cut, ImportedModel, Unsupported, examine
from .onnx_import.file import read
from .options import Options
from .pipeline import (
    SIMPLIFY,
    conversion,
    represented_values,
    run_passes,
    signed_bounds,
    trained_full_scale,
)
from .report import Report, describe_approximations


@dataclass(frozen=True)
class Inspection:
    """What can be said of a model for one target and one set of options.

    Attributes:
        target: Name of the target.
        code: Name of the spike code.
        opset: Version of the standard operators.
        inputs: Shapes of the inputs, without the batch axis; empty where not all could be read.
        outputs: Shapes of the outputs, likewise.
        operators: How often each operator stands in the file.
        cut: Read-out operators that are left out.
        unsupported: Everything that stands in the way, with the way round.
        approximations: What would not be exact, in words.
    """

    target: str
    code: str
    opset: int
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    operators: Mapping[str, int]
    cut: Sequence[Cut]
    unsupported: Sequence[Unsupported]
    approximations: Sequence[str]

    @property
    def convertible(self) -> bool:
        """Whether ``compile`` with the same options would succeed."""
        return not self.unsupported

    def to_json(self) -> dict[str, Any]:
        """Return the inspection as one JSON object."""
        return {
            "convertible": self.convertible,
            "target": self.target,
            "code": self.code,
            "opset": self.opset,
            "inputs": [{"name": n, "shape": list(s)} for n, s in self.inputs.items()],
            "outputs": [{"name": n, "shape": list(s)} for n, s in self.outputs.items()],
            "operators": dict(self.operators),
            "cut": [asdict(cut) for cut in self.cut],
            "unsupported": [asdict(entry) for entry in self.unsupported],
            "host": [],
            "spiking_share": float(self.convertible),
            "approximations": list(self.approximations),
        }


def inspect(path: Path, backend: Backend, options: Options) -> Inspection:
    """Say whether and how a model converts.

    Args:
        path: The ONNX file.
        backend: The target.
        options: The options of the conversion.

    Raises:
        ModelError: The file cannot be read.
        OptionError: The options do not go together.
    """
    target = backend.target
    code = options.code_for(target)
    options.threshold_rule(synthetic=True)  # refuses an unknown rule
    found = examine(path, options.max_elements)
    approximations: list[str] = []
    unsupported = list(found.unsupported)
    if found.model is not None:
        unsupported += _try_conversion(found.model, backend, options, approximations)
    graph = found.model.graph if found.model else None
    return Inspection(
        target=target.name,
        code=code.name,
        opset=found.model.opset if found.model else read(path).opset,
        inputs={n.name: n.type.shape for n in graph.of_type(Input)} if graph else {},
        outputs={key: graph.types[n].shape for key, n in graph.outputs.items()} if graph else {},
        operators=found.operators,
        cut=found.cut,
        unsupported=unsupported,
        approximations=approximations,
    )


def _try_conversion(
    model: ImportedModel, backend: Backend, options: Options, approximations: list[str]
) -> list[Unsupported]:
    """Convert and lower a model with thresholds of 1; return what stands in the way."""
    target = backend.target
    code = options.code_for(target)
    ann = reached = model.graph
    try:
        ann = reached = run_passes(ann, SIMPLIFY)
        if options.exact:
            report = Report()
            reached, options = convert_exactly(ann, options, code, report)
            backend.lower(reached, options.timesteps)
            approximations += report.approximations
            return []
        full_scale = {name: np.ones(1) for name in represented_values(ann, code)}
        full_scale |= trained_full_scale(ann)
        largest = {node.name: 1.0 for node in ann.of_type(Input)}
        passes = conversion(
            options, code, full_scale, signed_bounds(ann), largest, _ignore, target=target
        )
        reached = run_passes(ann, passes)
        backend.lower(reached, options.timesteps)
    except SnncError as error:
        return [_entry(problem, reached) for problem in error.problems]
    # The notes of the quantiser depend on thresholds and are left to ``compile``.
    approximations += describe_approximations(ann, reached)
    return []


def _ignore(note: str) -> None:
    """Drop a note."""


def _entry(problem: Problem, graph: Graph) -> Unsupported:
    """Return a problem as an entry; its message begins with the name of the node at fault."""
    named = [name for name in graph.nodes if problem.message.startswith(f"{name}: ")]
    if not named:
        return Unsupported("", "", problem.message, problem.hint)
    node = max(named, key=len)
    reason = problem.message.removeprefix(f"{node}: ")
    return Unsupported(type(graph[node]).__name__, node, reason, problem.hint)
