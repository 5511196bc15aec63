"""The process that carries values from one element of a sequence to the next.

It receives before it sends, as neurons do, so the last event of an element can be delivered in
the step in which it arrives. A loop of processes that all do so would wait for itself in every
step; every loop through this one has a synapse in it, and synapses send first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ....ir import Array
from ..recording import Tally
from .models import RECEIVES, SENDS, STATE, FixedPointModel, Member, Schedule


class Previous(AbstractProcess):  # type: ignore[misc]
    """Delivers the sum of what it received for an element at the next one, as graded events.

    Args:
        initial: What it delivers at the first element of a sample, of full shape.
        arrivals: When elements arrive here from their source.
        schedule: When elements pass; the first step of each is that of the delivery.
        options: What the model needs besides: the ``tally``.
    """

    def __init__(
        self, *, initial: Array, arrivals: Schedule, schedule: Schedule, **options: Any
    ) -> None:
        super().__init__(arrivals=arrivals, schedule=schedule, **options)
        self.s_in = InPort(shape=initial.shape)
        self.s_out = OutPort(shape=initial.shape)
        self.sums = Var(shape=(2, *initial.shape), init=0)
        self.initial = Var(shape=initial.shape, init=initial)


@implements(proc=Previous, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PreviousModel(FixedPointModel):
    """Keeps two sums: that of the element that arrives and that of the one before."""

    s_in: Member = RECEIVES
    s_out: Member = SENDS
    sums: Member = STATE
    initial: Member = STATE

    def run_spk(self) -> None:
        """Do one step."""
        self.receive()
        events = np.zeros(self.initial.shape, np.int64)
        if (now := self.now()) is not None:
            if now.step == 0:
                events[:] = self.sums[(now.element - 1) % 2] if now.element else self.initial
            tally: Tally = self.proc_params["tally"]
            tally.write(*now, events)
        self.s_out.send(events)

    def receive(self) -> None:
        """Add what arrives to the sum of its element."""
        payload = self.s_in.recv()
        arrivals: Schedule = self.proc_params["arrivals"]
        if (arriving := arrivals.at(self.time_step)) is not None:
            total = self.sums[arriving.element % 2]
            if arriving.step == 0:
                total[:] = 0
            total += payload
