"""``snnc.compile``: the whole journey, from an ONNX file to a network on a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends import get_backend
from ..backends.artifact import Artifact
from ..ir.errors import (
    ConversionError,
    DesignRuleError,
    GraphError,
    ModelError,
    OptionError,
    UnsupportedOperatorError,
    suggestion,
)
from .changed_ann import changed_by
from .convert import Progress, convert
from .data import Delivered, Source
from .exact import convert_exactly
from .golden import make_golden
from .network import Network
from .nir_import.options import NIR_ONLY
from .options import Options
from .pipeline import After
from .preparation import prepared
from .report import Report, neuron_contract
from .uncalibrated import tell_uncalibrated
from .versions import installed_versions

if TYPE_CHECKING:
    from torch.nn import Module

    from .onnx_import import ImportedModel


def compile(
    model: str | PathLike[str] | Module,
    example_input: Any = None,
    *,
    target: str = "numpy",
    calibration: Source | None = None,
    max_drop: float | None = None,
    include_ann: bool = True,
    require_full: bool = False,
    after: After | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Network | Any:  # of any class: users of a whole network need not ask which
    """Compile a trained ONNX model, or a torch module, to a spiking network.

    Args:
        model: The ONNX file, a NIR file (see ``nir_import.NirOptions``), or a
            ``torch.nn.Module`` in evaluation mode: a copy of it is
            exported, and the file compared with it (``compiler.torch_export``).
        example_input: Of a module, a tensor or an array, batch axis first, or a tuple of them.
        target: Name of a target; ``snnc targets`` lists them.
        calibration: Training samples, an ``.npz`` file, an array or a dict; some hundreds are
            enough. Without them synthetic inputs are used, with a ``CalibrationWarning``.
        max_drop: Accuracy that may be lost, a fraction: the cheapest code, T and payload cap that
            keep to it are searched for (``compiler.search``). Right is what labels ``y`` in the
            calibration data say, without them what the ANN answers. A code or a cap among the
            options is kept, and ``timesteps`` is then the largest T allowed.
        include_ann: Whether the artifact keeps the source model, for ``evaluate``,
            ``estimate`` and diagnosis.
        require_full: Whether a model that does not spike as a whole is refused. Otherwise what
            cannot spike runs on the host (``compiler.partition``), with a ``CutWarning``.
        after: Called with the name and the result of each pass; first with ``imported``.
        progress: Called as long stages go on.
        **options: Fields of ``compiler.options.Options``: ``code``, ``timesteps``,
            ``thresholds``, ``weight_bits`` (2 to 8, or ``float``) and so on.

    Returns:
        The network, ready to run and to be saved: a ``Network``, or, where the model had to be
        cut, a ``partition.PartitionedNetwork``.

    Raises:
        ModelError: The file cannot be used; all unsupported operators are listed.
        ConversionError: The code cannot express the model.
        DesignRuleError: The network does not fit the target.
        DataError: The calibration data do not fit the model.
        OptionError: An option is out of range.
        AccuracyError: No setting is sure to keep to ``max_drop``.
        UnknownTargetError: No backend has that name.
    """
    from .nir_import import is_nir
    from .onnx_import.examine import examine_file, required_model
    from .onnx_import.file import read
    from .unrolled.compile import compile_rolled_up, rolled_up

    if example_input is None and isinstance(model, (str, PathLike)) and is_nir(Path(model)):
        from .from_nir import compile_nir

        about_ann = {"calibration": calibration, "max_drop": max_drop}
        return compile_nir(Path(model), target, about_ann | options, after)
    if example_input is not None or not isinstance(model, (str, PathLike)):
        from .torch_export import as_file

        settings = {"target": target, "calibration": calibration, "max_drop": max_drop, **options}
        settings |= {"include_ann": include_ann, "require_full": require_full}
        with as_file(model, example_input) as path:
            return compile(path, after=after, progress=progress, **settings)
    chosen = chosen_options(options)
    backend = get_backend(target, chosen.settings_for(target))
    path = Path(model)
    file = read(path, chosen.max_elements, chosen.input_shapes, chosen.fixed_inputs)
    unrolled, why_not = rolled_up(file, chosen.timesteps)
    if unrolled is not None:
        given = options if max_drop is None else {"max_drop": max_drop, **options}
        return compile_rolled_up(unrolled, path, file.sha256, target, calibration, given, after)
    chosen.code_for(backend.target)  # refuses a code that the target cannot take
    if max_drop is not None:
        from .search import Search, candidates

        return Search(
            build=partial(
                compile, model, target=target, include_ann=include_ann, require_full=True
            ),
            model=model,
            calibration=calibration,
            max_drop=max_drop,
            options=chosen,
            settings=candidates(chosen, backend.target, options.get("timesteps")),
            progress=progress,
        ).network(after)
    common: dict[str, Any] = {"include_ann": include_ann, "after": after, "progress": progress}
    try:
        imported = required_model(path, examine_file(path, file, why_not))
        network = compile_imported(imported, path.name, target, chosen, calibration, **common)
    except (ModelError, ConversionError, DesignRuleError, GraphError) as error:
        if require_full or (chosen.exact and not isinstance(error, ModelError)):
            raise  # what is not quantised can be: see --approximate
        refusal = error
    else:
        tell_uncalibrated(network.report, stacklevel=2)
        return network
    from .partition import compile_cut

    try:
        cut = compile_cut(path, target, chosen, calibration, refusal, **common)
    except UnsupportedOperatorError as error:
        # Of spiking neurons the diagnosis says more than that nothing of the model can be cut out.
        raise (refusal if why_not else error) from None
    tell_uncalibrated(cut.report, stacklevel=2)
    return cut


def compile_imported(
    imported: ImportedModel,
    name: str,
    target: str,
    chosen: Options,
    calibration: Source | Delivered | None,
    *,
    include_ann: bool = True,
    after: After | None = None,
    progress: Progress | None = None,
) -> Network:
    """Compile a model that converts as a whole; ``name`` is that of its file."""
    from ..backends.onnx_runtime import to_onnx

    backend = get_backend(target, chosen.settings_for(target))
    code = chosen.code_for(backend.target)
    report = Report(
        cut=[f"{cut.operator} ({cut.node}) before output {cut.output!r}" for cut in imported.cut]
    )
    if after:
        after("imported", imported.graph)
    ann, samples = prepared(imported, backend.target, chosen, calibration, report, after)
    if chosen.exact:
        spiking, chosen = convert_exactly(ann, chosen, code, report, after)
    else:
        spiking = convert(ann, samples, chosen, code, report, after, progress, backend.target)
    program = backend.lower(spiking, chosen.timesteps)
    report.warnings += [(p.message, p.hint) for p in getattr(program, "differences", ())]
    manifest = {
        "model": {"file": name, "sha256": imported.sha256},
        "options": chosen.to_json()
        | {
            "code": code.name,
            "thresholds": report.thresholds,
            "correction": report.correction,
            "shift": chosen.chosen_shift(
                code, report.correction, at_zero=backend.target.starts_at_zero
            ),
        },
        "contract": neuron_contract(spiking),
        "depth_latency": program.depth_latency,
        "report": report.to_json(),
        "versions": installed_versions(backend),
    }
    artifact = Artifact(
        graph=spiking,
        golden=make_golden(spiking, samples, chosen.timesteps),
        target=target,
        timesteps=chosen.timesteps,
        manifest=manifest,
        ann=to_onnx(ann).SerializeToString() if include_ann else None,
        original=to_onnx(imported.graph).SerializeToString()
        if include_ann and changed_by(manifest)
        else None,
    )
    return Network(artifact, program)


def chosen_options(options: Mapping[str, Any]) -> Options:
    """Return the options of an ONNX model; raise ``OptionError`` for unknown names."""
    known = [field.name for field in fields(Options)]
    for name in options:
        if name in NIR_ONLY:
            raise OptionError(
                f"--{name.replace('_', '-')} is about NIR files, and the model is none",
                hint="leave it out",
            )
        if name not in known:
            hint = f"{suggestion(name, known)}choose from: {', '.join(known)}"
            raise OptionError(f"unknown option {name!r}", hint=hint)
    return Options(**options)
