"""Which settings come within some points of the ANN, by the accuracies measured before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from examples.benchmarks.results import Result

TOLERANCE = 0.5
"""Points of accuracy."""


@dataclass(frozen=True)
class Choice:
    """A setting to time.

    Attributes:
        result: Its accuracy, on many test samples.
        reached: Whether it is within the tolerance; else it is the nearest there is.
    """

    result: Result
    reached: bool

    @property
    def note(self) -> str:
        """What a reader must know."""
        words = f"T = {self.result.timesteps}, {self.result.loss:.2f} points lost on "
        text = words + f"{self.result.count:,} images"
        return text if self.reached else text + ": not reached, a lower bound"


def common_count(results: Iterable[Result]) -> int:
    """Return the largest number of test samples on which all systems were measured."""
    counts: dict[str, set[int]] = {}
    for result in results:
        counts.setdefault(result.system.split()[0], set()).add(result.count)
    return max(set.intersection(*counts.values()))


def earliest(results: Sequence[Result]) -> Choice:
    """Return the setting with the smallest T that is within the tolerance, else the best."""
    within = [result for result in results if result.loss <= TOLERANCE]
    if within:
        return Choice(min(within, key=lambda x: (x.timesteps, -x.accuracy)), reached=True)
    return Choice(max(results, key=lambda x: x.accuracy), reached=False)


def defaults(results: Sequence[Result]) -> list[Choice]:
    """Return the earliest setting of each default recipe of snnc that comes within tolerance."""
    names = dict.fromkeys(
        x.method for x in results if x.system.startswith("snnc") and x.method.startswith("default")
    )
    choices = [earliest([x for x in results if x.method == name]) for name in names]
    return [choice for choice in choices if choice.reached]
