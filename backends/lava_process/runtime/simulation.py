"""Running a network of Lava processes under guard, and cleaning up behind Lava."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing

from lava.magma.compiler.channels import pypychannel
from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal
from lava.magma.runtime.runtime import Runtime

from ....ir import Array
from ....ir.errors import ExecutionError, OptionError
from ...base import Progress
from ..plan import Plan
from ..recording import Recording
from .actors import JOIN_SECONDS, Actors
from .channels import fork
from .compat import replaced
from .containment import contained
from .network import build
from .run_config import CONFIGS

STALL_SECONDS = 60.0
"""A network in which no step ends for so long hangs; steps take milliseconds."""

CHANNEL_SLOTS = 2
"""Messages a channel holds: all processes meet after each step, so one would be enough. Lava's
default of 64 takes 32 times the memory and is slower."""

LONGEST_NAP = 0.02
"""Seconds between two looks at a running network."""

ENDS = (MGMT_RESPONSE.DONE, MGMT_RESPONSE.REQ_PAUSE, MGMT_RESPONSE.REQ_STOP)
"""Answers of a runtime service after which a run is over."""

LAST_WORDS = 2.0
"""Seconds to wait for the traceback of a process once the network has reported an error."""


def simulate(
    plan: Plan,
    samples: Mapping[str, Array],
    recording: Recording,
    *,
    timesteps: int,
    fast: bool,
    progress: Progress | None,
    timeout: float | None,
) -> None:
    """Stream samples through a network and write down what it does.

    Args:
        plan: The network.
        samples: For each source, ``(samples, elements, *lava_shape)``, int32 or float64.
        recording: Filled.
        timesteps: Steps of one element.
        fast: Whether connections run on our models.
        progress: Called as samples are finished.
        timeout: Seconds until the run is given up, or None.

    Raises:
        ExecutionError: A process failed or died, or the network does not advance.
    """
    count, elements = next(iter(samples.values())).shape[:2]
    each = elements * (timesteps + plan.idle)
    told = -1

    def advanced() -> int:
        nonlocal told
        step = int(recording.clocks.min())
        done = max(0, step - plan.depth_latency + plan.idle) // each
        if progress and done != told:
            told = done
            progress(done, count)
        return step

    with contained():
        network = build(plan, samples, recording, timesteps)
        compiler = Compiler({"pypy_channel_size": CHANNEL_SLOTS}, logging.WARNING)
        executable = compiler.compile(network[0], CONFIGS[plan.arithmetic](fast=fast))
        with closing(Session(executable)) as session:
            session.run(plan.steps(count * elements, timesteps), timeout, advanced)
        drop_arrays(network)


def drop_arrays(network: Iterable[AbstractProcess]) -> None:
    """Let go of the weights of processes that are not needed any more.

    A process and its variables refer to each other, so Python frees them whenever it next looks
    for circles; that can be many runs, and as many copies of the weights, later.
    """
    for process in network:
        vars(process.proc_params)["_parameters"].clear()
        for variable in process.vars:
            variable.init = None


class Session(Runtime):  # type: ignore[misc]
    """A Lava runtime that never hangs and leaves nothing behind.

    Args:
        executable: A compiled network.

    Attributes:
        patience: Seconds a step may take; None for ``STALL_SECONDS``.
        advice: What to do about a network that does not advance.
    """

    _messaging_infrastructure: Actors | None
    _closed = False
    patience: float | None = None
    advice = "run fewer samples, or run the artifact with --on numpy"

    def __init__(self, executable: Executable) -> None:
        super().__init__(executable, ActorType.MultiProcessing)

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Fork all processes, as ``Runtime.initialize`` does, but wait for none of them."""
        self._build_watchdog_manager()
        self._messaging_infrastructure = Actors()
        with replaced(pypychannel, "Semaphore", fork.Semaphore):
            self._build_channels()
            self._build_sync_channels()
        executable = self._executable
        for builders in (executable.proc_builders, executable.runtime_service_builders):
            for builder in builders.values():
                self._messaging_infrastructure.build_actor(None, builder)
        self._start_ports()
        self._is_initialized = True

    def run(
        self,
        steps: int | None,
        timeout: float | None = None,
        advanced: Callable[[], int] | None = None,
    ) -> None:
        """Run some steps and wait for their end; may be called again for more.

        Args:
            steps: Number of steps; None runs until a process asks for a pause or the end.
            timeout: Seconds until the run is given up; None waits as long as it advances.
            advanced: Called now and then; returns the number of steps done.

        Raises:
            ExecutionError: A process failed or died, or the network does not advance.
            OptionError: The number of steps is below 1.
        """
        if steps is not None and steps < 1:
            raise OptionError(f"target lava: {steps} steps cannot be run")
        if self._closed:
            raise ExecutionError("target lava: the session has ended", hint="begin a new one")
        if not self._is_initialized:
            self.initialize()
        assert self._messaging_infrastructure is not None
        advanced = advanced or self._messaging_infrastructure.steps_done
        before, begin = advanced(), time.monotonic()
        Runtime.start(self, RunSteps(steps, blocking=False) if steps else RunContinuous())
        step, changed, nap = 0, begin, 5e-4
        of = f" of {steps}" if steps else ""
        self._unanswered = len(self.service_to_runtime)
        while not self._answered(nap):
            now = time.monotonic()
            if (done := advanced() - before) != step:
                step, changed = done, now
            elif now - changed > (patience := self.patience or STALL_SECONDS):
                raise ExecutionError(
                    f"target lava: no step ended for {patience:.0f} s after step {step}{of}",
                    hint=self.advice,
                )
            if timeout is not None and now - begin > timeout:
                raise ExecutionError(
                    f"target lava: gave up after {timeout:g} s at step {step}{of}",
                    hint="allow more time or run fewer samples",
                )
            nap = min(1.5 * nap, LONGEST_NAP)
        self._is_running = False
        advanced()

    def close(self) -> None:
        """End all processes and the threads that served their channels."""
        self._closed = True
        self._is_started = self._is_running = False  # else Lava tries to stop them once more
        if self._messaging_infrastructure is not None:
            self._messaging_infrastructure.stop()
        threads = [port.thread for port in self._open_ports if port.thread]
        self.join()
        for thread in threads:
            thread.join(JOIN_SECONDS)

    def _answered(self, patience: float) -> bool:
        """Whether all steps are done; raises where they never will be."""
        assert self._messaging_infrastructure is not None
        failures = self._messaging_infrastructure.failures(patience)
        answers = [port.recv() for port in self.service_to_runtime if port.probe()]
        if not failures and all(any(enum_equal(a, end) for end in ENDS) for a in answers):
            self._unanswered -= len(answers)
            return self._unanswered == 0
        failures = failures or self._messaging_infrastructure.failures(LAST_WORDS)
        reason = "\n".join(failures) or "the runtime service reported an error"
        raise ExecutionError(f"target lava: {reason}")
