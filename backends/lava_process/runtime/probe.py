"""A Process that writes down what arrives, where the program can read it at no cost.

Lava reads a Var one number a message, 20 microseconds each: a second for 50,000 payloads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import DTypeLike

from ....ir import Array
from ..recording import shared_zeros
from .containment import contained
from .models import RECEIVES, Member


class Probe(AbstractProcess):  # type: ignore[misc]
    """Keeps what arrives at each of so many steps; what comes later is not kept.

    The memory is shared with the processes that a run forks, so it can be read while they run and
    when they have ended.

    Args:
        shape: Of what arrives, as Lava has it: ``port.shape``.
        steps: Number of steps to keep.
        dtype: What to keep it as; float64 for what a network with real weights sends.
        options: What Lava's ``AbstractProcess`` takes: ``name``, ``log_config``.

    Attributes:
        a_in: Where it arrives.
        trace: ``(steps, *shape)``; step t of the run is at place t - 1.
    """

    def __init__(
        self, *, shape: tuple[int, ...], steps: int, dtype: DTypeLike = np.int64, **options: Any
    ) -> None:
        self.trace: Array = shared_zeros((steps, *shape), dtype)
        with contained():
            super().__init__(trace=self.trace, **options)
        self.a_in = InPort(shape=shape)


@implements(proc=Probe, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ProbeModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Copies each message, and refuses to round it."""

    a_in: Member = RECEIVES

    def run_spk(self) -> None:
        """Do one step."""
        message, trace = self.a_in.recv(), self.proc_params["trace"]
        if self.time_step <= len(trace):
            np.copyto(trace[self.time_step - 1], message, casting="same_kind")
