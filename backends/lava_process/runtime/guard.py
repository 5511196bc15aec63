"""The guarded run, for whole graphs of Lava Processes, the user's own among them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from queue import Empty
from typing import Any

from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import AbstractRunCondition
from lava.magma.core.run_configs import RunConfig

from ....ir import Array
from ....ir.errors import ExecutionError
from .actors import POLLED
from .containment import COMPILER, unhandled
from .network import Port
from .run_config import ALL_MODELS, SnncSimCfg
from .simulation import CHANNEL_SLOTS, Session

PATIENT = tuple(model for models in ALL_MODELS for model in models.values())
"""Models that wait for one message after the other, and never look whether there is one."""

ANSWER_SECONDS = 0.5
"""How long to wait for an answer before asking whether a process failed."""


@contextmanager
def guarded(
    process: AbstractProcess,
    run_cfg: RunConfig | None = None,
    *,
    patience: float | None = None,
    compile_config: Mapping[str, Any] | None = None,
) -> Iterator[GuardedSession]:
    """Compile and start all Processes that are connected with one, and end them afterwards.

    ::

        with guarded(source) as session:
            session.run(80)
            result = sink.data.get()

    Vars can be read and set in the block, between runs: after it, ``get`` of Lava returns initial
    values. A Process can be compiled once: make new ones for another session.

    Args:
        process: Any Process of the graph.
        run_cfg: Chooses the models; an ``SnncSimCfg`` if not given.
        patience: Seconds a step may take; 60 if not given.
        compile_config: Options of Lava's compiler.

    Yields:
        The session, ready to run.

    Raises:
        ExecutionError: A Process failed or died, or the graph does not advance; on leaving the
            block or in it.
    """
    options = {"pypy_channel_size": CHANNEL_SLOTS, **(compile_config or {})}
    with unhandled(COMPILER), warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # networkx has no pandas
        compiler = Compiler(options, logging.WARNING)
        executable = compiler.compile(process, run_cfg or SnncSimCfg())
    with closing(GuardedSession(executable, patience)) as session:
        session.initialize()
        yield session


class GuardedSession(Session):
    """A session of a graph in which any Process may take part.

    Args:
        executable: A compiled graph.
        patience: Seconds a step may take, or None.
    """

    service_to_runtime: list[Any]
    runtime_to_service: list[Any]
    advice = "look for a process that waits for a message nobody sends, or allow more patience"

    def __init__(self, executable: Executable, patience: float | None) -> None:
        super().__init__(executable)
        self.patience = patience

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Fork all processes, and let their Vars be read and set."""
        executable = self._executable
        for channel in (*executable.channel_builders, *executable.sync_channel_builders):
            if polls(channel.src_process) or polls(channel.dst_process):
                channel.channel_type = POLLED
        super().initialize()
        self.service_to_runtime = [Answers(port, self.check) for port in self.service_to_runtime]
        self.runtime_to_service = [Orders(port, self.check) for port in self.runtime_to_service]
        self._assign(self)

    def _build_channels(self) -> None:
        super()._build_channels()
        for process, builder in self._executable.proc_builders.items():
            self._create_external_channels(process, builder)
            for port in process.in_ports.members + process.out_ports.members:
                ends = ("external_pipe_csp_send_port", "external_pipe_csp_recv_port")
                self._open_ports += [getattr(port, end) for end in ends if hasattr(port, end)]

    def _assign(self, runtime: GuardedSession | None) -> None:
        """Tell all processes, those made of others too, what runs them."""
        for process in self._executable.process_list:
            while process is not None:
                process.runtime, process = runtime, process.parent_proc

    def start(self, run_condition: AbstractRunCondition) -> None:
        """Run under guard what a Process of the graph is asked to run."""
        self.run(getattr(run_condition, "num_steps", None))

    def check(self) -> None:
        """Raise where a process failed."""
        assert self._messaging_infrastructure is not None
        if failures := self._messaging_infrastructure.failures(0):
            raise ExecutionError("target lava: " + "\n".join(failures))

    def stop(self) -> None:
        """End all processes."""
        self.close()

    def close(self) -> None:
        """End all processes and the threads that served their channels."""
        self._assign(None)
        super().close()


def polls(end: Any) -> bool:
    """Whether what is at one end of a channel may look at it without waiting."""
    if not isinstance(end, AbstractProcess):  # a runtime service: waits for all in turn
        return False
    return not issubclass(end.model_class, PATIENT) or bool(end.var_ports.members)


class Answers:
    """The end at which the program receives from a runtime service; never waits in vain.

    Args:
        port: The end of the channel.
        check: Raises where a process failed.
    """

    def __init__(self, port: Port, check: Callable[[], None]) -> None:
        self._port, self._check = port, check

    def probe(self) -> bool:
        """Whether there is a message."""
        return bool(self._port.probe())

    def recv(self) -> Array:
        """Wait for a message and take it."""
        while not self._arrived():
            self._check()
        message: Array = self._port.recv()
        return message

    def _arrived(self) -> bool:
        try:
            self._port._queue.get(timeout=ANSWER_SECONDS, peek=True)
        except Empty:
            return False
        return True


class Orders:
    """The end at which the program sends to a runtime service; see ``Answers``."""

    def __init__(self, port: Port, check: Callable[[], None]) -> None:
        self._port, self._check = port, check

    def send(self, message: Array) -> None:
        """Send a message; wait while the channel is full."""
        while not self._port._semaphore.acquire(timeout=ANSWER_SECONDS):
            self._check()
        self._port._semaphore.release()
        self._port.send(message)
