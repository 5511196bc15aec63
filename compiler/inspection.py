"""What of a model converts, what does not, and why: all of it at once, without calibration.

The model goes the whole way of ``compile`` with thresholds of 1 in the place of calibrated
ones, so that the code and the target have their say too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import Backend
from ..backends.artifact import TRAINED
from ..ir import Graph, Input
from ..ir.errors import (
    DataError,
    ModelError,
    OptionError,
    Problem,
    SnncError,
    UnsupportedOperatorError,
)
from .codes import Code
from .data import Source, check_steps, load_samples
from .exact import convert_exactly
from .onnx_import import Cut, ImportedModel, Unsupported
from .onnx_import.examine import examine_file
from .onnx_import.file import ModelFile, read
from .onnx_import.naming import node_named, operator, title
from .options import Options
from .pipeline import (
    conversion,
    represented_values,
    run_passes,
    signed_bounds,
    trained_full_scale,
)
from .post_training import without_samples
from .preparation import deviations, prepared
from .report import Report, describe_approximations
from .unrolled.compile import backend_problems, describe_rolled_up, rolled_up, unused
from .unrolled.roll_up import RolledUp

if TYPE_CHECKING:
    from .partition import Division
    from .partition.divide import Cutting


NOT_TRIED = (
    "the spiking regions are not tried out: what of their values is rounded depends on samples "
    "that the regions before them compute",
    "compile the model to be sure that they convert, and to see by how much they are off",
)


@dataclass(frozen=True)
class Inspection:
    """What can be said of a model for one target and one set of options.

    Attributes:
        target: Name of the target.
        code: Name of the spike code.
        opset: Version of the standard operators; None for a NIR file, which has none.
        inputs: Shapes of the inputs, without the batch axis; empty where not all could be read.
        outputs: Shapes of the outputs, likewise.
        operators: How often each operator stands in the file.
        cut: Read-out operators that are left out.
        unsupported: Everything that stands in the way, with the way round.
        approximations: What would not be exact, in words.
        levels: A value between populations is rounded to one part in so many of its full scale;
            None where the code rounds otherwise, or not at all.
        division: How the model is cut, where it does not spike as a whole; else None.
        warnings: What has to be known, each with the way out.
        unbatched: Whether the first axis of the inputs belongs to the sample, as no batch axis
            stays apart from the others in this model.
        settings: Of a search, for each code and cap with the T that it tries, what stands in the
            way.
    """

    target: str
    code: str
    opset: int | None
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    operators: Mapping[str, int]
    cut: Sequence[Cut]
    unsupported: Sequence[Unsupported]
    approximations: Sequence[str]
    levels: int | None = None
    division: Division | None = None
    warnings: Sequence[tuple[str, str]] = ()
    unbatched: bool = False
    settings: Mapping[str, Sequence[Unsupported]] = field(default_factory=dict)

    @property
    def convertible(self) -> bool:
        """Whether ``compile`` with the same options would succeed."""
        return not self.unsupported

    @property
    def is_trained(self) -> bool:
        """Whether it was trained as a spiking network: nothing is converted."""
        return self.code == TRAINED

    @property
    def host(self) -> Sequence[Unsupported]:
        """The nodes that run on the host."""
        return self.division.host if self.division else ()

    @property
    def spiking_share(self) -> float:
        """The share of multiply-accumulates that spike, of convolutions and matrix products."""
        return self.division.spiking_share if self.division else float(self.convertible)

    def to_json(self) -> dict[str, Any]:
        """Return the inspection as one JSON object."""
        return {
            "convertible": self.convertible,
            "target": self.target,
            "code": self.code,
            "opset": self.opset,
            "inputs": [{"name": n, "shape": list(s)} for n, s in self.inputs.items()],
            "outputs": [{"name": n, "shape": list(s)} for n, s in self.outputs.items()],
            "unbatched": self.unbatched,
            "operators": dict(self.operators),
            "cut": [asdict(cut) for cut in self.cut],
            "unsupported": [asdict(entry) for entry in self.unsupported],
            "host": [asdict(entry) for entry in self.host],
            "spiking_share": self.spiking_share,
            "partition": self.division.to_json() if self.division else None,
            "approximations": list(self.approximations),
            "levels": self.levels,
            "settings": {n: [asdict(e) for e in each] for n, each in self.settings.items()},
            "warnings": [{"message": text, "hint": hint} for text, hint in self.warnings],
        }


def inspect(
    path: Path,
    backend: Backend,
    options: Options,
    *,
    require_full: bool = False,
    calibration: Source | None = None,
) -> Inspection:
    """Say whether and how a model converts.

    Args:
        path: The ONNX file.
        backend: The target.
        options: The options of the conversion.
        require_full: Whether a model that does not spike as a whole counts as not convertible.
        calibration: Training samples. They are checked, and what ``--quantize`` and
            ``--approximate`` do is measured on them; nothing is calibrated.

    Raises:
        ModelError: The file cannot be read.
        DataError: The samples do not fit the model, or are missing where there must be some.
        OptionError: The options do not go together.
    """
    target = backend.target
    file = read(path, options.max_elements, options.input_shapes, options.fixed_inputs)
    unrolled, why_not = rolled_up(file, options.timesteps)
    if unrolled is not None:
        return _of_trained(unrolled, file, backend, options, calibration)
    if options.quantize and calibration is None:
        raise without_samples(options.quantize)
    code = options.code_for(target)
    options.threshold_rule(synthetic=calibration is None)  # refuses an unknown rule
    try:
        found = examine_file(path, file, why_not)
    except ModelError:
        cutting = None if require_full else _cut(path, file, backend, options)
        if cutting is None:
            raise
        return _in_parts(cutting, target.name, code, file.opset, options, calibration)
    report = Report()
    unsupported = list(found.unsupported)
    if found.model is not None:
        problems = try_conversion(found.model, backend, options, report, calibration)
        unsupported += in_words_of_the_file(problems, file)
    if unsupported and not require_full and not (found.model and options.exact):
        cutting = _cut(path, file, backend, options)
        if cutting is not None:
            return _in_parts(cutting, target.name, code, file.opset, options, calibration)
    inputs, outputs = _shapes(found.model)
    return Inspection(
        target=target.name,
        code=code.name,
        opset=file.opset,
        inputs=inputs,
        outputs=outputs,
        operators=found.operators,
        cut=found.cut,
        unsupported=unsupported,
        approximations=report.approximations,
        levels=_levels(code, options),
        warnings=report.warnings,
        unbatched=found.unbatched,
    )


def _of_trained(
    found: RolledUp,
    file: ModelFile,
    backend: Backend,
    options: Options,
    calibration: Source | None,
) -> Inspection:
    """Return what can be said of a spiking network that was rolled up."""
    if calibration is not None:
        check_steps(found.graph, load_samples(calibration, found.graph), found.timesteps)
    default = Options()
    given = {n: value for n, value in asdict(options).items() if value != getattr(default, n)}
    graph = found.graph
    names = (node.op_type for node in file.proto.graph.node)
    return Inspection(
        target=backend.target.name,
        code=TRAINED,
        opset=file.opset,
        inputs={node.name: node.type.shape for node in graph.of_type(Input)},
        outputs={key: graph.types[name].shape for key, name in graph.outputs.items()},
        operators=Counter(names),
        cut=found.cut,
        unsupported=[Unsupported("", "", *each) for each in backend_problems(found, backend)],
        approximations=describe_rolled_up(found),
        warnings=[*unused(found, given), *found.proof.gaps()],
    )


def _in_parts(
    cutting: Cutting,
    target: str,
    code: Code,
    opset: int,
    options: Options,
    calibration: Source | None,
) -> Inspection:
    """Return what can be said of a model that is cut."""
    from .partition.network import input_graph

    division = cutting.division
    if calibration is not None:
        load_samples(calibration, input_graph(division), what="calibration data")
    return Inspection(
        target=target,
        code=code.name,
        opset=opset,
        inputs={node.name: node.type.shape for node in division.inputs},
        outputs=cutting.output_shapes,
        operators=cutting.operators,
        cut=division.cut,
        unsupported=[],
        approximations=cutting.approximations,
        levels=_levels(code, options),
        division=division,
        warnings=(NOT_TRIED,) if options.fits_first else (),
    )


Shapes = Mapping[str, tuple[int, ...]]


def _shapes(model: ImportedModel | None) -> tuple[Shapes, Shapes]:
    """Return the shapes of inputs and outputs, empty where the model was not imported."""
    if model is None:
        return {}, {}
    graph = model.graph
    inputs = {node.name: node.type.shape for node in graph.of_type(Input)}
    return inputs, {key: graph.types[n].shape for key, n in graph.outputs.items()}


def _cut(path: Path, file: ModelFile, backend: Backend, options: Options) -> Cutting | None:
    """Return how ``compile`` would cut a model, or None where nothing of it would spike."""
    from .partition.divide import divide

    try:
        cutting = divide(path, file, backend, options)
    except (ModelError, UnsupportedOperatorError):
        return None
    return cutting if cutting.division.host else None


def _levels(code: Code, options: Options) -> int | None:
    """Return in how many steps a mean over T payloads covers the full scale of a population."""
    if options.exact or code.base or code.differential or options.timesteps is None:
        return None
    return code.max_positive * code.presentations(options.timesteps)


def try_conversion(
    model: ImportedModel,
    backend: Backend,
    options: Options,
    report: Report,
    calibration: Source | None = None,
) -> list[Unsupported]:
    """Convert and lower a model with thresholds of 1; return what stands in the way.

    Args:
        model: The model.
        backend: The target.
        options: The options of the conversion.
        report: Receives approximations and warnings.
        calibration: Training samples, or None.

    Raises:
        DataError: The samples do not fit the model, or are missing.
        OptionError: The model cannot be quantised once more.
    """
    target = backend.target
    code = options.code_for(target)
    real = calibration is not None
    ann = reached = model.graph
    try:
        ann, samples = prepared(model, target, options, calibration, report, sampled=real)
        reached = ann
        if real and (options.quantize or options.approximate) and not ann.feedback:
            report.approximations += deviations(model.graph, ann, samples)
    except (DataError, OptionError):
        raise  # it is not the model that is at fault
    except SnncError as error:
        return [_entry(problem, reached) for problem in error.problems]
    try:
        if options.exact:
            reached, options = convert_exactly(ann, options, code, report)
            backend.lower(reached, options.timesteps)
            return []
        full_scale = {name: np.ones(1) for name in represented_values(ann, code, target)}
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
    report.approximations += describe_approximations(ann, reached)
    return []


def in_words_of_the_file(entries: Sequence[Unsupported], file: ModelFile) -> list[Unsupported]:
    """Return entries about nodes of a graph as entries about the ONNX nodes they come from.

    Nodes that come from none, as what a quantiser put in, keep their name and have no operator.
    """
    graph = file.proto.graph
    inputs = {value.name for value in graph.input}

    def told(entry: Unsupported) -> Unsupported:
        node = node_named(graph.node, entry.node) if entry.node else None
        if node is not None:
            return replace(entry, operator=operator(node), node=title(node))
        given = [name for name in inputs if f"{entry.node}.".startswith(f"{name}.")]
        if given:
            return replace(entry, operator="Input", node=max(given, key=len))
        return replace(entry, operator="")

    return list(dict.fromkeys(map(told, entries)))


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
