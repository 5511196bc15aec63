"""Counts of a run that is too long to keep: added up, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from ..backends import Activity, Result

COUNTS = tuple(each.name for each in fields(Activity))


@dataclass
class Totals:
    """What all samples of a run did together.

    Attributes:
        samples: Number of samples.
        sums: For each node its four counts, over all samples and steps.
    """

    samples: int = 0
    sums: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Iterable[Result]) -> Totals:
        """Return the totals of a run."""
        totals = cls()
        for result in results:
            totals.add(result)
        return totals

    def add(self, result: Result) -> None:
        """Add the result of a block of samples."""
        self.samples += len(next(iter(result.decoded.values())))
        for name, done in result.activity.items():
            before = self.sums.setdefault(name, [0] * len(COUNTS))
            counted = (int(getattr(done, count).sum()) for count in COUNTS)
            self.sums[name] = [old + new for old, new in zip(before, counted, strict=True)]

    def mean(self) -> Mapping[str, Activity]:
        """Return the activity of a mean sample, as if all of it were in one step."""
        return {
            name: Activity(*(np.array([[count / self.samples]]) for count in counts))
            for name, counts in self.sums.items()
        }
