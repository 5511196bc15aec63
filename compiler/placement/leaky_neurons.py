"""What of a leaky neuron a chip cannot compute."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...backends.chips import Chip
from ...ir import Array
from ...ir.errors import Problem
from ...ir.leaky import (
    CubaLI,
    CubaLIF,
    LeakyIntegrator,
    LeakyPopulation,
    LoihiLIF,
)
from .layers import Layer

FIXED_POINT = "train with the neuron of the chip in fixed point (lava-dl), a LoihiLIF here"

PARAMETERS = ("decay", "gain", "bias", "threshold", "reset_to", "current_decay", "current_gain")


def leaky(layer: Layer, chip: Chip) -> Iterator[Problem]:
    """Yield what is in the way of a leaky population."""
    node = layer.node
    if isinstance(node, LoihiLIF):
        yield from _registers(layer, node, chip)
    if not isinstance(node, (LeakyPopulation, LeakyIntegrator)):
        return
    real = [name for name in PARAMETERS if not _whole(getattr(node, name, np.zeros(1)))]
    if real:
        first, last = ", ".join(real[:-1]), real[-1]
        what = f"{first} and {last} are no whole numbers" if first else f"{last} is no whole number"
        yield Problem(
            f"{layer.name}: its {what}, and neurons of {chip.title} compute in fixed point",
            FIXED_POINT,
        )
    if not chip.programmable and (odd := list(_odd(node))):
        yield Problem(
            f"{layer.name}: {' and '.join(odd)} is nothing that the neuron of {chip.title} does, "
            "which is fixed",
            f"choose --chip loihi2; or {FIXED_POINT}",
        )


def _odd(node: LeakyPopulation | LeakyIntegrator) -> Iterator[str]:
    """Yield what the fixed neuron of a chip, with leak and a reset to 0, cannot do."""
    if isinstance(node, LeakyPopulation):
        if node.reset_delayed and node.reset != "none":
            yield "a reset that comes a step late"
        if node.reset == "none":
            yield "to fire without a reset"
        if node.reset == "value" and node.reset_to.any():
            yield "a reset to another value than 0"
    scaled = (node.gain, node.current_gain) if isinstance(node, (CubaLI, CubaLIF)) else (node.gain,)
    if any((gain != 1).any() for gain in scaled):
        yield "a gain"


def _registers(layer: Layer, node: LoihiLIF, chip: Chip) -> Iterator[Problem]:
    held = chip.registers
    if held is None or node.threshold.max() < 2 ** int(held.threshold.value):
        return
    yield Problem(
        f"{layer.name}: has thresholds up to {node.threshold.max()}, and those of {chip.title} "
        f"have {held.threshold.value:.0f} bits ({held.threshold.certainty.value})",
        "divide weights and thresholds by a power of two",
    )


def _whole(values: Array) -> bool:
    return bool((values == np.rint(values)).all())
