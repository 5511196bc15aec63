"""Finds the cut of a model: the rule, and what the compiler itself says of each spiking region.

A region may be refused where its nodes one by one were not: the spike code or the target has its
say too. Then the nodes at fault go to the host, with that reason, and the model is cut anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto, helper

from ...backends import Backend
from ...ir import Clip, Staircase
from ...ir.errors import ModelError, Problem, SnncError, UnsupportedOperatorError
from ..inspection import try_conversion
from ..onnx_import import Unsupported
from ..onnx_import.examine import examine_file
from ..onnx_import.file import ModelFile
from ..onnx_import.naming import first_output, node_named, title
from ..onnx_import.survey import Survey, activation_type, survey
from ..onnx_import.values import Constant, RefusalError
from ..options import Options
from ..report import Report
from .extract import Extractor, needed_outputs
from .host import HostPart
from .host_entries import host_entries
from .levels import Candidate, cut
from .operations import RECURRENT, WEIGHTED, Types, macs, shape_of, tensor_types, weights_of
from .region import HOST, SPIKING, Division, Region

MOST_ATTEMPTS = 16
"""Cuts that are tried before whole regions go to the host, not only their nodes at fault."""

MEND = "see the reason; another --code or --target may take it"


@dataclass(frozen=True)
class Cutting:
    """A cut model.

    Attributes:
        division: The cut.
        models: Each region as an ONNX model of its own.
        approximations: What would not be exact in the spiking regions, in words.
        output_shapes: Shapes of the model's outputs without batch axis, where they are known.
        operators: How often each operator stands in the file, nodes no output needs left out.
    """

    division: Division
    models: tuple[ModelProto, ...]
    approximations: tuple[str, ...] = ()
    output_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    operators: Mapping[str, int] = field(default_factory=dict)


def divide(path: Path, file: ModelFile, backend: Backend, options: Options) -> Cutting:
    """Cut a model that does not convert as a whole.

    Args:
        path: The file, for messages.
        file: The model.
        backend: The target of the spiking regions.
        options: The options of their conversion.

    Raises:
        ModelError: The inputs or outputs cannot be used.
        UnsupportedOperatorError: Nothing of the model would spike.
    """
    barred: dict[str, RefusalError] = {}
    attempts = 0
    while True:
        cutting, refused = _attempt(
            path, file, backend, options, barred, patient=attempts < MOST_ATTEMPTS
        )
        if not refused:
            break
        barred |= refused
        attempts += 1
    division = cutting.division
    if not any(region.spikes for region in division.regions):
        raise _nothing_spikes(path, division.host)
    return cutting


def whole_on_host(path: Path, file: ModelFile) -> HostPart:
    """Return the host region of a model of which nothing shall spike.

    Raises:
        ModelError: The inputs or outputs cannot be used.
    """
    found = survey(path, file, {})
    types = tensor_types(file.proto, found.batch or 1)
    _check_outputs(path, found)
    outputs = tuple(found.outputs.values())
    model = Extractor(file, found, types).model(found.steps, outputs)
    inputs = tuple(value.name for value in model.graph.input)
    region = Region(f"0-{HOST}", HOST, tuple(map(title, found.steps)), inputs, outputs, 0)
    return HostPart(region, model.SerializeToString(), found.batch or 1)


def _attempt(
    path: Path,
    file: ModelFile,
    backend: Backend,
    options: Options,
    barred: dict[str, RefusalError],
    *,
    patient: bool,
) -> tuple[Cutting, dict[str, RefusalError]]:
    """Cut a model once; return also the nodes that the compiler refused, by first output.

    Without patience they are all nodes of the regions in which it refused any.
    """
    found = survey(path, file, barred)
    types = _all_types(file, found)
    extractor = Extractor(file, found, types)
    candidates = [_candidate(node, found, extractor, types) for node in found.steps]
    _check_outputs(path, found)
    levels, joined = cut(candidates)
    by_name = {first_output(node): node for node in found.steps}
    parts = [(place, [by_name[n] for n in names]) for place, names in enumerate(levels) if names]
    outputs = needed_outputs([nodes for _, nodes in parts], extractor, found.outputs)
    regions: list[Region] = []
    models: list[ModelProto] = []
    approximations: list[str] = []
    refused: dict[str, RefusalError] = {}
    counts = {each.name: each.macs for each in candidates}
    for (place, nodes), given in zip(parts, outputs, strict=True):
        model = extractor.model(nodes, given)
        kind = SPIKING if place % 2 else HOST
        regions.append(
            Region(
                name=f"{len(regions)}-{kind}",
                kind=kind,
                nodes=tuple(map(title, nodes)),
                inputs=tuple(value.name for value in model.graph.input),
                outputs=given,
                macs=sum(counts[first_output(node)] for node in nodes),
            )
        )
        models.append(model)
        if kind == SPIKING:
            region_file = replace(file, proto=model, sha256="")
            found_here = _refusals(path, region_file, nodes, backend, options, approximations)
            if found_here and not patient:
                reason = next(iter(found_here.values()))
                found_here |= {n: reason for n in map(first_output, nodes) if n not in found_here}
            refused |= found_here
    division = Division(
        regions=tuple(regions),
        inputs=found.inputs,
        outputs=found.outputs,
        batch=found.batch or 1,
        host=tuple(host_entries(found, candidates, joined)),
        cut=found.cut,
        whole=found.whole,
        uncounted=tuple(title(n) for n in found.steps if _macs(n, types) is None),
    )
    types_of = {name: activation_type(found.values.get(t)) for name, t in found.outputs.items()}
    shapes = {name: type.shape for name, type in types_of.items() if type is not None}
    operators = Counter(found.operators)
    return Cutting(division, tuple(models), tuple(approximations), shapes, operators), refused


def _all_types(file: ModelFile, found: Survey) -> Types:
    """Return what onnx says about the tensors, and what the import says where onnx cannot."""
    batch = found.batch or 1
    imported = {
        name: helper.make_tensor_type_proto(TensorProto.FLOAT, (batch, *type.shape)).tensor_type
        for name, value in found.values.items()
        if (type := activation_type(value)) is not None
    }
    said = tensor_types(file.proto, batch)
    return imported | {n: t for n, t in said.items() if n not in imported or shape_of(t)}


def _candidate(node: NodeProto, found: Survey, extractor: Extractor, types: Types) -> Candidate:
    name = first_output(node)
    before = dict.fromkeys(
        first_output(found.producers[tensor])
        for tensor in extractor.reach([node]).tensors
        if tensor in found.producers
    )
    weights = found.values.get(weights_of(node)) if node.op_type in WEIGHTED else None
    recurs = node.op_type in ("Scan", *RECURRENT)
    computed = getattr(found.values.get(name), "node", None)
    return Candidate(
        name=name,
        before=tuple(before),
        spikes=name in found.able,
        synapse=isinstance(weights, Constant) or node.op_type == "Scan",
        neuron=isinstance(computed, (Clip, Staircase)) or recurs,
        macs=_macs(node, types) or 0,
    )


def _macs(node: NodeProto, types: Types) -> int | None:
    names = (*node.input, *node.output)
    return macs(node, {name: shape_of(types.get(name)) for name in names})


def _check_outputs(path: Path, found: Survey) -> None:
    for name, tensor in found.outputs.items():
        constant = isinstance(found.values.get(tensor), Constant)
        if constant or not any(tensor in node.output for node in found.steps):
            what = "does not depend on an input" if constant else "is an input"
            raise ModelError(
                f"{path}: output {name!r} {what}", hint="remove that output from the model"
            )


def _refusals(
    path: Path,
    file: ModelFile,
    nodes: Sequence[NodeProto],
    backend: Backend,
    options: Options,
    approximations: list[str],
) -> dict[str, RefusalError]:
    """Return the nodes of a spiking region that the compiler refuses; all, if it does not say."""
    try:
        examination = examine_file(path, file, unbatched=False)
    except SnncError as error:
        entries = [Unsupported("", "", p.message, p.hint) for p in error.problems]
    else:
        entries = list(examination.unsupported)
        if examination.model is not None and not options.fits_first:  # on samples, not known yet
            report = Report()
            entries = try_conversion(examination.model, backend, options, report)
            approximations += report.approximations
    refused: dict[str, RefusalError] = {}
    for entry in entries:
        at_fault = node_named(nodes, entry.node)
        where = "" if at_fault else f"its region cannot spike: {entry.node} "
        refusal = RefusalError(f"{where}{entry.reason}".strip(), entry.hint or MEND)
        for node in nodes if at_fault is None else (at_fault,):
            refused.setdefault(first_output(node), refusal)
    return refused


def _nothing_spikes(path: Path, host: Sequence[Unsupported]) -> UnsupportedOperatorError:
    head = Problem(
        f"{path}: nothing of the model would spike: no convolution and no matrix product with "
        "constant weights can be converted",
        "mend what is listed, or choose another --code or --target",
    )
    problems = [head, *(entry.problem for entry in host if not entry.follows)]
    lines = "\n".join(f"  - {problem.message}" for problem in problems[1:])
    return UnsupportedOperatorError(f"{head.message}:\n{lines}", problems=problems)
