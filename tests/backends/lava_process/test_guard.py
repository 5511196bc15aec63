"""Nothing that goes wrong in a Lava network hangs, hides its reason or leaves anything behind.

Each test runs a program of its own that leads its own process group, so that the test suite
cannot hang either.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from snnc.backends.lava_process import LavaBackend
from tests.backends.lava_process import programs
from tests.backends.lava_process.programs import alive, started

pytestmark = [
    pytest.mark.lava,
    pytest.mark.skipif(not LavaBackend().availability(), reason="the extra lava is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

PATIENCE = 20
"""Seconds that suffice on a busy machine; on an idle one it is over within one."""

PROGRAM = """
import multiprocessing.managers, multiprocessing.shared_memory, os, signal, sys, time
from pathlib import Path
import numpy as np
from snnc.backends.lava_process import LavaBackend
from snnc.ir import IF, Encoder, Graph, Input, Integrator, Linear
from snnc.ir.errors import ExecutionError
from snnc.ir.types import TensorType

PATIENCE = 20  # a second on an idle machine
zero = np.zeros(1, int)
nodes = [
    Input(name="x", type=TensorType((3,))),
    Encoder(name="e", inputs=("x",), scale=0.1),
    Linear(name="l", inputs=("e",), weight=np.ones((2, 3), int)),
    IF(name="n", inputs=("l",), threshold=zero + 9, bias=zero, initial=zero),
    Linear(name="k", inputs=("n",), weight=np.ones((2, 2), int)),
    Integrator(name="y", inputs=("k",), bias=zero, scale=np.ones(2)),
]
program = LavaBackend().lower(Graph(nodes, {"y": "y"}), 4)
x = {"x": np.ones((5, 3))}
print("begin", flush=True)
program.run(x)

from snnc.backends.lava_process.runtime import models, simulation

def children():
    return [p for p in Path("/proc").glob("[0-9]*/stat") if parent(p) == os.getpid()]

def parent(stat):
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None

def forbidden(*_, **__):
    raise AssertionError("named shared memory outlives a crash")

multiprocessing.shared_memory.SharedMemory.__init__ = forbidden
multiprocessing.managers.SharedMemoryManager.start = forbidden

def fails(words, **options):
    begin = time.monotonic()
    try:
        program.run(x, **options)
    except ExecutionError as error:
        for word in words:
            assert word in str(error), str(error)
    else:
        raise AssertionError("nothing was raised")
    assert time.monotonic() - begin < PATIENCE
    assert not children()

def broken(model, action):
    original = model.run_spk
    def run_spk(self):
        if self.time_step == 6:
            action()
        original(self)
    model.run_spk = run_spk
    return lambda: setattr(model, "run_spk", original)

def raise_():
    raise ValueError("the sum of all evils")
"""


def run(script: str) -> None:
    programs.run("-c", PROGRAM + script)


def test_an_exception_surfaces_with_its_traceback() -> None:
    run(
        "for model in (models.SampleSourceModel, models.IntegrateAndFireModel, "
        "models.ReadoutModel):\n"
        "    mend = broken(model, raise_)\n"
        "    fails(['failed', 'the sum of all evils', 'line '])\n"
        "    mend()\n"
        "def __init__(self, *_):\n"
        "    raise_()\n"
        "models.IntegrateAndFireModel.__init__ = __init__\n"
        "fails([\"process 'n' failed\", 'the sum of all evils'])\n"
        "del models.IntegrateAndFireModel.__init__\n"
        "assert program.run(x).outputs.shape == (5, 2)\n"
        "print('end')\n"
    )


def test_the_garbage_of_the_program_is_not_collected_in_its_processes() -> None:
    """What it ends may be there in the program alone, as the threads of a library."""
    run(
        "import gc\n"
        "gc.disable()\n"
        "read, write = os.pipe()\n"
        "class Cycle:\n"
        "    def __init__(self):\n"
        "        self.itself = self\n"
        "    def __del__(self):\n"
        "        os.write(write, b'program' if os.getpid() == program_id else b'process')\n"
        "program_id = os.getpid()\n"
        "Cycle()\n"
        "broken(models.IntegrateAndFireModel, lambda: (gc.collect(), os.write(write, b'in ')))\n"
        "program.run(x)\n"
        "gc.collect()\n"
        "assert os.read(read, 100) == b'in program'\n"
        "print('end')\n"
    )


def test_a_killed_process_is_noticed() -> None:
    run(
        "mend = broken(models.IntegrateAndFireModel, lambda: os.kill(os.getpid(), 9))\n"
        "fails([\"process 'n' died (exit code -9)\"])\n"
        "mend()\n"
        "mend = broken(models.ReadoutModel, lambda: os._exit(0))\n"
        "fails([\"process 'y' died (exit code 0)\"])\n"
        "mend()\n"
        "program.run(x)\n"
        "print('end')\n"
    )


def test_a_network_that_hangs_is_given_up() -> None:
    run(
        "mend = broken(models.IntegrateAndFireModel, lambda: time.sleep(1000))\n"
        "fails(['gave up after 0.5 s', 'of 22'], timeout=0.5)\n"
        "simulation.STALL_SECONDS = 4.0\n"
        "fails(['no step ended for 4 s after step 6 of 22'])\n"
        "print('end')\n"
    )


def test_what_ends_a_process_by_other_ways_is_told() -> None:
    run(
        "mend = broken(models.IntegrateAndFireModel, lambda: sys.exit(0))\n"
        "fails([\"process 'n' failed\", 'SystemExit: 0'])\n"
        "mend()\n"
        "def no_memory():\n"
        "    raise MemoryError\n"
        "mend = broken(models.ReadoutModel, no_memory)\n"
        "fails([\"process 'y' failed\", 'MemoryError'])\n"
        "mend()\n"
        "from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService\n"
        "original = LoihiPyRuntimeService.run\n"
        "LoihiPyRuntimeService.run = lambda self: os.kill(os.getpid(), 9)\n"
        "fails(['runtime service', 'died (exit code -9)'])\n"
        "LoihiPyRuntimeService.run = original\n"
        "program.run(x)\n"
        "print('end')\n"
    )


def test_a_stopped_process_does_not_outlive_the_deadline() -> None:
    run(
        "broken(models.IntegrateAndFireModel, lambda: os.kill(os.getpid(), signal.SIGSTOP))\n"
        "fails(['gave up after 0.5 s'], timeout=0.5)\n"
        "print('end')\n"
    )


def test_more_words_than_a_pipe_holds() -> None:
    """A pipe holds 64 KiB. Tracebacks of several processes at once are longer, and arrive."""
    run(
        "def long():\n"
        "    raise ValueError('x' * 1_000_000 + ' and the end of it')\n"
        "mends = [broken(model, long) for model in (models.IntegrateAndFireModel, "
        "models.ReadoutModel, models.SampleSourceModel)]\n"
        "fails(['failed', 'and the end of it'])\n"
        "for mend in mends: mend()\n"
        "mend = broken(models.IntegrateAndFireModel, lambda: print('y' * 1_000_000, flush=True))\n"
        "assert program.run(x).outputs.shape == (5, 2)\n"
        "mend()\n"
        # Nobody reads: the process waits for ever, its network does not.
        "read, write = os.pipe()\n"
        "kept = os.dup(1)\n"
        "os.dup2(write, 1)\n"
        "broken(models.IntegrateAndFireModel, lambda: os.write(1, b'z' * 1_000_000))\n"
        "fails(['gave up after 1 s', 'of 22'], timeout=1)\n"
        "os.dup2(kept, 1)\n"
        "print('end')\n"
    )


def test_an_exception_of_the_caller_ends_the_network() -> None:
    """One of its own, while the network is built, while it runs and while it is watched."""
    run(
        "def caught(**options):\n"
        "    try:\n"
        "        program.run(x, **options)\n"
        "    except KeyboardInterrupt:\n"
        "        assert not children()\n"
        "    else:\n"
        "        raise AssertionError('nothing was raised')\n"
        "def interrupt(*_, **__):\n"
        "    raise KeyboardInterrupt\n"
        "caught(progress=interrupt)\n"
        "def late(self, *arguments):\n"  # when half of the processes are there
        "    if len(self._actors) > 2:\n"
        "        interrupt()\n"
        "    return build(self, *arguments)\n"
        "from snnc.backends.lava_process.runtime.actors import Actors\n"
        "build = Actors.build_actor\n"
        "Actors.build_actor = late\n"
        "caught()\n"
        "Actors.build_actor = build\n"
        "assert program.run(x).outputs.shape == (5, 2)\n"
        "print('end')\n"
    )


LONG = (
    "x = {'x': np.ones((20000, 3))}\n"
    "program.run(x, progress=lambda done, total: print(done, flush=True))\n"
)


def wait_until_it_runs(child: "subprocess.Popen[str]") -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip().isdigit() and int(line) > 3:
            return
    pytest.fail("the program ended")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_signals_end_everything(number: signal.Signals) -> None:
    with started("-c", PROGRAM + LONG) as child:
        wait_until_it_runs(child)
        assert len(alive(child.pid)) > 5
        begin = time.monotonic()
        if number is signal.SIGINT:  # a terminal sends it to the whole group
            os.killpg(child.pid, number)
        else:
            os.kill(child.pid, number)
        _, error = child.communicate(timeout=PATIENCE)
        while alive(child.pid) and time.monotonic() - begin < PATIENCE:
            time.sleep(0.05)
        assert not alive(child.pid)
        if number is signal.SIGINT:
            assert error.count("Traceback") == 1
            assert "KeyboardInterrupt" in error
        else:
            assert child.returncode == -number


def test_the_start_method_of_the_program_is_kept() -> None:
    script = (
        "import multiprocessing\n"
        "assert multiprocessing.get_start_method() == 'spawn'\n"
        "assert program.run(x).outputs.shape == (5, 2)\n"
        "print('end')\n"
    )
    spawn = "import multiprocessing\nmultiprocessing.set_start_method('spawn')\n"
    done = subprocess.run(
        [sys.executable, "-c", spawn + PROGRAM + script],
        timeout=90,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("end\n")
