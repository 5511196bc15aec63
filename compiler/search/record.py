"""What a search tried: its part of the report, and its answer where nothing was good enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any

from ...ir.errors import AccuracyError, SnncError
from .cost import HARDWARE, Cost
from .drop import CONFIDENCE, Drop
from .judge import Judge
from .settings import Setting

LARGEST_DROP = 0.2
"""Nobody allows a larger one: 0.5 is meant to be 0.5 %."""


@dataclass(frozen=True)
class Trial:
    """A setting that was tried.

    Attributes:
        setting: The setting.
        drop: What it loses.
        cost: What it costs.
    """

    setting: Setting
    drop: Drop
    cost: Cost


@dataclass(frozen=True)
class Record:
    """A search under way.

    Attributes:
        max_drop: Accuracy that may be lost, a fraction.
        judge: What the networks are judged on.
        expected: Energy of each setting as estimated before any was tried, joules a sample, in
            the order of trial.
        trials: Filled as settings are tried.
        refused: What the code or the target could not do, and why.
    """

    max_drop: float
    judge: Judge
    expected: Mapping[Setting, float]
    refused: dict[Setting, SnncError]
    trials: list[Trial] = field(default_factory=list)

    def met(self, trial: Trial) -> bool:
        """Whether a setting loses little enough, with a confidence of ``drop.CONFIDENCE``."""
        return trial.drop.limit <= self.max_drop

    def to_json(self, chosen: Setting) -> dict[str, Any]:
        """Return the record as it goes into a report; drops are fractions."""
        tried = {trial.setting for trial in self.trials}
        return {
            "max_drop": self.max_drop,
            "judged_by": "labels" if self.judge.labelled else "agreement with the ANN",
            "ann_accuracy": self.judge.accuracy if self.judge.labelled else None,
            "calibrated_on": len(self.judge.others),
            "held_back": len(self.judge.held),
            "confidence": CONFIDENCE,
            "cost": f"energy of a sample, as `snnc estimate --hardware {HARDWARE}` counts it",
            "chosen": asdict(chosen),
            "tried": [
                asdict(trial.setting)
                | {"met": self.met(trial), "drop": trial.drop.to_json()}
                | {"cost": asdict(trial.cost)}
                for trial in self.trials
            ],
            "not_tried": [
                asdict(setting) | {"expected_energy_joules": energy}
                for setting, energy in self.expected.items()
                if setting not in tried and setting not in self.refused
            ],
            "refused": [
                asdict(setting) | {"reason": problem.message, "hint": problem.hint}
                for setting, error in self.refused.items()
                for problem in error.problems
            ],
        }

    def failure(self) -> SnncError:
        """Return the error that says why no setting was chosen, and what would be met."""
        if not self.trials:
            return next(iter(self.refused.values()))
        best = min(self.trials, key=lambda trial: trial.drop.limit)
        reachable = ceil(best.drop.limit * 1e4) / 1e4
        ways = [f"give --max-drop {reachable:.2%}"] if reachable <= LARGEST_DROP else []
        ways.append("give more calibration samples")
        if not self.judge.labelled:
            ways.append("add labels 'y' (without labels every changed answer counts as lost)")
        return AccuracyError(
            f"--max-drop {100 * self.max_drop:g}%: none of {len(self.trials)} settings is sure to "
            f"keep to it; the best, {best.setting}, loses {best.drop.predicted:.2%} by prediction "
            f"and at most {best.drop.limit:.2%} with a confidence of {CONFIDENCE:.0%} "
            f"({best.drop.samples} samples held back)",
            hint=", or ".join(ways),
        )
