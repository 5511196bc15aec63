"""Processes that look on while Lava's own compute, and change nothing."""

from __future__ import annotations

from typing import Any

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset

from ....ir import Array
from ...lava_process.recording import Tally
from ...lava_process.runtime.models import RECEIVES, FixedPointModel, Member, Schedule

UNIT = 64
"""A membrane of Lava's LIF counts in 64ths of a weight's unit."""


class EventTap(AbstractProcess):  # type: ignore[misc]
    """Counts what a population sends.

    Args:
        shape: Of the population.
        options: The ``schedule`` and the ``tally``.
    """

    def __init__(self, *, shape: tuple[int, ...], **options: Any) -> None:
        super().__init__(**options)
        self.s_in = InPort(shape=shape)


@implements(proc=EventTap, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class EventTapModel(FixedPointModel):
    """Writes down the events of this step."""

    s_in: Member = RECEIVES

    def run_spk(self) -> None:
        """Do one step."""
        events = self.s_in.recv()
        if (now := self.now()) is not None:
            tally: Tally = self.proc_params["tally"]
            tally.write(*now, events)


class WatchedLIF(LIFReset):  # type: ignore[misc]
    """Lava's own neurons; their model also writes down their membranes.

    Reading them from outside, with a ``RefPort``, would need channels that wait for several
    messages at a time, which those of a guarded run do not (``lava_process.runtime.channels``).

    Args:
        watch: The ``schedule``, and the arrays ``totals`` and ``clock`` to write into.
        options: Those of ``LIFReset``.
    """

    def __init__(self, *, watch: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.proc_params["watch"] = watch


class WatchedLIFModel(PyLifResetModelBitAcc):  # type: ignore[misc]
    """Lava's own model of ``LIFReset``, followed by a look at the membranes."""

    def run_spk(self) -> None:
        """Do one step."""
        super().run_spk()
        watch: dict[str, Any] = self.proc_params["watch"]
        schedule: Schedule = watch["schedule"]
        if (now := schedule.at(self.time_step)) is not None:
            totals: Array = watch["totals"]
            totals[now.sample, now.step] = self.v // UNIT
        watch["clock"][0] = self.time_step
