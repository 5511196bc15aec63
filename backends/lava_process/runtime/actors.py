"""The operating system processes of a Lava network, so that none of them outlives its run.

Lava 0.10.0 waits for ever when one of its processes raises, dies or blocks, when Ctrl-C is
pressed, and when a program ends without stopping it; it leaves processes and files behind.
Here each process dies with its parent, reports its traceback through a pipe, ignores Ctrl-C
(the parent handles it) and exchanges messages through memory that has no name.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
import warnings
from functools import cache
from itertools import product
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.interfaces import Channel, ChannelType
from lava.magma.compiler.channels.pypychannel import PyPyChannel
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.mgmt_token_enums import enum_equal
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

from ....ir import Array
from ...inherited_garbage import uncollected
from ...interruption import uninterrupted
from ..recording import shared_zeros
from .channels import DirectChannel, UnnamedMemoryManager, fork

PR_SET_PDEATHSIG = 1
"""Linux: the signal to receive when the parent ends (``man 2 prctl``)."""

JOIN_SECONDS = 5.0
"""How long to wait for a killed process; it is gone in milliseconds."""


POLLED: Any = "polled"
"""The type of a channel whose reader may look at it without waiting."""


class Actor:
    """One forked process that builds and runs a Lava process model.

    Args:
        builder: Lava's builder of the model.
        name: Name of the process in error messages.
        clock: Where a runtime service counts the steps that are done.

    Attributes:
        reports: Where a traceback arrives, or "" at a regular end; closes when the process dies.
        ended: Whether the process has come to a regular end.
    """

    def __init__(self, builder: Any, name: str, clock: Array) -> None:
        self.name = name
        self.ended = False
        self.reports, reporter = fork.Pipe(duplex=False)
        arguments = (builder, reporter, os.getpid(), clock)
        self._process = fork.Process(target=_live, args=arguments, name=name, daemon=True)
        with uncollected():
            self._process.start()
        reporter.close()

    def failure(self) -> str | None:
        """Return why this process failed, or None where it did not."""
        if not self.reports.poll():
            return None
        try:
            report = self.reports.recv()
        except EOFError:
            self._process.join(JOIN_SECONDS)
            return f"process {self.name!r} died (exit code {self._process.exitcode})"
        self.ended = not report
        return f"process {self.name!r} failed:\n{report}" if report else None

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()

    def join(self) -> None:
        """Wait until the process has ended, and forget it."""
        self._process.join(JOIN_SECONDS)
        self.reports.close()
        if not self._process.is_alive():
            self._process.close()


class Actors(MultiProcessing):  # type: ignore[misc]
    """The message infrastructure of one network: its processes and their shared memory."""

    def __init__(self) -> None:
        super().__init__()
        self._smm = UnnamedMemoryManager()
        self._actors: list[Actor] = []
        self._clock = shared_zeros((1,), np.int64)
        blas_libraries()  # looked up once, before forking

    def start(self) -> None:
        """Do nothing: the memory needs no manager."""

    def build_actor(self, target_fn: Any, builder: Any, exception_q: Any = None) -> Actor:
        """Fork a process; the target and the queue of Lava's signature are not used."""
        with uninterrupted(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns where the host has threads
            actor = Actor(builder, name_of(builder), self._clock)
            self._actors.append(actor)
        return actor

    def channel_class(self, channel_type: ChannelType) -> Any:
        """Return what creates a channel."""
        return PyPyChannel if channel_type is POLLED else channel

    def steps_done(self) -> int:
        """Return how many steps are done."""
        return int(self._clock[0])

    def failures(self, patience: float) -> list[str]:
        """Wait for a process to fail, and return why processes failed, if any did.

        Args:
            patience: How long to wait at most, in seconds.
        """
        end = time.monotonic() + patience
        while running := [actor for actor in self._actors if not actor.ended]:
            left = max(0.0, end - time.monotonic())
            if not wait([actor.reports for actor in running], left):
                break
            if found := [failure for actor in running if (failure := actor.failure())]:
                return found
        return []

    def stop(self) -> None:
        """End all processes at once; what they wrote into shared memory stays."""
        with uninterrupted():
            for actor in self._actors:
                actor.kill()
            for actor in self._actors:
                actor.join()
            self._actors.clear()


def channel(actors: Actors, source: str, *arguments: Any) -> Channel:
    """Create a channel; those to the parent keep their threads, because it polls them."""
    kind = PyPyChannel if "runtime" in source else DirectChannel
    return kind(actors, source, *arguments)


def name_of(builder: Any) -> str:
    """Return the name of a process for error messages."""
    if not isinstance(builder, PyProcessBuilder):
        return "runtime service"
    name = builder.proc_params.get("name") if builder.proc_params else None
    return str(name or builder.proc_model.implements_process.__name__)


@cache
def blas_libraries() -> tuple[str, ...]:
    """Return the files of the OpenBLAS builds that are loaded; found on Linux only."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return ()
    return tuple({line.split()[-1] for line in maps.splitlines() if "openblas" in line})


def use_one_blas_thread() -> None:
    """Keep BLAS from starting threads: the processes of a network share the cores already."""
    for path in blas_libraries():
        library = ctypes.CDLL(path)
        for prefix, suffix in product(("", "scipy_"), ("", "64_")):
            name = f"{prefix}openblas_set_num_threads{suffix}"
            if hasattr(library, name):
                library[name](1)


def count_steps(service: LoihiPyRuntimeService, clock: Array) -> None:
    """Make a runtime service count the steps that are done."""
    send, begun = service._send_pm_cmd, 0

    def counting(phase: Array) -> None:
        nonlocal begun
        if enum_equal(phase, LoihiPyRuntimeService.Phase.SPK):
            clock[0] = begun
            begun += 1
        elif enum_equal(phase, LoihiPyRuntimeService.Phase.HOST):
            clock[0] = begun
        send(phase)

    service._send_pm_cmd = counting


def _live(builder: Any, reporter: Connection, parent: int, clock: Array) -> None:
    """Be one process of the network: build the model and run it until it is stopped."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        warnings.simplefilter("ignore")
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        use_one_blas_thread()
        member = builder.build()
        if isinstance(member, LoihiPyRuntimeService):
            count_steps(member, clock)
        member.start()
        reporter.send("")
    except BaseException:
        reporter.send(traceback.format_exc())
        os._exit(1)
    os._exit(0)
