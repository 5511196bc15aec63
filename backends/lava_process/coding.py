"""Between samples and outputs in ANN units and the numbers that travel through Lava."""

from __future__ import annotations

import numpy as np

from ...ir import Array, Encoder, Integrator
from ...ir.reference import step
from .layout import to_lava


def encode(encoder: Encoder, batch: Array) -> Array:
    """Quantise samples.

    Args:
        encoder: The encoder of an input.
        batch: ``(samples, *shape)``, ANN units, channels first.

    Returns:
        Payloads ``(samples, *lava_shape)``.
    """
    return to_lava(step(encoder, [batch], {}, 1))


def decode(integrator: Integrator, total: Array, steps: int) -> Array:
    """Turn an integrator's sums into outputs.

    Args:
        integrator: The readout.
        total: Sums after ``steps`` steps of a sample, ``(..., *shape)``, channels first.
        steps: How many steps were summed.

    Returns:
        Outputs in ANN units, ``(..., *shape)``, float64.
    """
    divisor = steps if integrator.decoding == "mean" else 1
    return np.asarray(total * integrator.scale / divisor)
