"""What a user has to be told where there were no calibration data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

THRESHOLDS = (
    "no calibration data: thresholds come from synthetic inputs and may be far off",
    "give real training samples with --calibration X.npz",
)
INPUT_RANGE = (
    "no calibration data: thresholds come from the model, but the range of the input is a guess",
    "give real training samples with --calibration X.npz",
)
RANGES = (
    "no calibration data: ranges of values come from synthetic inputs and may be far off",
    "give real training samples with --calibration X.npz",
)
UNCALIBRATED = (THRESHOLDS, INPUT_RANGE, RANGES)


class CalibrationWarning(UserWarning):
    """A network was calibrated on synthetic samples."""


def tell_uncalibrated(report: Mapping[str, Any], stacklevel: int) -> None:
    """Warn where a report says that a network was calibrated on synthetic samples.

    Args:
        report: Of a compiled network.
        stacklevel: As for ``warnings.warn``, seen from the caller.
    """
    for entry in map(tuple, report["warnings"]):
        if entry in UNCALIBRATED:
            warnings.warn(CalibrationWarning("\n".join(entry)), stacklevel=stacklevel + 1)
