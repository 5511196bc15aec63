"""From an imported model to the ANN that is converted: what ``compile`` and ``inspect`` both do.

Quantised and approximated where the user asks for it, then simplified without any error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from ..backends.target import Target
from ..ir import Array, Graph
from .data import Delivered, Samples, Source, load_samples, synthetic_samples
from .exact import approximated
from .options import Options
from .passes.piecewise_linear import PiecewiseLinear
from .pipeline import After, run_passes, simplification
from .post_training import quantized
from .report import Report
from .uncalibrated import ALIKE, all_alike

if TYPE_CHECKING:
    from .onnx_import import ImportedModel

MOST_COMPARED = 512
"""Calibration samples on which an approximated ANN is compared with the model."""


def prepared(
    imported: ImportedModel,
    target: Target,
    options: Options,
    calibration: Source | Delivered | None,
    report: Report,
    after: After | None = None,
    *,
    sampled: bool = True,
) -> tuple[Graph, Samples]:
    """Return the ANN that is converted, and the samples to calibrate it on.

    Args:
        imported: The model.
        target: Where it shall run.
        options: The user's options.
        calibration: Calibration samples; synthetic ones are drawn where there are none.
        report: Receives what was approximated, and where the samples come from.
        after: Called with the name and the result of each pass.
        sampled: Whether samples are wanted; else there are none unless an approximation takes them.

    Raises:
        DataError: The samples do not fit the model, or are missing.
        OptionError: The model cannot be quantised once more.
    """
    if options.quantize:
        imported, note = quantized(imported, _given(calibration), options.quantize)
        report.approximations.append(note)
        if after:
            after("quantized", imported.graph)
    if options.approximate:
        smooth = PiecewiseLinear(report.approximations.append, products=not options.exact)
        imported = replace(imported, graph=run_passes(imported.graph, (smooth,), after))
    passes = simplification(target, report.approximations.append)
    ann = run_passes(imported.graph, passes, after)
    measured = options.approximate and options.exact
    if not (sampled or measured):
        return ann, {}
    samples = _samples(ann, calibration, imported.input_ranges, options, report)
    return (approximated(ann, samples, report) if measured else ann), samples


def deviations(model: Graph, ann: Graph, samples: Samples) -> list[str]:
    """Say how far the outputs of an approximated ANN are from those of the model it stands for.

    Args:
        model: The ANN as it was imported.
        ann: The ANN that is converted.
        samples: Calibration samples, of which ``MOST_COMPARED`` are looked at.

    Returns:
        A sentence for each output: its root mean square error, as a share of its root mean square.
    """
    from ..backends.onnx_runtime import AnnSession

    few = {name: x[:MOST_COMPARED] for name, x in samples.items()}
    count = len(next(iter(few.values())))
    wanted, found = AnnSession(model).run(few), AnnSession(ann).run(few)
    return [
        f"output {name!r}: all that together is {_off(found[name], values):.2%} off, root mean "
        f"square on {count} calibration samples, before anything spikes"
        for name, values in wanted.items()
    ]


def _off(found: Array, wanted: Array) -> float:
    size = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    error = np.subtract(found, wanted, dtype=np.float64)
    return float(np.sqrt(np.mean(np.square(error)))) / max(size, 1e-30)


def _given(source: Source | Delivered | None) -> Source | None:
    """Return real calibration data, or None."""
    if isinstance(source, Delivered):
        return None if source.origin == "synthetic" else source.samples
    return source


def _samples(
    ann: Graph,
    source: Source | Delivered | None,
    ranges: Mapping[str, tuple[float, float]],
    options: Options,
    report: Report,
) -> Samples:
    if isinstance(source, Delivered):
        samples, report.calibration = source.samples, source.origin
    elif source is None:
        samples = synthetic_samples(ann, ranges, options.seed)
        report.calibration = "synthetic"
    else:
        samples = load_samples(source, ann, what="calibration data")
        report.calibration = "file" if isinstance(source, (str, PathLike)) else "array"
    report.calibration_samples = len(next(iter(samples.values())))
    if report.calibration_samples > 1 and all_alike(samples):
        report.warnings.append(ALIKE)
    return samples
