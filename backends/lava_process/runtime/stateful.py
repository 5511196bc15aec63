"""Neurons of trained spiking networks, delays and loops between time steps.

What a process computes is ``ir.reference_leaky`` itself, a step at a time, from rest at every
sample. Neurons in Loihi's fixed point with one decay and one threshold for all are Lava's own
``LIF`` and run on its own arithmetic; here is only when a sample begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIF

from ....ir import Array, Node
from ....ir.reference import State, step
from ..recording import Tally
from . import float_models, models
from .models import FixedPointModel, Member, Schedule


class Stateful(AbstractProcess):  # type: ignore[misc]
    """A node that keeps state within a sample; sends in the step in which it receives.

    Args:
        shape: Of what it receives and sends.
        node: The node, its parameters laid out for Lava.
        options: What the model needs besides: the ``schedule`` and the ``tally``.
    """

    def __init__(self, *, shape: tuple[int, ...], node: Node, **options: Any) -> None:
        super().__init__(node=node, **options)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


class Feedback(AbstractProcess):  # type: ignore[misc]
    """Sends what it received so many steps ago, but nothing in the first step of a sample.

    A loop takes a step in the synapse it passes, which is the step that ``ir.Feedback`` stands for.

    Args:
        shape: Of what it receives and sends.
        wait: Steps it keeps what it received; mostly none.
        options: What the model needs besides: the ``schedule`` and the ``tally``.
    """

    def __init__(self, *, shape: tuple[int, ...], wait: int, **options: Any) -> None:
        super().__init__(wait=wait, **options)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


@implements(proc=Stateful, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class StatefulModel(FixedPointModel):
    """Computes the reference; outside of all samples nothing is kept and nothing sent."""

    a_in: Member = models.RECEIVES
    s_out: Member = models.SENDS
    state: State

    def run_spk(self) -> None:
        """Do one step."""
        received = self.a_in.recv()
        now = self.now()
        if now is None:
            self.s_out.send(np.zeros_like(received))
            return
        if now.step == 0:
            self.state = {}
        node: Node = self.proc_params["node"]
        sent = step(node, [received[None]], self.state, now.step + 1)[0]
        self.s_out.send(sent)
        tally: Tally = self.proc_params["tally"]
        tally.write(*now, sent)


@implements(proc=Feedback, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FeedbackModel(FixedPointModel):
    """Keeps the last steps, and counts what it sends for those that read it."""

    a_in: Member = models.RECEIVES
    s_out: Member = models.SENDS
    kept: tuple[Array, ...] = ()

    def run_spk(self) -> None:
        """Do one step."""
        self.kept = (*self.kept, self.a_in.recv())
        late = self.kept[0]
        if len(self.kept) > self.proc_params["wait"]:
            self.kept = self.kept[1:]
        now = self.now()
        sent = late if now is not None and now.step > 0 else np.zeros_like(late)
        self.s_out.send(sent)
        if now is not None:
            tally: Tally = self.proc_params["tally"]
            tally.write(*now, sent)


class FloatStatefulModel(float_models.FloatModel, StatefulModel):
    """Computes the reference in float64."""

    a_in: Member = float_models.RECEIVES
    s_out: Member = float_models.SENDS


class FloatFeedbackModel(float_models.FloatModel, FeedbackModel):
    """Keeps the last steps, and counts what it sends for those that read it."""

    a_in: Member = float_models.RECEIVES
    s_out: Member = float_models.SENDS


@implements(proc=LIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SampledLIFModel(PyLifModelBitAcc):  # type: ignore[misc]
    """Lava's own neurons and arithmetic, set to where a sample begins when it arrives."""

    s_out: Member = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    proc_params: dict[str, Any]
    time_step: int

    def run_spk(self) -> None:
        """Do one step; outside of all samples nothing is integrated and nothing sent."""
        received = self.a_in.recv()
        schedule: Schedule = self.proc_params["schedule"]
        now = schedule.at(self.time_step)
        if now is None:
            self.s_out.send(np.zeros(received.shape, np.int32))
            return
        if now.step == 0:
            self.u[:], self.v[:] = self.proc_params["u"], self.proc_params["v"]
            self.scale_bias()
            self.scale_threshold()
        self.subthr_dynamics(activation_in=received)
        fires = self.spiking_activation()
        self.reset_voltage(spike_vector=fires)
        sent = fires.astype(np.int32)
        self.s_out.send(sent)
        tally: Tally = self.proc_params["tally"]
        tally.write(*now, sent)
