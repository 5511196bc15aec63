"""Processes and graphs of a Lava user, to be copied to a folder of its own and run as a program.

Lava executes all files in the folder of a Process in search of models. The first argument is an
artifact's folder; the others name the functions to call.
"""

import os
import signal
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnc
from snnc.backends.lava_process import NetworkProcess, Probe, SnncSimCfg, guarded
from snnc.ir.errors import ExecutionError

# isort: split
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import PyDenseModelFloat
from lava.proc.dense.process import Dense
from lava.proc.io.extractor import Extractor
from lava.proc.io.injector import Injector
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.lif.process import LIF

COUNT = 3
PATIENCE = 20.0
NET = snnc.load(sys.argv[1])
T = NET.timesteps
X = np.random.default_rng(3).uniform(0, 1, (COUNT, *NET.graph.types["x"].shape)).astype("f4")


class Camera(AbstractProcess):  # type: ignore[misc]
    """Sends each frame T times, over and over."""

    def __init__(self, *, frames: Any, hold: int, mishap: str = "", stop_at: int = 0) -> None:
        super().__init__(frames=frames, hold=hold, mishap=mishap, stop_at=stop_at)
        self.out = OutPort(shape=frames.shape[1:])


class CameraModel(PyLoihiProcessModel):  # type: ignore[misc]
    def run_spk(self) -> None:
        frames, mishap = self.proc_params["frames"], self.proc_params["mishap"]
        if self.time_step == 6 and mishap == "raise":
            raise ValueError("the sum of all evils")
        if self.time_step == 6 and mishap == "die":
            os._exit(3)
        if self.time_step == 6 and mishap == "silent":
            return
        if self.time_step == self.proc_params["stop_at"]:
            self._req_stop = True
        frame = frames[(self.time_step - 1) // self.proc_params["hold"] % len(frames)]
        self.out.send(frame)


@implements(proc=Camera, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedCamera(CameraModel):
    out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)


@implements(proc=Camera, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatCamera(CameraModel):
    out: Any = LavaPyType(PyOutPort.VEC_DENSE, float)


class Answers(AbstractProcess):  # type: ignore[misc]
    """Keeps the answer to each sample; its one model has no tag."""

    def __init__(self, *, schedule: Any, shape: tuple[int, ...], count: int) -> None:
        super().__init__(schedule=schedule)
        self.totals = InPort(shape=shape)
        self.kept = Var(shape=(count, *shape), init=0)


@implements(proc=Answers, protocol=LoihiProtocol)
@requires(CPU)
class AnswersModel(PyLoihiProcessModel):  # type: ignore[misc]
    totals: Any = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    kept: Any = LavaPyType(np.ndarray, np.int64)

    def run_spk(self) -> None:
        total, now = self.totals.recv(), self.proc_params["schedule"].at(self.time_step)
        if now is not None and now[0] < len(self.kept):
            self.kept[now[0]] = total


class Spy(AbstractProcess):  # type: ignore[misc]
    """Reads a Var of another Process at the end of each step."""

    def __init__(self, *, shape: tuple[int, ...], steps: int) -> None:
        super().__init__()
        self.watched = RefPort(shape=shape)
        self.seen = Var(shape=(steps, *shape), init=0)


@implements(proc=Spy, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SpyModel(PyLoihiProcessModel):  # type: ignore[misc]
    watched: Any = LavaPyType(PyRefPort.VEC_DENSE, np.int64)
    seen: Any = LavaPyType(np.ndarray, np.int64)

    def post_guard(self) -> bool:
        return True

    def run_post_mgmt(self) -> None:
        self.seen[self.time_step - 1] = self.watched.read()


def wired(**options: Any) -> tuple[NetworkProcess, Camera, Answers]:
    """Return a network between Processes of the user's own."""
    network = NetworkProcess(NET, name="network")
    camera = Camera(frames=network.encode(X), hold=T, **options)
    answers = Answers(
        schedule=network.schedule(network.a_out), shape=network.a_out.shape, count=COUNT
    )
    camera.out.connect(network.s_in)
    network.a_out.connect(answers.totals)
    return network, camera, answers


@cache
def expected() -> Any:
    return NET.run(X).outputs


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def children() -> list[str]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [child for child in listed if "Z" not in Path(f"/proc/{child}/stat").read_text()]


def user_processes() -> None:
    """Tagged and untagged models are found; a session runs on; Vars can be read between runs."""
    network, _, answers = wired()
    with guarded(network) as session:
        session.run(network.steps(1))
        first = network.decode(answers.kept.get())
        network.run(RunSteps(network.steps(COUNT) - network.steps(1)))  # under guard as well
        outputs = network.decode(answers.kept.get())
        network.stop()
        with pytest.raises(ExecutionError, match="the session has ended"):
            session.run(1)
    assert np.array_equal(first[0], expected()[0])
    assert not np.array_equal(first[-1], expected()[-1])
    assert np.array_equal(outputs, expected())
    assert not children(), children()


def stock_runtime() -> None:
    """The run of Lava itself gives the same, as long as nothing goes wrong and it is stopped."""
    network, _, answers = wired()
    network.run(RunSteps(network.steps(COUNT)), run_cfg=SnncSimCfg(fast=False))
    outputs = network.decode(answers.kept.get())
    network.stop()
    assert np.array_equal(outputs, expected())


def floating_point_around_it() -> None:
    """A user's Dense keeps its real weights, while those of the network stay in fixed point."""
    network, _, answers = wired()
    named = {Dense: PyDenseModelFloat}  # theirs alone
    half, sink = Dense(weights=np.eye(3, 7) / 2), Sink(shape=(3,), buffer=network.steps(COUNT) + 1)
    network.a_out.connect(half.s_in)
    half.a_out.connect(sink.a_in)
    with guarded(
        network, SnncSimCfg(select_tag="floating_pt", exception_proc_model_map=named)
    ) as session:
        session.run(network.steps(COUNT) + 1)
        halves = sink.data.get()
        totals = answers.kept.get()
        assert np.array_equal(network.decode(totals), expected())
    nonzero = totals != 0
    steps = [network.schedule(network.a_out).last(sample) + 1 for sample in range(COUNT)]
    assert np.array_equal(halves[:, np.array(steps) - 1].T, (nonzero / 2)[:, :3])


def lava_neurons_behind_it() -> None:
    """Dense and LIF of Lava read the spikes of a layer; a RefPort reads the state of the LIF."""
    network = NetworkProcess(NET, probe=["n3"])
    camera = Camera(frames=network.encode(X), hold=T)
    camera.out.connect(network.s_in)
    port, steps = network.probes["n3"], network.steps(COUNT)
    dense = Dense(weights=2 * np.eye(16, dtype=int), num_message_bits=8)
    lif = LIF(shape=(16,), vth=1, du=4095, dv=0, bias_mant=0)
    probe = Probe(shape=port.shape, steps=steps)
    fired = Probe(shape=(16,), steps=steps)
    spy = Spy(shape=(16,), steps=steps)
    port.connect([dense.s_in, probe.a_in])
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(fired.a_in)
    spy.watched.connect_var(lif.v)
    with guarded(camera) as session:
        session.run(steps)
        seen = spy.seen.get()
    v = np.zeros(16, int)
    for step in range(1, steps):
        v = v + (2 * probe.trace[step - 1] << 6)
        spikes = v > 1 << 6
        v[spikes] = 0
        assert np.array_equal(fired.trace[step], spikes), step
        assert np.array_equal(seen[step], v), step
    assert fired.trace.any()


def behind_a_connection() -> None:
    """A connection of Lava in front of the network costs a step."""
    network = NetworkProcess(NET, start=2)
    frames = network.encode(X).reshape(COUNT, -1)
    camera = Camera(frames=frames, hold=T)
    size = frames.shape[1]
    dense = Dense(weights=2 * np.eye(size, dtype=int), weight_exp=-1, num_message_bits=8)
    camera.out.connect(dense.s_in)
    dense.a_out.reshape(network.s_in.shape).connect(network.s_in)
    probe = Probe(shape=network.a_out.shape, steps=network.steps(COUNT))
    network.a_out.connect(probe.a_in)
    with guarded(camera) as session:
        session.run(network.steps(COUNT))
    totals = network.schedule(network.a_out).cut(probe.trace)[:, -1]
    assert np.array_equal(network.decode(totals), expected())


def from_the_program() -> None:
    """Frames come from the program itself, and answers go back to it."""
    network = NetworkProcess(NET)
    injector, extractor = Injector(shape=network.s_in.shape), Extractor(shape=network.a_out.shape)
    injector.out_port.connect(network.s_in)
    network.a_out.connect(extractor.in_port)
    frames = np.repeat(network.encode(X), T, axis=0)
    late = np.zeros((network.program.depth_latency, *network.s_in.shape))
    received = []
    with guarded(network, SnncSimCfg(select_tag=None)) as session:
        for frame in [*frames, *late]:
            injector.send(frame)
            session.run(1)
            received.append(extractor.receive())
    totals = network.schedule(network.a_out).cut(np.array(received))[:COUNT, -1]
    assert np.array_equal(network.decode(totals), expected())


def until_a_process_stops() -> None:
    """Without a number of steps a graph runs until a Process asks for the end."""
    network, _, answers = wired(stop_at=5 * T)
    with guarded(network) as session:
        session.run(None)
        outputs = network.decode(answers.kept.get())
    assert np.array_equal(outputs, expected())


def fails(mishap: str, words: list[str], patience: float | None = None) -> None:
    begin = time.monotonic()
    network, camera, _ = wired(mishap=mishap)
    with pytest.raises(ExecutionError) as caught, guarded(network, patience=patience) as session:
        session.run(40)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    seconds = time.monotonic() - begin
    assert seconds < PATIENCE, seconds
    assert not children(), children()
    camera.stop()  # as Lava does when it forgets a Process


def an_exception() -> None:
    """What is raised in a Process of the user's surfaces, and nothing stays."""
    fails("raise", ["process 'Camera' failed", "the sum of all evils", "line "])


def mishaps() -> None:
    """What goes wrong otherwise does too."""
    fails("die", ["process 'Camera' died (exit code 3)"])
    fails("silent", ["no step ended for 6 s after step 5 of 40", "hint: look for"], patience=6.0)
    network, _, _ = wired()
    with pytest.raises(ExecutionError, match="gave up after 1 s"), guarded(network) as session:
        session.run(None, timeout=1.0)
    assert not children(), children()


def interrupted() -> None:
    """Ctrl-C ends an endless run; told to begin by a line."""
    network, _, _ = wired()
    with guarded(network) as session:
        session.run(2)
        say("running")
        session.run(None)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in sys.argv[2:]:
        say(name)
        globals()[name]()
    say("end")
