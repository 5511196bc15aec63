"""What the kernels for one position cost, in nanoseconds of one sample and step on one core.

Measured on Zen 5. They only decide which kernel is used; ratios matter, which other processors with
the same instructions share.
"""

from __future__ import annotations

LOOK = 0.07
"""To list or pack one payload."""

DENSE, REAL_DENSE = 0.0021, 0.02
"""A multiplication."""

BLOCK = 15.0
"""To begin and end the sums of a block of channels."""

EVENT, REAL_EVENT = 0.56, 0.9
"""To add the weights of an event for a block of channels."""


def dense(inputs: int, lanes: int, *, real: bool) -> float:
    """Return the cost of a dense product.

    Args:
        inputs: Payloads.
        lanes: Channels.
        real: Whether weights are real numbers.
    """
    return inputs * (LOOK + lanes * (REAL_DENSE if real else DENSE))


def events(inputs: int, blocks: int, density: float, *, real: bool) -> float:
    """Return the cost of adding the weights of events.

    Args:
        inputs: Payloads.
        blocks: Blocks of channels.
        density: The share of payloads that are events.
        real: Whether weights are real numbers.
    """
    each = REAL_EVENT if real else EVENT
    return inputs * LOOK + blocks * (BLOCK + density * inputs * each)
