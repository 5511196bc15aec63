"""``snnc.compile``: the whole journey, from an ONNX file to a network on a target."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Backend, get_backend
from ..backends.artifact import Artifact, Golden, golden_answers
from ..backends.numpy_sim import NumpyBackend
from ..backends.target import Target
from ..ir import Array, Graph, latency
from ..ir.errors import OptionError, suggestion
from ..ir.reference import spiking_nodes
from .calibration import Moments, Statistics
from .codes import Code
from .data import Samples, Source, load_samples, sequence_length, synthetic_samples
from .exact import approximated, convert_exactly
from .full_scales import FullScales
from .layerwise import pre_activation
from .network import Network
from .options import Options
from .passes.calibrate import Calibrate
from .passes.normalize import normalize
from .passes.quantize import Quantize
from .passes.reconstruct import Reconstruct, Rounded
from .passes.schedule import DelayReadout, transient
from .passes.spike_norm import SpikeNorm
from .payload_caps import choose_caps
from .pipeline import (
    SIMPLIFY,
    After,
    Pass,
    conversion,
    run_passes,
    signed_bounds,
    trained_full_scale,
    watched_values,
)
from .post_training import quantized
from .report import Report, describe_approximations, neuron_contract
from .thresholds import ThresholdRule

GOLDEN_SAMPLES = 4
GOLDEN_PAYLOADS = 1 << 24
"""Most payloads the golden data hold; a large network gets fewer samples, at least one."""

MOST_PAYLOADS = 1 << 28
"""Most payloads of one sample; beyond it golden data hold outputs only."""

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, what is done of it and in all."""

CORRECTED = {
    "light": "biases were fitted to the ANN on the calibration data",
    "advanced": "initial membranes were fitted to the ANN on the calibration data",
    "reconstruct": "weights, biases and thresholds were fitted to the ANN on the calibration data",
}

NO_CALIBRATION = (
    "no calibration data: thresholds come from synthetic inputs and may be far off",
    "give real training samples with --calibration X.npz",
)
NO_INPUT_RANGE = (
    "no calibration data: thresholds come from the model, but the range of the input is a guess",
    "give real training samples with --calibration X.npz",
)


def compile(
    model: str | PathLike[str],
    *,
    target: str = "numpy",
    calibration: Source | None = None,
    max_drop: float | None = None,
    include_ann: bool = True,
    after: After | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Network:
    """Compile a trained ONNX model to a spiking network.

    Args:
        model: The ONNX file.
        target: Name of a target; ``snnc targets`` lists them.
        calibration: Training samples, an ``.npz`` file, an array or a dict; some hundreds are
            enough. Without them synthetic inputs are used and the report says so.
        max_drop: Accuracy that may be lost, a fraction: the cheapest code, T and payload cap that
            keep to it are searched for (``compiler.search``). Right is what labels ``y`` in the
            calibration data say, without them what the ANN answers. A code or a cap among the
            options is kept, and ``timesteps`` is then the largest T allowed.
        include_ann: Whether the artifact keeps the source model, for ``evaluate``,
            ``estimate`` and diagnosis.
        after: Called with the name and the result of each pass; first with ``imported``.
        progress: Called as long stages go on.
        **options: Fields of ``compiler.options.Options``: ``code``, ``timesteps``,
            ``thresholds``, ``weight_bits`` (2 to 8, or ``float``) and so on.

    Returns:
        The network, ready to run and to be saved.

    Raises:
        ModelError: The file cannot be used; all unsupported operators are listed.
        ConversionError: The code cannot express the model.
        DesignRuleError: The network does not fit the target.
        DataError: The calibration data do not fit the model.
        OptionError: An option is out of range.
        AccuracyError: No setting is sure to keep to ``max_drop``.
        UnknownTargetError: No backend has that name.
    """
    from ..backends.onnx_runtime import to_onnx
    from .onnx_import import load

    chosen = _options(options)
    backend = get_backend(target)
    code = chosen.code_for(backend.target)
    if max_drop is not None:
        from .search import Search, candidates

        return Search(
            build=partial(compile, model, target=target, include_ann=include_ann),
            model=model,
            calibration=calibration,
            max_drop=max_drop,
            options=chosen,
            settings=candidates(chosen, backend.target, options.get("timesteps")),
            progress=progress,
        ).network(after)
    imported = load(model, chosen.max_elements)
    report = Report(
        cut=[f"{cut.operator} ({cut.node}) before output {cut.output!r}" for cut in imported.cut]
    )
    if after:
        after("imported", imported.graph)
    if chosen.quantize:
        imported, note = quantized(imported, calibration, chosen.quantize)
        report.approximations.append(note)
        if after:
            after("quantized", imported.graph)
    ann = run_passes(imported.graph, SIMPLIFY, after)
    samples = _calibration(ann, calibration, imported.input_ranges, chosen, report)
    if chosen.approximate:
        ann = approximated(ann, samples, report)
    if chosen.exact:
        spiking, chosen = convert_exactly(ann, chosen, code, report, after)
    else:
        spiking = _convert(ann, samples, chosen, code, report, after, progress, backend.target)
    program = backend.lower(spiking, chosen.timesteps)
    manifest = {
        "model": {"file": Path(model).name, "sha256": imported.sha256},
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
        "versions": _versions(backend),
    }
    artifact = Artifact(
        graph=spiking,
        golden=make_golden(spiking, samples, chosen.timesteps),
        target=target,
        timesteps=chosen.timesteps,
        manifest=manifest,
        ann=to_onnx(ann).SerializeToString() if include_ann else None,
    )
    return Network(artifact, program)


def _calibration(
    ann: Graph,
    source: Source | None,
    ranges: Any,
    options: Options,
    report: Report,
) -> Samples:
    if source is None:
        samples = synthetic_samples(ann, ranges, options.seed)
        report.calibration = "synthetic"
    else:
        samples = load_samples(source, ann, what="calibration data")
        report.calibration = "file" if isinstance(source, (str, PathLike)) else "array"
    report.calibration_samples = len(next(iter(samples.values())))
    return samples


def _convert(
    ann: Graph,
    samples: Samples,
    options: Options,
    code: Code,
    report: Report,
    after: After | None,
    progress: Progress | None,
    target: Target,
) -> Graph:
    from .calibration import collect

    rule = options.threshold_rule(synthetic=report.calibration == "synthetic")

    def watch(stage: str) -> Callable[[int, int], None] | None:
        return (lambda done, total: progress(stage, done, total)) if progress else None

    steps = code.presentations(options.timesteps)
    watched, undivided = watched_values(ann, code)
    statistics = collect(ann, watched, samples, watch("calibrate"))
    moments = _moments(ann, rule, statistics, samples)
    bounds = signed_bounds(ann)
    trained = trained_full_scale(ann, clips=rule.name == "bound")
    largest = {name: float(np.abs(x).max()) for name, x in samples.items()}
    note, fitted = report.approximations.append, list[Pass]()
    scales = FullScales(rule, statistics, moments, trained, undivided, steps)
    caps = dict.fromkeys(statistics, code.max_positive)
    if options.chooses_caps:

        def draft(caps: Mapping[str, int]) -> Graph:
            return run_passes(
                ann,
                conversion(
                    *(options, code, scales(caps), bounds, largest, _drop),
                    caps=caps,
                    target=target,
                ),
            )

        caps = choose_caps(draft, list(caps), ann, samples, steps, watch("payload caps"))
        note(_in_words(caps))
    full_scale = scales(caps)
    calibrated = {name: found for name, found in full_scale.items() if name not in trained}
    if report.calibration == "synthetic":
        report.warnings.append(NO_CALIBRATION if calibrated else NO_INPUT_RANGE)
    report.thresholds = _origin(rule, calibrated, len(statistics))
    report.rate_convergence = {
        name: found.convergence(full_scale[name]) for name, found in statistics.items()
    }
    if rule.name == "spike-norm":
        fitted.append(SpikeNorm(ann, samples, steps, rule.per_channel, watch("spike-norm")))
    report.correction = options.chosen_correction(synthetic=report.calibration == "synthetic")
    if report.correction != "none":
        rounded = _rounding(options.weight_bits, steps, target)
        fitted.append(_correction(report.correction, ann, samples, steps, watch, rounded))
        note(CORRECTED[report.correction])
    shift = options.chosen_shift(code, report.correction, at_zero=target.starts_at_zero)
    passes = conversion(
        options, code, full_scale, bounds, largest, note, fitted, caps, shift, target
    )
    spiking = run_passes(ann, passes, after)
    if options.readout_delay:
        spiking = _delayed(spiking, ann, samples, options, report)
    report.approximations[:0] = describe_approximations(ann, spiking)
    return spiking


def _drop(note: str) -> None:
    """Forget what a network says that is only tried."""


def _in_words(caps: Mapping[str, int]) -> str:
    """Return how many populations have which cap."""
    counts = sorted(Counter(caps.values()).items())
    listed = ", ".join(f"{cap} for {count}" for cap, count in counts)
    return f"payload caps were chosen on the calibration data: {listed} populations"


def _correction(
    name: str,
    ann: Graph,
    samples: Samples,
    steps: int,
    watch: Callable[[str], Callable[[int, int], None] | None],
    rounded: Rounded | None,
) -> Pass:
    if name == "reconstruct":
        return Reconstruct(ann, samples, steps, watch("reconstruct"), rounded)
    return Calibrate(ann, samples, steps, name == "advanced", watch("calibrate"))


def _rounding(bits: int | None, steps: int, target: Target) -> Rounded | None:
    """Return what weights will be rounded to; the pass itself will say what that costs."""
    return Quantize(bits, steps, _drop, target=target).rounded if bits else None


def _moments(
    ann: Graph, rule: ThresholdRule, statistics: Mapping[str, Statistics], samples: Samples
) -> dict[str, Moments]:
    """Return what the rule ``iteration`` needs of each value's pre-activation."""
    from .calibration import collect_moments

    if rule.name != "iteration":
        return {}
    sources = {name: pre_activation(ann, name) for name in statistics}
    found = collect_moments(ann, list(sources.values()), samples)
    return {name: found[source] for name, source in sources.items()}


def _delayed(
    spiking: Graph, ann: Graph, samples: Samples, options: Options, report: Report
) -> Graph:
    delay = options.readout_delay
    if not isinstance(delay, int):
        delay = transient(normalize(spiking), ann, samples, options.timesteps)
    report.approximations.append(f"the outputs leave out the first {delay} steps")
    return DelayReadout(delay)(spiking)


def _options(options: Mapping[str, Any]) -> Options:
    known = [field.name for field in fields(Options)]
    for name in options:
        if name not in known:
            hint = f"{suggestion(name, known)}choose from: {', '.join(known)}"
            raise OptionError(f"unknown option {name!r}", hint=hint)
    return Options(**options)


def _origin(rule: ThresholdRule, calibrated: Mapping[str, Array], populations: int) -> str:
    """Return in words where the thresholds come from."""
    trained = populations - len(calibrated)
    estimated = f"{rule.name} per {_scope(rule, calibrated)}"
    if not trained:
        return estimated
    told = f"trained in {trained} of {populations} populations"
    return f"{told}, {estimated} in the others" if calibrated else told


def _scope(rule: ThresholdRule, full_scale: Mapping[str, Array]) -> str:
    """Return in words for what there is one threshold each."""
    whole = sum(len(values) == 1 for values in full_scale.values())
    if not rule.per_channel or whole == len(full_scale):
        return "population"
    return f"channel ({whole} of {len(full_scale)} populations as a whole)" if whole else "channel"


def make_golden(graph: Graph, samples: Samples, timesteps: int) -> Golden:
    """Return golden data from the first calibration samples, computed by the simulator.

    Where not even one sample's payloads can be held, there are outputs only.
    """
    neurons = sum(graph.types[node.name].size for node in spiking_nodes(graph))
    steps = timesteps + latency(graph)
    payloads = steps * max(1, neurons) * sequence_length(graph, samples)
    count = max(1, min(GOLDEN_SAMPLES, GOLDEN_PAYLOADS // payloads))
    inputs = {name: x[:count] for name, x in samples.items()}
    record = payloads <= MOST_PAYLOADS
    result = NumpyBackend().lower(graph, timesteps).run(inputs, record=record)
    return golden_answers(inputs, result)


def _versions(backend: Backend) -> dict[str, str]:
    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "unknown"

    names = ("snnc", "numpy", "onnx", "onnxruntime")
    found = {name: installed(name) for name in names}
    return found | {"python": platform.python_version(), "target": backend.availability()}
