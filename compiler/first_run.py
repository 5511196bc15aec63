"""The first run of a model that comes from anywhere: in a child process.

ONNX Runtime may crash or hang on a model: its inference of shapes computes chains of ``Concat``,
whatever comes out, and aborts on a ``Slice`` of a size below zero; a ``Loop`` reads a trip count
without a number, and ``Sum`` an input that is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from ..backends.onnx_runtime.library import load_onnxruntime
from ..ir.errors import ModelError, SnncError
from .child import child, raise_limits

SECONDS, WORK_TO_OPEN, WORK_TO_RUN, MEMORY_TO_OPEN = 300.0, 8, 60, 1 << 31
"""Longest that a first run may take, how long a processor may work to open a model and then at one
sample, and bytes that opening it may take."""

BYTES_OF_WORK, COPIES = 1 << 26, 4
"""Bytes of a model that a processor opens in a second at least, and copies of them in memory."""

RAN = b"\0"
"""What a child process says of a model that it could open and run."""


def expect_runs(
    opened: Callable[[], Callable[[], object]], size: int, *, work: int = WORK_TO_RUN
) -> None:
    """Refuse a model that ONNX Runtime does not open, or that crashes or hangs it.

    Args:
        opened: Opens the model and returns what computes one sample; called in the child only.
            What fails in that sample is not looked at: it fails again where it can be seen.
        size: Bytes of the model.
        work: How long a processor may work at the sample, in seconds.

    Raises:
        ModelError: It does.
    """
    if not hasattr(os, "fork"):
        return
    load_onnxruntime()  # not by each child again

    def answer(pipe: IO[bytes]) -> None:
        try:
            run = opened()
        except Exception as error:  # those of ONNX Runtime have no common base class
            pipe.write(_message(error).encode())
            return
        raise_limits(work)
        with suppress(Exception):
            run()
        pipe.write(RAN)

    work_to_open = WORK_TO_OPEN + size // BYTES_OF_WORK
    memory = MEMORY_TO_OPEN + COPIES * size
    with child(answer, SECONDS, work=work_to_open, memory=memory) as pipe:
        found = pipe.read()
    if found != RAN:
        crashed = "ONNX Runtime crashes on the model, or takes too long for it"
        raise ModelError(found.decode() or crashed, hint="export the model again")


def _message(error: Exception) -> str:
    if isinstance(error, SnncError):
        return str(error.problems[0].message)
    return f"ONNX Runtime does not accept the model: {error}"
