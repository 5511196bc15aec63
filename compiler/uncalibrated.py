"""What a user has to be told where there were no calibration data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..ir import Array

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
ALIKE = (
    "all calibration samples are the same: thresholds fit that one, and may be far off for others",
    "give samples as different as those the network was trained on",
)
UNCALIBRATED = (THRESHOLDS, INPUT_RANGE, RANGES)


class CalibrationWarning(UserWarning):
    """A network was calibrated on synthetic samples."""


def all_alike(samples: Mapping[str, Array]) -> bool:
    """Whether all samples are the same; one look at the second is enough where they are not."""
    return all(np.array_equal(each, x[0]) for x in samples.values() for each in x[1:])


def tell_uncalibrated(report: Mapping[str, Any], stacklevel: int) -> None:
    """Warn where a report says that a network was calibrated on synthetic samples.

    Args:
        report: Of a compiled network.
        stacklevel: As for ``warnings.warn``, seen from the caller.
    """
    for entry in map(tuple, report["warnings"]):
        if entry in UNCALIBRATED:
            warnings.warn(CalibrationWarning("\n".join(entry)), stacklevel=stacklevel + 1)
