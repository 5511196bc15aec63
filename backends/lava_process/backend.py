"""The target ``lava``: what it can do, and how a graph becomes a program for it."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from ...ir import (
    IF,
    LI,
    LIF,
    MOVES,
    Concat,
    Conv,
    CubaLI,
    CubaLIF,
    Delay,
    Encoder,
    Feedback,
    Graph,
    Input,
    Integrator,
    Linear,
    LoihiLIF,
    MaxPool,
    Previous,
    Reshape,
    TrackingIF,
)
from ...ir.neurons import RESETS
from ..rules import check
from ..target import Target
from .design_rules import RULES
from .lowering import plan
from .program import LavaProgram

TARGET = Target(
    name="lava",
    summary=(
        "Lava process graph for Loihi-style chips, simulated bit for bit on the CPU, or in floats; "
        "upstream is archived, and Loihi 2 itself needs Intel's closed lava-loihi and microcode of "
        "the neurons"
    ),
    supports=frozenset(
        [
            *(Input, Encoder, Previous, Conv, Linear, MaxPool, Reshape),
            *(*MOVES, Concat, IF, TrackingIF, Integrator),
            *(LI, LIF, CubaLI, CubaLIF, LoihiLIF, Delay, Feedback),
        ]
    ),
    rate_coded_only=True,
    stepwise_inputs=True,
    resets=RESETS,
    max_current=2**23 - 1,
    source="lava-nc 0.10.0: lava/proc/conv/models.py wraps the sums of a Conv to 24 bits",
)


class LavaBackend:
    """Lowers graphs of either arithmetic. Lowering needs no Lava, running does."""

    target = TARGET

    def lower(self, graph: Graph, timesteps: int) -> LavaProgram:
        """Check a graph and lay it out for Lava; see ``Backend.lower``."""
        check(graph, self.target, RULES)
        return LavaProgram(graph, timesteps, plan(graph))

    def availability(self) -> str:
        """Return the version of lava-nc, or "" where it is missing or cannot fork."""
        try:
            return version("lava-nc") if hasattr(os, "fork") else ""
        except PackageNotFoundError:
            return ""
