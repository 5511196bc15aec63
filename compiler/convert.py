"""From an ANN and calibration samples to a spiking graph, for every code but ``exact``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from ..backends.target import Target
from ..ir import Array, Graph
from .calibration import Moments, Statistics
from .codes import Code
from .data import Samples
from .full_scales import FullScales
from .layerwise import pre_activation
from .options import Options
from .passes.calibrate import Calibrate
from .passes.normalize import normalize
from .passes.quantize import Quantize
from .passes.reconstruct import Reconstruct, Rounded
from .passes.schedule import DelayReadout, transient
from .passes.spike_norm import SpikeNorm
from .payload_caps import choose_caps
from .pipeline import (
    After,
    Pass,
    conversion,
    run_passes,
    signed_bounds,
    trained_full_scale,
    watched_values,
)
from .report import Report, describe_approximations
from .thresholds import ThresholdRule
from .uncalibrated import INPUT_RANGE, THRESHOLDS

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, what is done of it and in all."""

CORRECTED = {
    "light": "biases were fitted to the ANN on the calibration data",
    "advanced": "initial membranes were fitted to the ANN on the calibration data",
    "reconstruct": "weights, biases and thresholds were fitted to the ANN on the calibration data",
}


def convert(
    ann: Graph,
    samples: Samples,
    options: Options,
    code: Code,
    report: Report,
    after: After | None,
    progress: Progress | None,
    target: Target,
) -> Graph:
    """Convert an ANN.

    Args:
        ann: The ANN after the exact passes.
        samples: Calibration samples, for each input ``(samples, *shape)``, in the ANN's units.
        options: The user's options.
        code: The spike code.
        report: Receives thresholds, correction, approximations and warnings.
        after: Called with the name and the result of each pass.
        progress: Called as long stages go on.
        target: Where the network shall run.

    Raises:
        ConversionError: The code cannot express the model.
    """
    from .calibration import collect

    rule = options.threshold_rule(synthetic=report.calibration == "synthetic")

    def watch(stage: str) -> Callable[[int, int], None] | None:
        return (lambda done, total: progress(stage, done, total)) if progress else None

    steps = code.presentations(options.timesteps)
    watched, undivided = watched_values(ann, code, target)
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
        report.warnings.append(THRESHOLDS if calibrated else INPUT_RANGE)
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
