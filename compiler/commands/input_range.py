"""A warning for inputs that the network was not calibrated for: a forgotten scale, mostly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .console import Console

if TYPE_CHECKING:
    from ..data import Inputs
    from ..network import Network

CUT_OFF_SHARE = 0.001
"""Share of values out of range that is worth a warning: a few outliers are not."""


def warn_of_cut_off_inputs(network: Network, samples: Inputs, console: Console) -> None:
    """Warn where many input values lie beyond the range of the calibration data."""
    for name, share in network.cut_off_inputs(samples).items():
        if share > CUT_OFF_SHARE:
            console.warning(
                f"{name}: {share:.1%} of the input values lie beyond the range of the calibration "
                "data and are cut off",
                "scale the data as they were scaled for training, or calibrate on such data",
            )
