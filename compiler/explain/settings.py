"""What a network was compiled with, as far as an explanation depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...ir import IF, Graph, Staircase
from ..network import Network

FITTED: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "light": ("bias",),
    "advanced": ("initial",),
    "reconstruct": ("fit", "bias"),
}
"""For each correction, the parts of the error it makes on purpose, to undo others."""


@dataclass(frozen=True)
class Settings:
    """The settings of a compiled network.

    Attributes:
        code: Name of the spike code.
        timesteps: T.
        max_payload: Largest payload of an event.
        thresholds: The threshold rule in words, beginning with its name.
        percentile: Of the rule ``percentile``.
        weight_bits: Width of the weights, or None for real ones.
        input_bits: Width of the input.
        deadband: 0 or 1.
        v_init: Initial membrane in thresholds, before anything was fitted.
        spread: Whether it is added over all steps instead of at the start.
        correction: One of ``FITTED``.
        synthetic: Whether it was calibrated on synthetic inputs.
        levels: Levels above 0 of the ANN's activations, the most of any; 0 where they have none.
    """

    code: str
    timesteps: int
    max_payload: int
    thresholds: str
    percentile: float
    weight_bits: int | None
    input_bits: int
    deadband: int
    v_init: float
    spread: bool
    correction: str
    synthetic: bool
    levels: int

    @classmethod
    def of(cls, network: Network, ann: Graph) -> Settings:
        """Return the settings of a network, from its manifest, its neurons and its ANN."""
        options: Mapping[str, Any] = network.artifact.manifest.get("options", {})
        populations = network.graph.of_type(IF)
        code = options.get("code") or "ternary"
        v_init = options.get("v_init")
        if v_init is None:
            v_init = 0.0 if code == "multithreshold" else 0.5
        return cls(
            code=code,
            timesteps=network.timesteps,
            max_payload=max((node.max_positive for node in populations), default=1),
            thresholds=options.get("thresholds") or "",
            percentile=options.get("percentile", 100.0),
            weight_bits=options.get("weight_bits", 8),
            input_bits=options.get("input_bits", 8),
            deadband=max((node.deadband for node in populations), default=0),
            v_init=v_init,
            spread=options.get("shift") == "step",
            correction=options.get("correction") or "none",
            synthetic=network.report.get("calibration") == "synthetic",
            levels=max((node.high or 0 for node in ann.of_type(Staircase)), default=0),
        )

    @property
    def fitted(self) -> tuple[str, ...]:
        """The parts of the error that were made on purpose."""
        return FITTED[self.correction]

    @property
    def default_v_init(self) -> float:
        """The initial membrane that makes the code round to nearest."""
        return 0.0 if self.code == "multithreshold" else 0.5

    @property
    def weight_limit(self) -> int:
        """Largest magnitude of an integer weight."""
        return int(2 ** ((self.weight_bits or 8) - 1)) - 1
