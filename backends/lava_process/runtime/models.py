"""Fixed-point models of our processes: what they do in a step of a Lava network.

State is int64, so no sum can wrap; what is sent is int32, as from Lava's own processes. Nothing
but the types says so: ``float_models`` does the same in float64.

Lava simulates no registers for processes that are not its own: thresholds and biases are plain
integers here, without mantissa and exponent. ``snnc fit`` checks them against those of a chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ....ir import IF, Array, Integrator, TrackingIF
from ....ir.quantized import drive, quantized
from ....ir.reference import units
from ..recording import Tally
from . import processes

Member: TypeAlias = Any
"""A port or a variable: declared with its Lava type, an array or a port in a running model."""

RECEIVES = LavaPyType(PyInPort.VEC_DENSE, np.int64, precision=24)
SENDS = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
STATE = LavaPyType(np.ndarray, np.int64, precision=24)
SUMS = LavaPyType(PyOutPort.VEC_DENSE, np.int64)


class Moment(NamedTuple):
    """Which sample passes through a process, which of its elements, and which of its steps."""

    sample: int
    element: int
    step: int


@dataclass(frozen=True)
class Schedule:
    """When samples pass through a process.

    Attributes:
        start: The first step in which the first sample arrives, counted from 1.
        timesteps: Steps of one element.
        samples: Number of samples, or None where they never end.
        elements: Elements of a sample; one that is no sequence is its only element.
        idle: Steps between two elements.
    """

    start: int
    timesteps: int
    samples: int | None
    elements: int = 1
    idle: int = 0

    def at(self, time_step: int) -> Moment | None:
        """Return what arrives in a step, or None outside of all elements."""
        place, step = divmod(time_step - self.start, self.timesteps + self.idle)
        sample, element = divmod(place, self.elements)
        inside = sample >= 0 and (self.samples is None or sample < self.samples)
        return Moment(sample, element, step) if inside and step < self.timesteps else None

    def last(self, sample: int) -> int:
        """Return the last step of a sample."""
        passed = (sample + 1) * self.elements * (self.timesteps + self.idle)
        return self.start + passed - self.idle - 1

    def cut(self, trace: Array) -> Array:
        """Cut what was sent at each step of a run into samples.

        Args:
            trace: ``(steps, *shape)``, from step 1 on.

        Returns:
            ``(samples, steps, *shape)`` of all samples that are complete; of a sequence the steps
            are those of its elements, one behind the other.
        """
        each = self.timesteps + self.idle
        count = max(0, len(trace) - self.start + 1 + self.idle) // (self.elements * each)
        count = count if self.samples is None else min(count, self.samples)
        begin = self.start - 1 + np.arange(count * self.elements) * each
        steps = (begin[:, None] + np.arange(self.timesteps)).reshape(count, -1)
        return np.asarray(trace[steps])


class FixedPointModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Base of our models; ``proc_params`` is what the process was given."""

    number: type[np.number[Any]] = np.int64
    """What currents are added in."""

    proc_params: dict[str, Any]
    time_step: int

    def now(self) -> Moment | None:
        """Return what arrives in this step, or None outside of all elements."""
        schedule: Schedule = self.proc_params["schedule"]
        return schedule.at(self.time_step)


class ManyPortsModel(FixedPointModel):
    """Base of the models of ``processes.ManyPorts``."""

    @classmethod
    @cache
    def with_ports(cls, count: int) -> type:
        """Return this model with so many ports: Lava wants each of them declared."""
        receives = LavaPyType(PyInPort.VEC_DENSE, cls.number, precision=24)
        declared = {f"a_in{port}": receives for port in range(count)}
        return type(f"{cls.__name__}{count}", (cls,), declared)

    def receive(self) -> list[Array]:
        """Return what arrived at each port."""
        return [getattr(self, f"a_in{port}").recv() for port in range(self.proc_params["ports"])]


@implements(proc=processes.SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SampleSourceModel(FixedPointModel):
    """Sends the sample of this step."""

    s_out: Member = SENDS

    def run_spk(self) -> None:
        """Do one step."""
        samples: Array = self.proc_params["samples"]
        now = self.now()
        if now is None or (now.step > 0 and self.proc_params["once"]):
            self.s_out.send(np.zeros(self.s_out.shape, samples.dtype))
        elif self.proc_params["stepwise"]:
            self.s_out.send(samples[now.sample, now.element, now.step])
        else:
            self.s_out.send(samples[now.sample, now.element])


@implements(proc=processes.IntegrateAndFire, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class IntegrateAndFireModel(FixedPointModel):
    """Integrates, fires and resets, by subtraction or to zero."""

    a_in: Member = RECEIVES
    s_out: Member = SENDS
    v: Member = STATE
    acc: Member = STATE
    threshold: Member = STATE
    bias: Member = STATE
    initial: Member = STATE

    def run_spk(self) -> None:
        """Do one step; outside of all samples nothing is integrated and nothing sent."""
        current = self.a_in.recv()
        now = self.now()
        if now is None:
            self.s_out.send(np.zeros(current.shape, np.int32))
            return
        if now.step == 0:
            self.v[:] = self.initial
            self.acc[:] = 0
        self.v += current
        self.v += self.bias
        node: IF = self.proc_params["node"]
        event = self.fire(node)
        if node.reset == "zero":
            self.v[event != 0] = 0
        else:
            self.v -= event * self.threshold
        self.acc += event
        self.s_out.send(event)
        tally: Tally = self.proc_params["tally"]
        tally.write(*now, event)

    def fire(self, node: IF) -> Array:
        """Saturate the membrane and return the payloads."""
        if node.clamp is not None:
            np.clip(self.v, -node.clamp, node.clamp, out=self.v)
        event = units(self.v, self.threshold, node.deadband)
        np.clip(event, -node.max_negative, node.max_positive, out=event)
        if node.acc_min is not None:
            np.maximum(event, node.acc_min - self.acc, out=event)
        if node.acc_max is not None:
            np.minimum(event, node.acc_max - self.acc, out=event)
        return event


@implements(proc=processes.TrackingIntegrateAndFire, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class TrackingModel(ManyPortsModel):
    """Sends what is missing to the quantised value of all it has received."""

    s_out: Member = SENDS
    sums: Member = STATE
    acc: Member = STATE

    def run_spk(self) -> None:
        """Do one step; outside of all samples nothing is accumulated and nothing sent."""
        currents = self.receive()
        now = self.now()
        if now is None:
            self.s_out.send(np.zeros(self.acc.shape, np.int32))
            return
        if now.step == 0:
            self.sums[:] = 0
            self.acc[:] = 0
        for total, current in zip(self.sums, currents, strict=True):
            total += current
        node: TrackingIF = self.proc_params["node"]
        missing = quantized(node, drive(node, list(self.sums))) - self.acc
        event = np.clip(missing, -node.max_negative, node.max_positive)
        self.acc += event
        self.s_out.send(event)
        tally: Tally = self.proc_params["tally"]
        tally.write(*now, event)
        tally.waiting[now[:2]] = not np.array_equal(event, missing)


@implements(proc=processes.MaxPool, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class MaxPoolModel(FixedPointModel):
    """Sends by how much the maximum of what it has received rose in the step before."""

    s_in: Member = RECEIVES
    a_out: Member = SENDS
    a_buff: Member = STATE
    maximum: Member = STATE
    received: Member = STATE

    lowest: float = np.iinfo(np.int64).min
    """Below everything that can be received: padding never wins."""

    def run_spk(self) -> None:
        """Do one step."""
        self.a_out.send(self.a_buff)
        payload = self.s_in.recv()
        now = self.now()
        if now is None:
            self.a_buff[:] = 0
            return
        left, top = self.proc_params["padding"][:2]
        inside = (slice(left, left + payload.shape[0]), slice(top, top + payload.shape[1]))
        if now.step == 0:
            self.received[:] = self.lowest
            self.received[inside] = 0
            self.maximum[:] = 0
        self.received[inside] += payload
        maximum = self.window_maximum()
        np.subtract(maximum, self.maximum, out=self.a_buff)
        self.maximum[:] = maximum
        tally: Tally = self.proc_params["tally"]
        tally.write(*now, self.a_buff)

    def window_maximum(self) -> Array:
        """Return the maximum of each window, ``(width, height, channels)``."""
        parameters, size = self.proc_params, self.maximum.shape
        taps = []
        for element in product(*map(range, parameters["kernel"])):
            window = tuple(
                slice(i * dilation, i * dilation + (count - 1) * stride + 1, stride)
                for i, dilation, stride, count in zip(
                    element, parameters["dilation"], parameters["stride"], size[:2], strict=True
                )
            )
            taps.append(self.received[window])
        best = taps[0].copy()
        for tap in taps[1:]:
            np.maximum(best, tap, out=best)
        return np.asarray(best)


@implements(proc=processes.Concat, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ConcatModel(ManyPortsModel):
    """Sends what it receives, and counts it for those that read it."""

    s_out: Member = SENDS

    def run_spk(self) -> None:
        """Do one step."""
        events = np.concatenate(self.receive(), axis=-1)
        order = self.proc_params["order"]
        if order is not None:
            # A place that reads nothing is -1: the 0 at the end.
            events = np.append(events, events.dtype.type(0))[order].reshape(self.s_out.shape)
        self.s_out.send(events)
        if (now := self.now()) is not None:
            tally: Tally = self.proc_params["tally"]
            tally.write(*now, events)


@implements(proc=processes.Delay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class DelayModel(FixedPointModel):
    """Keeps the last steps in a ring."""

    a_in: Member = RECEIVES
    a_out: Member = SENDS
    buffer: Member = STATE

    def run_spk(self) -> None:
        """Do one step."""
        place = self.time_step % len(self.buffer)
        self.a_out.send(self.buffer[place])
        self.buffer[place] = self.a_in.recv()


@implements(proc=processes.Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ReadoutModel(FixedPointModel):
    """Sums, sends the sum of the sample so far, and says how far it is."""

    a_in: Member = RECEIVES
    s_out: Member = SUMS
    v: Member = STATE
    bias: Member = STATE

    def run_spk(self) -> None:
        """Do one step."""
        current = self.a_in.recv()
        if (now := self.now()) is not None:
            node: Integrator = self.proc_params["node"]
            if now.step == 0:
                self.v[:] = 0
            self.v += current
            if now.step == 0 or node.decoding == "mean":
                self.v += self.bias
            if node.clamp is not None:
                np.clip(self.v, -node.clamp, node.clamp, out=self.v)
            self.proc_params["totals"][now.sample, now.step] = self.v
        self.s_out.send(self.v)
        self.proc_params["clock"][0] = self.time_step
