"""Stands in for a ``Recording`` where nobody reads what a run writes down."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir import Array
from .plan import Plan, ReadoutPlan


class Discarded:
    """Takes the place of tallies and totals, and forgets what is written there."""

    def write(self, sample: int, element: int, step: int, events: Array) -> None:
        """Do nothing."""

    def __setitem__(self, place: Any, value: Any) -> None:
        """Do nothing."""

    @property
    def waiting(self) -> Discarded:
        """Where a tracking neuron says that it has something left to send."""
        return self


class Unrecorded:
    """A recording that keeps nothing, so that a network can run without end.

    Args:
        plan: The network.
    """

    def __init__(self, plan: Plan) -> None:
        readouts = [plan.name for plan in plan.processes if isinstance(plan, ReadoutPlan)]
        self.tallies = {process.name: Discarded() for process in plan.processes}
        self.totals = {name: Discarded() for name in readouts}
        self.clocks = np.zeros(len(readouts), np.int64)
