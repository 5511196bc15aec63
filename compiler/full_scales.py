"""The full scales of all values that get a population, for any payload caps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from ..ir import Array
from .calibration import Moments, Statistics
from .thresholds import ThresholdRule


@dataclass(frozen=True)
class FullScales:
    """Where full scales come from; each is worked out once for each cap.

    Attributes:
        rule: The threshold rule.
        statistics: Of each value that gets a population.
        moments: Of its pre-activation, where the rule needs them.
        trained: The full scales that the model itself holds.
        undivided: Values whose channels share one full scale: those that a clip bounds below 0,
            for one neuron bound must serve all channels, and those that a view mixes.
        timesteps: T.
    """

    rule: ThresholdRule
    statistics: Mapping[str, Statistics]
    moments: Mapping[str, Moments]
    trained: Mapping[str, Array]
    undivided: Collection[str]
    timesteps: int
    _known: dict[tuple[str, int], Array] = field(default_factory=dict)

    def __call__(self, caps: Mapping[str, int]) -> dict[str, Array]:
        """Return ``lam`` of each value, given the cap of each; see ``ThresholdRule.full_scale``."""
        return {name: self._full_scale(name, cap) for name, cap in caps.items()}

    def _full_scale(self, name: str, cap: int) -> Array:
        if name in self.trained:
            return self.trained[name]
        if (name, cap) not in self._known:
            whole = replace(self.rule, per_channel=False)
            self._known[name, cap] = (whole if name in self.undivided else self.rule).full_scale(
                self.statistics[name], self.timesteps, cap, self.moments.get(name)
            )
        return self._known[name, cap]
