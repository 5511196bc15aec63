"""The entry of a network whose samples come from other Lava Processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ....ir import Array
from . import float_models
from .models import RECEIVES, SENDS, FixedPointModel, Member


class Inlet(AbstractProcess):  # type: ignore[misc]
    """Passes samples from outside on, in the step in which they arrive.

    Args:
        shape: Of a sample.
        options: What the model needs besides: the smallest and largest ``payload`` or None, whether
            a sample is read ``once``, and the ``schedule``.
    """

    def __init__(self, *, shape: tuple[int, ...], **options: Any) -> None:
        super().__init__(**options)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


@implements(proc=Inlet, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class InletModel(FixedPointModel):
    """Passes on what belongs to a sample, and refuses what ``encode`` would not give."""

    a_in: Member = RECEIVES
    s_out: Member = SENDS

    def run_spk(self) -> None:
        """Do one step."""
        received, now = self.a_in.recv(), self.now()
        if now is None or (now.step > 0 and self.proc_params["once"]):
            received = np.zeros_like(received)
        else:
            self.check(received)
        self.s_out.send(received)

    def check(self, received: Array) -> None:
        """Raise where something else than payloads arrived."""
        payload = self.proc_params["payload"]
        if payload is None:
            wanted, good = "finite numbers", bool(np.isfinite(received).all())
        else:
            wanted = f"integers from {payload[0]} to {payload[1]}"
            inside = (received >= payload[0]) & (received <= payload[1])
            good = bool((inside & (received == np.rint(received))).all())
        if not good:
            raise ValueError(
                f"{self.proc_params['name']} takes {wanted}, and got values from "
                f"{received.min():g} to {received.max():g} in step {self.time_step}: make them "
                "with the encode() of the NetworkProcess"
            )


class FloatInletModel(float_models.FloatModel, InletModel):
    """The same in a network of real numbers."""

    a_in: Member = float_models.RECEIVES
    s_out: Member = float_models.SENDS
